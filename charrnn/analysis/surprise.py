"""Surprise: the loss of each character of a text, and the characters that the model predicted.

Shape suffixes: N characters of the text without the first, K most likely characters,
V characters of the vocabulary.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.data.progress import ProgressCallback, ProgressReporter, Reading
from charrnn.data.vocabulary import Codes
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

    The state is carried from character to character. Raises `CorpusError` for a text of fewer than
    two characters.
    """
    check_length(codes)
    count = min(count, len(model.vocabulary))
    nats, likely_codes, probabilities = [], [], []
    report = ProgressReporter(progress)
    report(Reading(_TASK, 0, len(codes)))
    for chunk in forward_chunks(model, codes[:-1, None], _CHUNK):
        targets_T = torch.from_numpy(codes[1:][chunk.rows].astype(np.int64)).to(model.device)
        log_p_TV = chunk.logits_TBV[:, 0].log_softmax(-1)
        nats.append(-log_p_TV.gather(1, targets_T[:, None])[:, 0].cpu().numpy())
        top = log_p_TV.topk(count)
        likely_codes.append(top.indices.cpu().numpy())
        probabilities.append(top.values.exp().cpu().numpy())
        report(Reading(_TASK, chunk.rows.stop, len(codes)))
    return Predictions(
        np.concatenate(nats), np.concatenate(likely_codes), np.concatenate(probabilities)
    )


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
