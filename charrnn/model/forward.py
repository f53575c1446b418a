"""The forward pass of a model over a text, in chunks of bounded size, without gradients.

The size of a chunk limits the memory. It also affects how products are rounded: keep the chunk size
of a caller unchanged.

Shape suffixes: T steps, B streams, N characters of the text, V characters of the vocabulary.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.config.counts import format_count
from charrnn.data.vocabulary import Codes
from charrnn.errors import CorpusError
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.numerics.threads import count_parts, map_streams

Forward = Callable[[Tensor, State], tuple[Tensor, State]]
"""A function of codes (T, B) and a state that returns values (T, B, ...) and the next state."""

_WARM_UP = 200  # characters that a stream reads before its own, in place of a carried state
_MAX_STREAMS = 64  # more streams give no more speed on a CPU


class Chunk(NamedTuple):
    """A range of rows of the codes, the logits after each row, and the state after the last.

    With a `forward` other than the model, its outputs take the place of the logits.
    """

    rows: slice
    logits_TBV: Tensor
    state: State


class StreamChunk(NamedTuple):
    """A chunk of a text that is read as parallel streams.

    `positions_TB` are the positions in the text of the characters that were read. `is_own_TB` is
    false where a stream warms up, and after the end of the text: it is true once for each position.
    """

    positions_TB: NDArray[np.int64]
    is_own_TB: NDArray[np.bool_]
    logits_TBV: Tensor
    state: State


def check_length(
    codes: Codes, name: str = "a text", *remedies: str, separator_code: int | None = None
) -> None:
    """Raise `CorpusError` for a text too short to predict a character of it.

    Also raised for a text that contains only separators of documents. The message calls the text
    `name`. With documents, the first character is predicted too.
    """
    if separator_code is not None and len(codes) and (codes == separator_code).all():
        raise CorpusError(f"{name} contains only separators of documents", *remedies)
    needed = 2 if separator_code is None else 1
    if len(codes) < needed:
        characters = format_count(len(codes), "character")
        reason = "at least 1 is needed"
        if needed == 2:
            reason = "at least 2 are needed, one to read and one to predict"
        raise CorpusError(f"{name} of {characters} is too short; {reason}", *remedies)


@torch.inference_mode()
def forward_chunks(
    model: CharRNN,
    codes_TB: Codes,
    chunk_size: int,
    state: State | None = None,
    forward: Forward | None = None,
) -> Iterator[Chunk]:
    """Yield the logits after each row of codes, at most `chunk_size` rows at a time.

    `state` is the state before the first row; None means the initial state. With `forward`, the
    chunks hold its values in place of logits.
    """
    if state is None:
        state = model.initial_state(codes_TB.shape[1])
    for first in range(0, len(codes_TB), chunk_size):
        rows = slice(first, min(first + chunk_size, len(codes_TB)))
        x_TB = torch.from_numpy(codes_TB[rows].astype(np.int64)).to(model.device)
        logits_TBV, state = _forward(forward or model, x_TB, state)
        yield Chunk(rows, logits_TBV, state)


def _forward(forward: Forward, x_TB: Tensor, state: State) -> tuple[Tensor, State]:
    """Call `forward`; on a CPU, threads divide the streams."""
    streams = x_TB.shape[1]
    if x_TB.device.type != "cpu" or count_parts(streams) == 1:
        return forward(x_TB, state)
    parts = map_streams(lambda part: forward(x_TB[:, part], state.select_streams(part)), streams)
    logits, states = zip(*parts, strict=True)
    return torch.cat(logits, dim=1), State.join(states)


def count_streams(length: int, min_stream: int) -> int:
    """Return how many streams a text of `length` characters is cut into.

    There are at most 64 streams. If there are several, each has at least `min_stream` characters.
    """
    return max(1, min(_MAX_STREAMS, length // min_stream))


@torch.inference_mode()
def forward_streams(
    model: CharRNN,
    codes_N: Codes,
    num_streams: int,
    chunk_size: int,
    forward: Forward | None = None,
) -> Iterator[StreamChunk]:
    """Cut a text into parallel streams and yield them in chunks of at most `chunk_size` steps.

    The first stream starts from the initial state. Each other stream first reads the 200
    characters before its own, or as many as a stream has if that is fewer, so that its state is
    almost that of one pass through the whole text. The chunks of this warm-up are yielded too, with
    logits even if `forward` replaces them in the other chunks.
    """
    length = len(codes_N)
    steps = math.ceil(length / num_streams)
    warm_up = min(_WARM_UP, steps) if num_streams > 1 else 0
    starts_B = np.arange(num_streams) * steps
    state = model.initial_state(num_streams)
    for first, end in ((-warm_up, 0), (0, steps)):  # offsets from the start of each stream
        positions_TB = starts_B + np.arange(first, end)[:, None]
        is_own_TB = (positions_TB < length) & (first >= 0)
        positions_TB = positions_TB.clip(0, length - 1)
        for rows, logits_TBV, new_state in forward_chunks(
            model, codes_N[positions_TB], chunk_size, state, forward if first >= 0 else None
        ):
            yield StreamChunk(positions_TB[rows], is_own_TB[rows], logits_TBV, new_state)
            state = new_state
        if first < 0:
            state = _reset_first_stream(state)  # no characters precede the first stream


def _reset_first_stream(state: State) -> State:
    parts = tuple(part.clone() for part in state.parts_LBH)
    for part in parts:
        part[:, 0] = 0
    return State(parts)
