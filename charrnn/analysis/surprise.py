"""Where a text surprises a model: each character's loss, and what was expected in its place.

Shape suffixes: N characters of the text but the first, K likeliest characters, V the vocabulary.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.data.vocabulary import Codes
from charrnn.model.forward import check_length, forward_chunks
from charrnn.model.network import CharRNN
from charrnn.numerics.information import nats_to_bits

_CHUNK = 4096  # characters read in one call, which bounds the memory it takes
_SHORTEST_LINE = 10  # characters: shorter ones are names and ends, and say little


@dataclass(frozen=True)
class Expectations:
    """What a model expected at each character of a text but the first, which nothing precedes.

    `nats_N` is the loss of the character that came, `codes_NK` the likeliest characters in falling
    order and `probabilities_NK` how likely they were.
    """

    nats_N: NDArray[np.float32]
    codes_NK: NDArray[np.int64]
    probabilities_NK: NDArray[np.float32]


class SurprisingLine(NamedTuple):
    """A line of a text where it surprises most: its number counted from 1, and its mean loss.

    `times` is how often the line stands in the text.
    """

    number: int
    text: str
    bits_per_char: float
    times: int


def expectations(model: CharRNN, codes: Codes, most: int = 5) -> Expectations:
    """Return what the model expects of a text that is read once, the state carried.

    Raises `CorpusError` for a text of fewer than two characters.
    """
    check_length(codes)
    most = min(most, len(model.vocabulary))
    nats, likeliest, probabilities = [], [], []
    for chunk in forward_chunks(model, codes[:-1, None], _CHUNK):
        targets_T = torch.from_numpy(codes[1:][chunk.rows].astype(np.int64)).to(model.device)
        log_p_TV = chunk.logits_TBV[:, 0].log_softmax(-1)
        nats.append(-log_p_TV.gather(1, targets_T[:, None])[:, 0].cpu().numpy())
        top = log_p_TV.topk(most)
        likeliest.append(top.indices.cpu().numpy())
        probabilities.append(top.values.exp().cpu().numpy())
    return Expectations(*(np.concatenate(each) for each in (nats, likeliest, probabilities)))


def surprising_lines(
    text: str, nats_N: NDArray[np.float32], most: int = 10
) -> list[SurprisingLine]:
    """Return the lines of ten characters and more that were foretold worst, worst first.

    A line's loss is the mean over its characters and the line break that ends it. A line that
    stands in the text several times is returned once, where it was foretold worst.
    """
    worst: dict[str, SurprisingLine] = {}
    start = 0
    for number, line in enumerate(text.split("\n"), start=1):
        end = start + len(line) + 1
        own_N = nats_N[max(0, start - 1) : end - 1]  # the first character of all has no loss
        if len(line) >= _SHORTEST_LINE:
            bits = nats_to_bits(float(own_N.mean(dtype=np.float64)))
            found = SurprisingLine(number, line, bits, 1)
            before = worst.get(line, found)
            times = before.times + (before is not found)
            worst[line] = max(before, found, key=lambda each: each.bits_per_char)._replace(
                times=times
            )
        start = end
    return sorted(worst.values(), key=lambda each: -each.bits_per_char)[:most]
