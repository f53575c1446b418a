"""How well a model foretells a text: nats per character.

Shape suffixes: T steps, B streams, N characters of the text.
"""

import math
import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from charrnn.analysis.dynamic_evaluation import adapted_copy
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.data.vocabulary import Codes
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.loading import load
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.sampling.engines.interface import Writer

_CHUNK = 8_192  # characters of all streams read between two looks at the stop request
LARGEST_EVALUATION = 1_000_000  # characters of the held-out part that training looks at
_STREAMS = 64  # streams of a periodic evaluation: beyond, a processor gains no speed
_SHORTEST_STREAM = 1000  # characters
_SHORTEST_BATCH, _BATCHES = 200, 100  # characters; how many batch means are compared at most
_WARM_UP = 200  # characters a stream reads before its own, in the place of a carried state


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
        return self.nats_per_char / math.log(2)


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
    if len(codes) < 2:
        raise CorpusError(
            f"a text of {len(codes)} characters cannot be scored: at least 2 are needed, one to "
            "read and one to foretell"
        )
    if adapt is not None:
        return adapted_copy(model, codes, adapt)[1]
    if context is None:
        return _carried(model, codes)
    length = len(codes) - 1
    whole = length // context
    parts = []
    if whole:
        starts_B = np.arange(whole) * context
        for some_B in np.array_split(starts_B, min(whole, math.ceil(whole * context / _CHUNK))):
            window_TB = codes[some_B + np.arange(context + 1)[:, None]]
            nats_TB, _ = _losses(model, window_TB, model.initial_state(len(some_B)))
            parts.append(nats_TB.T.ravel())
    if length % context:
        parts.append(_carried(model, codes[whole * context :]))
    return np.concatenate(parts)


def writer_nats(writer: Writer, codes: Codes) -> NDArray[np.float32]:
    """Return the loss of each character but the first, as a writer foretells them."""
    logits_1V, state = writer.read(codes[:1])
    logits_NV = [logits_1V]
    for code in codes[1:-1].astype(np.int64):
        logits_1V, state = writer.step(state, code[None])
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
    streams = max(1, min(_STREAMS, length // _SHORTEST_STREAM))
    own, rows = math.ceil(length / streams), math.ceil(_CHUNK / streams)
    spans = [(first, min(first + rows, own)) for first in range(0, own, rows)]
    if streams > 1:
        warm_up = range(-_WARM_UP, 0, rows)
        spans[:0] = [(first, min(first + rows, 0)) for first in warm_up]
    starts_B = np.arange(streams) * own
    total, state = 0.0, model.initial_state(streams)
    for first, last in spans:
        if stop.is_set():
            return None
        places_TB = starts_B + np.arange(first, last + 1)[:, None]
        nats_TB, state = _losses(model, codes[places_TB.clip(0, length)], state)
        if last == 0:
            state = _blank_first_stream(state)  # nothing precedes it: it read padding
        elif first >= 0:
            total += float(nats_TB[places_TB[:-1] < length].sum(dtype=np.float64))
    return total / length


def _carried(model: CharRNN, codes: Codes) -> NDArray[np.float32]:
    parts, state = [], model.initial_state(1)
    for first in range(0, len(codes) - 1, _CHUNK):
        nats_T1, state = _losses(model, codes[first : first + _CHUNK + 1, None], state)
        parts.append(nats_T1[:, 0])
    return np.concatenate(parts)


@torch.inference_mode()
def _losses(model: CharRNN, window_TB: Codes, state: State) -> tuple[NDArray[np.float32], State]:
    """Return the loss of foretelling each row of codes but the first from those before it."""
    codes_TB = torch.from_numpy(window_TB.astype(np.int64)).to(model.device)
    logits_TBV, state = model(codes_TB[:-1], state)
    nats_TB = cross_entropy(logits_TBV.flatten(0, 1), codes_TB[1:].flatten(), reduction="none")
    return nats_TB.view(codes_TB[1:].shape).cpu().numpy(), state


def _blank_first_stream(state: State) -> State:
    parts = tuple(part.clone() for part in state.parts_LBH)
    for part in parts:
        part[:, 0] = 0
    return State(parts)
