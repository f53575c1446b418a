"""How well a model foretells a text: nats per character.

Shape suffixes: T steps, B streams or windows, N characters of the text, V characters of the
vocabulary.
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.analysis.dynamic_evaluation import adapted_copy
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.data.vocabulary import Codes
from charrnn.errors import ConfigError
from charrnn.model.forward import check_length, count_streams, forward_chunks, forward_streams
from charrnn.model.loading import load
from charrnn.model.network import CharRNN
from charrnn.numerics.information import nats_to_bits
from charrnn.sampling.engines.interface import SamplingEngine

_CHUNK = 8_192  # characters of all streams that are read between two checks of the stop request
LARGEST_EVALUATION = 1_000_000  # characters of the held-out part that training looks at
_MIN_STREAM = 1000  # characters
_SHORTEST_BATCH, _BATCHES = 200, 100  # characters; how many batch means are compared at most


@dataclass(frozen=True)
class Score:
    """The mean loss over `characters` foretold characters, and how sure it is.

    `standard_error` is in nats, that of the mean over texts like this one. Losses of neighbours are
    not independent, so it is taken from the means of stretches of 200 characters or more (batch
    means); infinite for texts too short to have two.
    """

    nats_per_char: float
    characters: int
    standard_error: float

    @property
    def bits_per_char(self) -> float:
        """The same loss in bits."""
        return nats_to_bits(self.nats_per_char)


def score(
    source: CharRNN | str | None,
    text: str,
    context: int | None = None,
    adapt: AdaptConfig | None = None,
) -> Score:
    """Return how well a model, or a run's best checkpoint, foretells `text`.

    The text is read once, the state carried; with `context`, in independent windows of that many
    characters, each from a blank state; with `adapt`, once by a copy of the model that learns from
    what it has read. The first character of all, which nothing precedes, is not counted. Raises
    `VocabularyError` for characters the model does not know.
    """
    model = source if isinstance(source, CharRNN) else load(source)
    return score_codes(model, model.vocabulary.encode(text), context, adapt)


def score_codes(
    model: CharRNN, codes: Codes, context: int | None = None, adapt: AdaptConfig | None = None
) -> Score:
    """Return how well a model foretells a text that is encoded already; see `score`."""
    nats_N = character_nats(model, codes, context, adapt)
    mean = float(nats_N.mean(dtype=np.float64))
    return Score(mean, len(nats_N), standard_error(nats_N))


def standard_error(nats_N: NDArray[np.float32]) -> float:
    """Return the standard error of the mean loss; see `Score`."""
    batches = min(len(nats_N) // _SHORTEST_BATCH, _BATCHES)
    if batches < 2:
        return math.inf
    means = [each.mean(dtype=np.float64) for each in np.array_split(nats_N, batches)]
    return float(np.std(means, ddof=1) / math.sqrt(batches))


def character_nats(
    model: CharRNN, codes: Codes, context: int | None = None, adapt: AdaptConfig | None = None
) -> NDArray[np.float32]:
    """Return the loss of each character but the first, in order; see `score`."""
    if context is not None and adapt is not None:
        raise ConfigError("a text is read in independent windows or adapted to, not both")
    check_length(codes)
    if adapt is not None:
        return adapted_copy(model, codes, adapt)[1]
    if context is None:
        return _carried_nats(model, codes)
    length = len(codes) - 1
    whole = length // context
    parts = []
    if whole:
        starts_B = np.arange(whole) * context
        for some_B in np.array_split(starts_B, min(whole, math.ceil(whole * context / _CHUNK))):
            window_TB = codes[some_B + np.arange(context + 1)[:, None]]
            (nats_TB,) = _chunk_nats(model, window_TB, context)
            parts.append(nats_TB.T.ravel())
    if length % context:
        parts.append(_carried_nats(model, codes[whole * context :]))
    return np.concatenate(parts)


def engine_nats(engine: SamplingEngine, codes: Codes) -> NDArray[np.float32]:
    """Return the loss of each character but the first, as an engine foretells them."""
    logits_1V, state = engine.read(codes[:1])
    logits_NV = [logits_1V]
    for code in codes[1:-1].astype(np.int64):
        logits_1V, state = engine.step(state, code[None])
        logits_NV.append(logits_1V)
    targets_N = torch.from_numpy(codes[1:].astype(np.int64))
    nats_N: NDArray[np.float32] = cross_entropy(
        torch.from_numpy(np.concatenate(logits_NV)), targets_N, reduction="none"
    ).numpy()
    return nats_N


def held_out_loss(model: CharRNN, codes: Codes, stop: threading.Event) -> float | None:
    """Return the mean loss over the held-out text as training judges it, None if asked to stop.

    At most its first million characters are read, as up to 64 streams side by side. Each stream
    but the first reads the 200 characters before its own first, uncounted, so that the result is
    within a thousandth of that of one carried pass.
    """
    codes = codes[: LARGEST_EVALUATION + 1]
    length = len(codes) - 1
    streams = count_streams(length, _MIN_STREAM)
    total, remaining = 0.0, length
    chunks = forward_streams(model, codes[:-1], streams, math.ceil(_CHUNK / streams))
    while remaining:
        if stop.is_set():
            return None
        chunk = next(chunks)
        remaining -= int(np.count_nonzero(chunk.is_own_TB))
        nats_TB = _nats(chunk.logits_TBV, codes[chunk.positions_TB + 1])
        total += float(nats_TB[chunk.is_own_TB].sum(dtype=np.float64))
    return total / length


def _carried_nats(model: CharRNN, codes: Codes) -> NDArray[np.float32]:
    """Return the loss of each character but the first, from one pass through the text."""
    chunks = _chunk_nats(model, codes[:, None], _CHUNK)
    return np.concatenate([nats_T1[:, 0] for nats_T1 in chunks])


def _chunk_nats(model: CharRNN, codes_TB: Codes, chunk_size: int) -> Iterator[NDArray[np.float32]]:
    """Yield the losses of all rows of codes but the first, `chunk_size` rows at a time."""
    for chunk in forward_chunks(model, codes_TB[:-1], chunk_size):
        yield _nats(chunk.logits_TBV, codes_TB[1:][chunk.rows])


def _nats(logits_TBV: Tensor, targets_TB: Codes) -> NDArray[np.float32]:
    """Return the loss of each target."""
    targets_N = torch.from_numpy(targets_TB.astype(np.int64).ravel()).to(logits_TBV.device)
    nats_N = cross_entropy(logits_TBV.flatten(0, 1), targets_N, reduction="none")
    return nats_N.view(targets_TB.shape).cpu().numpy()
