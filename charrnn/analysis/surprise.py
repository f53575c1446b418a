"""Surprise: the loss of each character of a text, and the characters that the model predicted.

Shape suffixes: N characters of the text without the first, K most likely characters,
V characters of the vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.data.progress import ProgressCallback, ProgressReporter, Reading
from charrnn.data.vocabulary import Codes
from charrnn.model.document_forward import forward_documents
from charrnn.model.forward import check_length, forward_chunks
from charrnn.model.network import CharRNN
from charrnn.numerics.information import nats_to_bits

_CHUNK = 4096  # characters read in one call; bounds the memory
_TASK = "measuring the loss of each character"
_MIN_LINE = 10  # characters; shorter lines are mostly names and line remainders


@dataclass(frozen=True)
class Predictions:
    """The predictions of a model for each character of a text except the first.

    `nats_N` is the loss of the actual character. `codes_NK` are the most likely characters, the
    most likely first, and `probabilities_NK` their probabilities.
    """

    nats_N: NDArray[np.float32]
    codes_NK: NDArray[np.int64]
    probabilities_NK: NDArray[np.float32]
    is_predicted_N: NDArray[np.bool_]
    """False for separators around empty documents, whose loss is given as 0."""

    @property
    def nats_per_char(self) -> float:
        """The mean loss of the predicted characters, in nats."""
        return float(self.nats_N[self.is_predicted_N].mean(dtype=np.float64)) + 0.0


class SurprisingLine(NamedTuple):
    """A line with a high mean loss; `number` is its line number, from 1.

    `times` is the number of times that the line occurs in the text.
    """

    number: int
    text: str
    bits_per_char: float
    times: int


def predict_text(
    model: CharRNN, codes: Codes, count: int = 5, progress: ProgressCallback | None = None
) -> Predictions:
    """Return the model's predictions along a text, with the `count` most likely characters.

    The state is carried from character to character, in a document. Raises `CorpusError` for a text
    that is too short to predict a character of it.
    """
    check_length(codes, separator_code=model.separator_code)
    count = min(count, len(model.vocabulary))
    is_predicted_N = np.zeros(len(codes) + 1, np.bool_)
    nats_N = np.zeros(len(codes) + 1, np.float32)
    likely_NK = np.zeros((len(codes) + 1, count), np.int64)
    probabilities_NK = np.zeros((len(codes) + 1, count), np.float32)
    report, done = ProgressReporter(progress), 0
    report(Reading(_TASK, 0, len(codes)))
    for positions_M, targets_M, logits_MV in _read_logits(model, codes):
        log_p_MV = logits_MV.log_softmax(-1)
        targets = torch.from_numpy(targets_M.astype(np.int64)).to(model.device)
        nats_N[positions_M] = -log_p_MV.gather(1, targets[:, None])[:, 0].cpu().numpy()
        top = log_p_MV.topk(count)
        likely_NK[positions_M] = top.indices.cpu().numpy()
        probabilities_NK[positions_M] = top.values.exp().cpu().numpy()
        is_predicted_N[positions_M] = True
        done += len(positions_M)
        report(Reading(_TASK, done, len(codes)))
    return Predictions(nats_N[1:-1], likely_NK[1:-1], probabilities_NK[1:-1], is_predicted_N[1:-1])


def _read_logits(
    model: CharRNN, codes: Codes
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.integer[Any]], Tensor]]:
    """Yield positions of a text, the characters there, and the logits of their predictions."""
    if model.separator_code is not None:
        for chunk in forward_documents(model, codes, _CHUNK):
            is_target_TB = chunk.is_target_TB
            yield (
                chunk.positions_TB[is_target_TB],
                chunk.targets_TB[is_target_TB],
                chunk.logits_TBV[is_target_TB],
            )
        return
    for part in forward_chunks(model, codes[:-1, None], _CHUNK):
        positions_M = np.arange(part.rows.start, part.rows.stop) + 1
        yield positions_M, codes[positions_M], part.logits_TBV[:, 0]


def find_surprising_lines(
    text: str, nats_N: NDArray[np.float32], count: int = 10
) -> list[SurprisingLine]:
    """Return the lines of at least ten characters with the highest mean loss, highest first.

    The mean includes the line break that ends the line. A line that occurs several times in the
    text is returned once, with its highest loss.
    """
    highest_by_line: dict[str, SurprisingLine] = {}
    start = 0
    for number, line in enumerate(text.split("\n"), start=1):
        end = start + len(line) + 1
        line_nats_N = nats_N[max(0, start - 1) : end - 1]  # the text's first character has no loss
        if len(line) >= _MIN_LINE:
            bits = nats_to_bits(float(line_nats_N.mean(dtype=np.float64)))
            current = SurprisingLine(number, line, bits, 1)
            earlier = highest_by_line.get(line, current)
            times = earlier.times + (earlier is not current)
            highest = max(earlier, current, key=lambda candidate: candidate.bits_per_char)
            highest_by_line[line] = highest._replace(times=times)
        start = end
    return sorted(highest_by_line.values(), key=lambda line: -line.bits_per_char)[:count]
