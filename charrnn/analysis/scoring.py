"""Score a model on a text: its mean loss in nats per character.

Shape suffixes: T steps, B streams or windows, N characters of the text, V characters of the
vocabulary.
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.analysis.dynamic_evaluation import adapt_copy
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.data.document_index import frame_documents, locate_documents
from charrnn.data.vocabulary import Codes
from charrnn.errors import ConfigError
from charrnn.model.document_forward import forward_documents
from charrnn.model.forward import check_length, count_streams, forward_chunks, forward_streams
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.numerics.information import nats_to_bits
from charrnn.runs.find import find_run
from charrnn.runs.text_reader import TextReader
from charrnn.sampling.engines.interface import SamplingEngine

_CHUNK = 8_192  # characters of all streams that are read between two checks of the stop request
_MIN_STREAM = 1000  # characters
_MIN_BATCH = 200  # characters of a batch mean
_MAX_BATCHES = 100


def _no_nats() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class Score:
    """The mean loss over `characters` predicted characters, and its standard error in nats.

    Losses of neighboring characters are not independent. So the standard error is computed from the
    means of batches of at least 200 characters (the method of batch means). It is infinite for a
    text with fewer than two batches.
    """

    nats_per_char: float
    characters: int
    standard_error: float
    documents: int | None = None
    """The number of documents; None for a model that reads a text as one stream. The end of each
    counts as a character."""
    text: str = field(default="", repr=False, compare=False)
    """The text, with the separators of documents. Its last characters are those that have a loss:
    all but the first one, or, of documents, all."""
    nats_N: NDArray[np.float32] = field(default_factory=_no_nats, repr=False, compare=False)
    """The loss of each predicted character in nats."""

    @property
    def nats_per_document(self) -> float | None:
        """The mean loss of a whole document; None for a stream."""
        return self.nats_per_char * self.characters / self.documents if self.documents else None

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
    """Return the mean loss of a model, or of a run's best checkpoint, on `text`.

    By default, the model reads the text once and carries its state; a model of documents reads each
    document from the initial state. With `context`, it reads independent windows of that many
    characters, each from the initial state. With `adapt`, a copy of the model learns from the text
    while it reads (dynamic evaluation). The line ends of the text are converted if those of the run
    were; a model does not say so. The first character of the text has no loss. Raises
    `VocabularyError` if the vocabulary lacks a character.
    """
    if isinstance(source, CharRNN):
        model = source
    else:
        checkpoint = find_run(source).select("best")
        model, text = load_checkpoint(checkpoint), TextReader(checkpoint).convert(text)
    return score_codes(model, model.vocabulary.encode(text), context, adapt)


def score_codes(
    model: CharRNN, codes: Codes, context: int | None = None, adapt: AdaptConfig | None = None
) -> Score:
    """Return the mean loss of a model on an encoded text; see `score`."""
    nats_N = character_nats(model, codes, context, adapt)
    mean = float(nats_N.mean(dtype=np.float64)) + 0.0  # without the sign of a negative zero
    documents, shown = None, codes
    if model.separator_code is not None:
        documents = len(locate_documents(codes, model.separator_code).starts_D)
        shown = frame_documents(codes, model.separator_code)[1:]
    text = model.vocabulary.decode(shown)
    return Score(mean, len(nats_N), standard_error(nats_N), documents, text, nats_N)


def standard_error(nats_N: NDArray[np.float32]) -> float:
    """Return the standard error of the mean loss; see `Score`."""
    batches = min(len(nats_N) // _MIN_BATCH, _MAX_BATCHES)
    if batches < 2:
        return math.inf
    means = [batch.mean(dtype=np.float64) for batch in np.array_split(nats_N, batches)]
    return float(np.std(means, ddof=1) / math.sqrt(batches))


def character_nats(
    model: CharRNN, codes: Codes, context: int | None = None, adapt: AdaptConfig | None = None
) -> NDArray[np.float32]:
    """Return the loss of each character except the first, in order; see `score`.

    A model of documents predicts the first character too, and the end of the last document.
    """
    if context is not None and adapt is not None:
        raise ConfigError("context and adapt cannot be combined", "use one of them")
    if context is not None and model.separator_code is not None:
        raise ConfigError(
            "context cannot be given for a model of documents, which starts each document from the "
            "initial state",
            "omit it",
            setting="context",
        )
    if context is not None and context < 1:
        raise ConfigError(f"context must be 1 or more, not {context}", setting="context")
    check_length(codes, separator_code=model.separator_code)
    if adapt is not None:
        return adapt_copy(model, codes, adapt)[1]
    if model.separator_code is not None:
        return _compute_document_nats(model, codes)
    if context is None:
        return _compute_carried_nats(model, codes)
    length = len(codes) - 1
    windows = length // context
    parts = []
    if windows:
        starts_W = np.arange(windows) * context
        for starts_B in np.array_split(
            starts_W, min(windows, math.ceil(windows * context / _CHUNK))
        ):
            window_TB = codes[starts_B + np.arange(context + 1)[:, None]]
            nats_TB = np.concatenate(list(_compute_chunk_nats(model, window_TB, _CHUNK)))
            parts.append(nats_TB.T.ravel())
    if length % context:
        parts.append(_compute_carried_nats(model, codes[windows * context :]))
    return np.concatenate(parts)


def engine_nats(engine: SamplingEngine, codes: Codes) -> NDArray[np.float32]:
    """Return the loss of each character except the first, from the logits of a sampling engine."""
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
    """Return the mean loss of a periodic evaluation of these codes; None if `stop` is set.

    Reads them in up to 64 parallel streams. Each stream but the first warms up on the 200
    characters before its own. So the result is within 0.001 of that of one pass. The result of
    documents is exact.
    """
    if model.separator_code is not None:
        return _mean_document_loss(model, codes, stop)
    length = len(codes) - 1
    streams = count_streams(length, _MIN_STREAM)
    total, remaining = 0.0, length
    chunks = forward_streams(model, codes[:-1], streams, math.ceil(_CHUNK / streams))
    while remaining:
        if stop.is_set():
            return None
        chunk = next(chunks)
        remaining -= int(np.count_nonzero(chunk.is_own_TB))
        nats_TB = _compute_nats(chunk.logits_TBV, codes[chunk.positions_TB + 1])
        total += float(nats_TB[chunk.is_own_TB].sum(dtype=np.float64))
    return total / length


def _compute_document_nats(model: CharRNN, codes: Codes) -> NDArray[np.float32]:
    """Return the loss of each character of the documents, and of the end of the last one."""
    nats_N = np.zeros(len(codes) + 1, np.float32)
    is_predicted_N = np.zeros(len(codes) + 1, np.bool_)
    for chunk in forward_documents(model, codes, _CHUNK):
        nats_TB = _compute_nats(chunk.logits_TBV, chunk.targets_TB.clip(0))
        positions = chunk.positions_TB[chunk.is_target_TB]
        nats_N[positions], is_predicted_N[positions] = nats_TB[chunk.is_target_TB], True
    return nats_N[is_predicted_N]  # separators around empty documents have no loss


def _mean_document_loss(model: CharRNN, codes: Codes, stop: threading.Event) -> float | None:
    total, characters = 0.0, 0
    for chunk in forward_documents(model, codes, _CHUNK):
        if stop.is_set():
            return None
        nats_TB = _compute_nats(chunk.logits_TBV, chunk.targets_TB.clip(0))
        total += float(nats_TB[chunk.is_target_TB].sum(dtype=np.float64))
        characters += int(np.count_nonzero(chunk.is_target_TB))
    return total / characters


def _compute_carried_nats(model: CharRNN, codes: Codes) -> NDArray[np.float32]:
    """Return the loss of each character except the first, from one pass that carries the state."""
    chunks = _compute_chunk_nats(model, codes[:, None], _CHUNK)
    return np.concatenate([nats_T1[:, 0] for nats_T1 in chunks])


def _compute_chunk_nats(
    model: CharRNN, codes_TB: Codes, chunk_size: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the losses of all rows except the first, at most `chunk_size` rows at a time."""
    for chunk in forward_chunks(model, codes_TB[:-1], chunk_size):
        yield _compute_nats(chunk.logits_TBV, codes_TB[1:][chunk.rows])


def _compute_nats(logits_TBV: Tensor, targets_TB: Codes) -> NDArray[np.float32]:
    """Return the loss of each target."""
    targets_N = torch.from_numpy(targets_TB.astype(np.int64).ravel()).to(logits_TBV.device)
    nats_N = cross_entropy(logits_TBV.flatten(0, 1), targets_N, reduction="none")
    return nats_N.view(targets_TB.shape).cpu().numpy()
