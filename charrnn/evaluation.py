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

from charrnn.corpus import Codes
from charrnn.errors import CorpusError
from charrnn.model import CharRNN, State, load

_CHUNK = 8_192  # characters of all streams read between two looks at the stop request
LARGEST_EVALUATION = 1_000_000  # characters of the held-out part that training looks at
_STREAMS = 64  # streams of a periodic evaluation: beyond, a processor gains no speed
_SHORTEST_STREAM = 1000  # characters
_WARM_UP = 200  # characters a stream reads before its own, in the place of a carried state


@dataclass(frozen=True)
class Score:
    """The mean loss over `characters` foretold characters."""

    nats_per_char: float
    characters: int

    @property
    def bits_per_char(self) -> float:
        """The same loss in bits."""
        return self.nats_per_char / math.log(2)


def score(source: CharRNN | str | None, text: str, context: int | None = None) -> Score:
    """Return how well a model, or a run's best checkpoint, foretells `text`.

    The text is read once, the state carried; with `context`, in independent windows of that many
    characters, each from a blank state. The first character of all, which nothing precedes, is not
    counted. Raises `VocabularyError` for characters the model does not know.
    """
    model = source if isinstance(source, CharRNN) else load(source)
    return score_codes(model, model.vocabulary.encode(text), context)


def score_codes(model: CharRNN, codes: Codes, context: int | None = None) -> Score:
    """Return how well a model foretells a text that is encoded already; see `score`."""
    nats_N = character_nats(model, codes, context)
    return Score(float(nats_N.mean(dtype=np.float64)), len(nats_N))


def character_nats(model: CharRNN, codes: Codes, context: int | None = None) -> NDArray[np.float32]:
    """Return the loss of each character but the first, in order; see `score`."""
    if len(codes) < 2:
        raise CorpusError(
            f"a text of {len(codes)} characters cannot be scored: at least 2 are needed, one to "
            "read and one to foretell"
        )
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
        spans.insert(0, (-_WARM_UP, 0))
    starts_B = np.arange(streams) * own
    total, state = 0.0, model.initial_state(streams)
    for first, last in spans:
        if stop.is_set():
            return None
        places_TB = starts_B + np.arange(first, last + 1)[:, None]
        nats_TB, state = _losses(model, codes[places_TB.clip(0, length)], state)
        if first < 0:
            state = _blank_first_stream(state)  # nothing precedes it: it read padding
        else:
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
