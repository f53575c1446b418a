"""Chunks and streams give the same logits as a loop over single characters."""

from collections.abc import Sequence
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config.model import Cell
from charrnn.data.vocabulary import Codes
from charrnn.errors import CorpusError
from charrnn.model import forward
from charrnn.model.forward import (
    check_length,
    count_streams,
    forward_chunks,
    forward_streams,
)
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from tests.model.small_model import CELLS, VOCABULARY, small_model


def random_codes(*shape: int) -> Codes:
    return np.random.default_rng(5).integers(0, len(VOCABULARY), shape).astype(np.uint8)


@torch.no_grad()
def read_naively(
    model: CharRNN, codes_T: Sequence[int], state: State | None = None
) -> tuple[torch.Tensor, State]:
    """Read one stream, one character at a time."""
    state = state or model.initial_state(1)
    logits = [torch.empty(0, len(VOCABULARY))]
    for code in codes_T:
        logits_11V, state = model(torch.tensor([[code]]), state)
        logits.append(logits_11V[0])
    return torch.cat(logits), state


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=20, deadline=None)
@given(length=st.integers(0, 12), streams=st.integers(1, 3), chunk_size=st.integers(1, 13))
def test_chunks_are_a_loop_over_single_characters(
    cell: Cell, length: int, streams: int, chunk_size: int
) -> None:
    model, codes_TB = small_model(cell), random_codes(length, streams)
    chunks = list(forward_chunks(model, codes_TB, chunk_size))
    rows = [row for chunk in chunks for row in range(length)[chunk.rows]]
    assert rows == list(range(length))
    assert all(len(chunk.logits_TBV) <= chunk_size for chunk in chunks)
    for stream in range(streams):
        expected_TV, end = read_naively(model, codes_TB[:, stream].tolist())
        logits = [chunk.logits_TBV[:, stream] for chunk in chunks]
        torch.testing.assert_close(torch.cat([expected_TV[:0], *logits]), expected_TV)
        if chunks:
            for part, expected in zip(chunks[-1].state.parts_LBH, end.parts_LBH, strict=True):
                torch.testing.assert_close(part[:, stream], expected[:, 0])


def test_a_pass_continues_from_a_state() -> None:
    model, codes_T1 = small_model(), random_codes(9, 1)
    _, state = read_naively(model, codes_T1[:4, 0].tolist())
    expected_TV, _ = read_naively(model, codes_T1[4:, 0].tolist(), state)
    (chunk,) = forward_chunks(model, codes_T1[4:], 8, state)
    torch.testing.assert_close(chunk.logits_TBV[:, 0], expected_TV)


def test_forward_pass_builds_no_graph() -> None:
    (chunk,) = forward_chunks(small_model(), random_codes(3, 1), 3)
    assert chunk.logits_TBV.is_inference()
    assert all(part.is_inference() for part in chunk.state.parts_LBH)


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(0, 40),
    streams=st.integers(1, 6),
    chunk_size=st.integers(1, 20),
    warm_up=st.integers(0, 12),
)
def test_streams_are_loops_that_start_a_warm_up_before_their_own_characters(
    length: int, streams: int, chunk_size: int, warm_up: int
) -> None:
    model, codes_N = small_model(), random_codes(length)
    with mock.patch.object(forward, "_WARM_UP", warm_up):
        chunks = list(forward_streams(model, codes_N, streams, chunk_size))
    assert all(len(chunk.logits_TBV) <= chunk_size for chunk in chunks)
    steps = -(-length // streams)
    for stream in range(streams):
        start, end = stream * steps, min((stream + 1) * steps, length)
        positions, logits = [], [torch.empty(0, len(VOCABULARY))]
        for chunk in chunks:
            is_own_T = chunk.is_own_TB[:, stream]
            positions += chunk.positions_TB[is_own_T, stream].tolist()
            logits.append(chunk.logits_TBV[:, stream][torch.from_numpy(is_own_T)])
        assert positions == list(range(start, end))
        first = max(0, start - min(warm_up, steps))
        expected_TV, _ = read_naively(model, codes_N[first : max(first, end)].tolist())
        torch.testing.assert_close(torch.cat(logits), expected_TV[start - first :])


@given(length=st.integers(0, 10**7), min_stream=st.integers(1, 2000))
def test_streams_are_at_most_64_and_not_short(length: int, min_stream: int) -> None:
    streams = count_streams(length, min_stream)
    assert 1 <= streams <= 64
    if streams > 1:
        assert length // streams >= min_stream
    if streams < 64:
        assert length < (streams + 1) * min_stream


def test_text_too_short_to_predict_is_an_error() -> None:
    check_length(random_codes(2))
    for codes, start in (
        (random_codes(0), "a text of 0 characters"),
        (random_codes(1), "a text of 1 character"),
    ):
        message = f"^{start} is too short; at least 2 are needed, one to read and one to predict$"
        with pytest.raises(CorpusError, match=message):
            check_length(codes)
    with pytest.raises(CorpusError, match=r"^the draft of 1 character .* predict: add text$"):
        check_length(random_codes(1), "the draft", "add text")
