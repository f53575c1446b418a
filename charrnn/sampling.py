"""Writing text: the filters, the draw, and the loop around a writer.

Shape suffixes: B samples, V characters of the vocabulary.
"""

import dataclasses
import itertools
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config import SampleConfig
from charrnn.corpus import Codes
from charrnn.randomness import SampleUniforms
from charrnn.writers import Writer, writer_for

if TYPE_CHECKING:
    from charrnn.model import CharRNN

Probabilities = NDArray[np.float64]


def apply_temperature(logits_BV: NDArray[Any], temperature: float) -> Probabilities:
    """Return softmax(logits / temperature); at 0 the likeliest (first of equals) takes all."""
    logits_BV = logits_BV.astype(np.float64)
    if temperature == 0:
        ones_VV: Probabilities = np.eye(logits_BV.shape[1])
        likeliest_BV: Probabilities = ones_VV[logits_BV.argmax(axis=1)]
        return likeliest_BV
    powers_BV: Probabilities = np.exp(
        (logits_BV - logits_BV.max(axis=1, keepdims=True)) / temperature
    )
    return _normalized(powers_BV)


def apply_top_k(p_BV: Probabilities, top_k: int) -> Probabilities:
    """Keep the k likeliest characters (Fan et al., 2018); of equals the first."""
    return _keep(p_BV, _rank(p_BV) < top_k)


def apply_top_p(p_BV: Probabilities, top_p: float) -> Probabilities:
    """Keep the fewest likeliest characters that hold `top_p` together (Holtzman et al., 2020)."""
    descending_BV = -np.sort(-p_BV, axis=1)
    before_BV = np.cumsum(descending_BV, axis=1) - descending_BV
    needed_B1 = (before_BV < top_p).sum(axis=1, keepdims=True)
    return _keep(p_BV, _rank(p_BV) < needed_B1)


def apply_min_p(p_BV: Probabilities, min_p: float) -> Probabilities:
    """Keep characters at least `min_p` times as likely as the likeliest (Nguyen et al., 2024)."""
    return _keep(p_BV, p_BV >= min_p * p_BV.max(axis=1, keepdims=True))


def distribution(logits_BV: NDArray[Any], config: SampleConfig) -> Probabilities:
    """Return the probabilities that are drawn from: temperature, top-k, top-p, min-p in turn."""
    p_BV = apply_temperature(logits_BV, config.temperature)
    if config.top_k is not None:
        p_BV = apply_top_k(p_BV, config.top_k)
    if config.top_p is not None:
        p_BV = apply_top_p(p_BV, config.top_p)
    if config.min_p is not None:
        p_BV = apply_min_p(p_BV, config.min_p)
    return p_BV


def draw(p_BV: Probabilities, uniforms_B: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return one code for each row by inverting its cumulative distribution at a uniform."""
    cumulative_BV = np.cumsum(p_BV, axis=1)
    thresholds_B1 = uniforms_B[:, None] * cumulative_BV[:, -1:]
    codes_B: NDArray[np.int64] = (cumulative_BV <= thresholds_B1).sum(axis=1)
    return codes_B


def write(writer: Writer, prompt: str, config: SampleConfig) -> Iterator[tuple[int, str]]:
    """Yield (sample number, piece of new text) as each piece is settled, without the prompt.

    Without a prompt a text begins with the corpus's commonest line start, as if after a line break.
    A piece that could be the beginning of the stop text is held back until it is not.
    """
    decode = writer.vocabulary.decode
    endings = [_Ending(config.stop) for _ in range(config.num_samples)]
    prompt_codes = writer.vocabulary.encode(prompt, config.unknown)
    for codes_B in itertools.islice(_draws(writer, prompt_codes, config), config.length):
        for sample, character in enumerate(decode(codes_B)):
            if not endings[sample].reached and (piece := endings[sample].settle(character)):
                yield sample, piece
        if all(ending.reached for ending in endings):
            return
    for sample, ending in enumerate(endings):
        if not ending.reached and ending.held:
            yield sample, ending.held


def _draws(writer: Writer, codes: Codes, config: SampleConfig) -> Iterator[NDArray[np.int64]]:
    """Yield the next code of every sample, without end."""
    seed = secrets.randbits(32) if config.seed is None else config.seed
    vocabulary, number = writer.vocabulary, config.num_samples
    uniforms = SampleUniforms(seed, number)
    opening = len(codes) == 0
    if opening:
        codes = vocabulary.encode("\n" * ("\n" in vocabulary) + writer.line_start)
        yield np.repeat(codes[-1:].astype(np.int64), number)
    logits_1V, state = writer.read(codes)
    logits_BV, state = np.repeat(logits_1V, number, axis=0), writer.repeat(state, number)
    for position in itertools.count(int(opening)):
        codes_B = draw(distribution(logits_BV, config), uniforms.at(position))
        yield codes_B
        logits_BV, state = writer.step(state, codes_B)


def stream(
    source: "Writer | CharRNN | str | None" = None,
    prompt: str = "",
    config: SampleConfig | None = None,
    **settings: Any,
) -> Iterator[str]:
    """Yield the characters of one new text as they are drawn, without the prompt.

    `source` is a model, a run or a writer; settings are the fields of `SampleConfig`.
    """
    one = dataclasses.replace(config or SampleConfig(), **settings, num_samples=1)
    for _, piece in write(writer_for(source), prompt, one):
        yield piece


def generate(
    source: "Writer | CharRNN | str | None" = None,
    prompt: str = "",
    config: SampleConfig | None = None,
    **settings: Any,
) -> list[str]:
    """Return `num_samples` new texts, without the prompt, written side by side.

    Sample i of a seed is the same text whatever the number of samples.
    """
    config = dataclasses.replace(config or SampleConfig(), **settings)
    texts: list[list[str]] = [[] for _ in range(config.num_samples)]
    for sample, piece in write(writer_for(source), prompt, config):
        texts[sample].append(piece)
    return ["".join(pieces) for pieces in texts]


class _Ending:
    """Watches one text for its stop text, holding back what may be the beginning of it."""

    def __init__(self, stop: str | None) -> None:
        self.reached = False
        self.held = ""
        self._stop = stop

    def settle(self, character: str) -> str:
        """Take in a character; return what can be shown by now."""
        if self._stop is None:
            return character
        self.held += character
        if self.held.endswith(self._stop):
            self.reached = True
            return self.held.removesuffix(self._stop)
        longest = min(len(self.held), len(self._stop) - 1)
        tails = (self.held[len(self.held) - length :] for length in range(longest, -1, -1))
        tail = next(tail for tail in tails if self._stop.startswith(tail))
        shown = self.held[: len(self.held) - len(tail)]
        self.held = tail
        return shown


def _rank(p_BV: Probabilities) -> NDArray[np.int64]:
    """Return the place of each character when sorted from the likeliest; of equals the first."""
    order_BV = np.argsort(-p_BV, axis=1, kind="stable")
    return np.argsort(order_BV, axis=1)


def _keep(p_BV: Probabilities, kept_BV: NDArray[np.bool_]) -> Probabilities:
    return _normalized(np.where(kept_BV, p_BV, 0.0))


def _normalized(weights_BV: Probabilities) -> Probabilities:
    totals_B1: Probabilities = weights_BV.sum(axis=1, keepdims=True)
    return weights_BV / totals_B1
