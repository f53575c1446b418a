"""Writing text: the filters, the draw, and the loop around a writer.

Shape suffixes: B samples, V characters of the vocabulary.
"""

import dataclasses
import itertools
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config import SampleConfig
from charrnn.constraints import Rule, allowed_in_text, first_place, rules_of
from charrnn.corpus import Codes, Corpus
from charrnn.errors import ConfigError
from charrnn.randomness import SampleUniforms
from charrnn.writers import Writer, writer_for

if TYPE_CHECKING:
    from charrnn.model import CharRNN

Probabilities = NDArray[np.float64]


class Reading(NamedTuple):
    """What a writer makes of a text that it has read: the logits (1, V) after it, and its state."""

    logits_1V: NDArray[np.float32]
    state: Any


class _Draw(NamedTuple):
    """The next character of each sample that is still being written."""

    samples_B: NDArray[np.int64]
    characters: str
    codes_B: NDArray[np.int64]
    logits_BV: NDArray[np.float32] | None
    """What it was drawn from; None where it was given."""


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
    (temperature,) = config.temperatures
    p_BV = apply_temperature(logits_BV, temperature)
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


def write(
    writer: Writer,
    prompt: str,
    config: SampleConfig,
    corpus: Corpus | None = None,
    likelihood_B: Probabilities | None = None,
    reading: Reading | None = None,
) -> Iterator[tuple[int, str]]:
    """Yield (sample number, piece of new text) as each piece is settled, without the prompt.

    Without a prompt a text begins with the corpus's commonest line start, as if after a line break;
    where a rule holds (see `charrnn.constraints`) it begins with what that allows. A piece that
    could be the beginning of the stop text is held back until it is not. `max_copy` is about
    `corpus`. To `likelihood_B` is added the natural logarithm of how likely the model itself holds
    each text, at temperature 1 and the stop text included, but for a line start that was given.
    A `reading` of the prompt, if there is one already, is gone on from.

    Raises `VocabularyError` and `ConfigError` when called, not at the first piece.
    """
    rules = rules_of(config, writer.vocabulary, corpus)
    codes = writer.vocabulary.encode(prompt, config.unknown)
    texts = [_Text(prompt, config, bool(rules)) for _ in range(config.num_samples)]
    draws = itertools.islice(_draws(writer, codes, config, rules, texts, reading), config.length)
    return _pieces(draws, texts, likelihood_B)


def _pieces(
    draws: Iterator[_Draw], texts: "Sequence[_Text]", likelihood_B: Probabilities | None
) -> Iterator[tuple[int, str]]:
    for samples_B, characters, codes_B, logits_BV in draws:
        if likelihood_B is not None and logits_BV is not None:
            writing_B = np.array([not texts[sample].ended for sample in samples_B.tolist()])
            log_probabilities_B = _log_probabilities(logits_BV, codes_B)
            likelihood_B[samples_B] += np.where(writing_B, log_probabilities_B, 0)
        for sample, character in zip(samples_B.tolist(), characters, strict=True):
            text = texts[sample]
            if not text.ended and (piece := text.take(character)):
                yield sample, piece
        if all(text.ended for text in texts):
            return
    for sample, text in enumerate(texts):
        if not text.ended and text.held:
            yield sample, text.held


def _draws(
    writer: Writer,
    codes: Codes,
    config: SampleConfig,
    rules: Sequence[Rule],
    texts: "Sequence[_Text]",
    reading: Reading | None,
) -> Iterator[_Draw]:
    seed = secrets.randbits(32) if config.seed is None else config.seed
    vocabulary, samples_B = writer.vocabulary, np.arange(config.num_samples)
    uniforms = SampleUniforms(seed, config.num_samples)
    opening = len(codes) == 0
    if opening:
        line_break = "\n" * ("\n" in vocabulary)
        if rules:
            codes = vocabulary.encode(line_break or writer.line_start)
            opening = False
        else:
            codes = vocabulary.encode(line_break + writer.line_start)
            given_B = codes[-1:].astype(np.int64).repeat(config.num_samples)
            yield _Draw(samples_B, writer.line_start * config.num_samples, given_B, None)
    logits_1V, state = reading or writer.read(codes)
    logits_BV, state = logits_1V[samples_B * 0], writer.pick(state, samples_B * 0)
    for position in itertools.count(int(opening)):
        writing_B = [not texts[sample].ended for sample in samples_B.tolist()]
        # Leaving some out costs more than computing a few in vain; rules cannot hold for those.
        if sum(writing_B) <= (len(samples_B) - 1 if rules else len(samples_B) // 2):
            kept_B = np.flatnonzero(writing_B)
            samples_B, logits_BV = samples_B[kept_B], logits_BV[kept_B]
            state = writer.pick(state, kept_B)
        possible_BV = logits_BV
        if rules:
            places = [texts[sample].place for sample in samples_B.tolist()]
            allowed_BV = allowed_in_text(rules, places)
            possible_BV = np.where(allowed_BV, logits_BV, -np.inf)
        uniforms_B = uniforms.at(position)[samples_B]
        codes_B = draw(distribution(possible_BV, config), uniforms_B)
        yield _Draw(samples_B, vocabulary.decode(codes_B), codes_B, logits_BV)
        logits_BV, state = writer.step(state, codes_B)


def _log_probabilities(logits_BV: NDArray[Any], codes_B: NDArray[np.int64]) -> Probabilities:
    logits_BV = logits_BV.astype(np.float64)
    highest_B = logits_BV.max(axis=1)
    totals_B = highest_B + np.log(np.exp(logits_BV - highest_B[:, None]).sum(axis=1))
    chosen_B: Probabilities = np.take_along_axis(logits_BV, codes_B[:, None], axis=1)[:, 0]
    log_probabilities_B: Probabilities = chosen_B - totals_B
    return log_probabilities_B


def stream(
    source: "Writer | CharRNN | str | None" = None,
    prompt: str = "",
    config: SampleConfig | None = None,
    corpus: Corpus | None = None,
    **settings: Any,
) -> Iterator[str]:
    """Yield the characters of one new text as they are drawn, without the prompt.

    `source` is a model, a run or a writer; settings are the fields of `SampleConfig`, and `corpus`
    is what `max_copy` is about.
    """
    one = dataclasses.replace(config or SampleConfig(), **settings, num_samples=1)
    if len(one.temperatures) > 1:
        raise ConfigError(f"one text has one temperature, not {one.temperature}; use generate")
    for _, piece in write(writer_for(source), prompt, one, corpus):
        yield piece


def generate(
    source: "Writer | CharRNN | str | None" = None,
    prompt: str = "",
    config: SampleConfig | None = None,
    corpus: Corpus | None = None,
    **settings: Any,
) -> list[str]:
    """Return `num_samples` new texts for each temperature, without the prompt.

    They are written side by side, and sample i of a seed is the same text whatever their number.
    `corpus` is what `max_copy` is about.
    """
    chosen = dataclasses.replace(config or SampleConfig(), **settings)
    writer = writer_for(source)
    return [
        text
        for one in chosen.at_each_temperature()
        for text in _joined(write(writer, prompt, one, corpus), one.num_samples)
    ]


class Written(NamedTuple):
    """A new text, and the natural logarithm of how likely the model itself holds it."""

    text: str
    log_probability: float


def judged(
    writer: Writer, prompt: str, config: SampleConfig, corpus: Corpus | None = None
) -> list[Written]:
    """Return `num_samples` new texts of one temperature, and what `write` says of each."""
    likelihood_B = np.zeros(config.num_samples)
    texts = _joined(write(writer, prompt, config, corpus, likelihood_B), config.num_samples)
    return [
        Written(text, float(likelihood))
        for text, likelihood in zip(texts, likelihood_B, strict=True)
    ]


def _joined(pieces: Iterable[tuple[int, str]], num_samples: int) -> list[str]:
    texts: list[list[str]] = [[] for _ in range(num_samples)]
    for sample, piece in pieces:
        texts[sample].append(piece)
    return ["".join(text) for text in texts]


class _Text:
    """One text being written: where it is, what of it is held back, and whether it has ended."""

    def __init__(self, prompt: str, config: SampleConfig, ruled: bool) -> None:
        self.ended = False
        self.held = ""
        """What may be the beginning of the stop text."""
        self.place = first_place(prompt)
        """Where the next character stands; kept only where rules ask for it."""
        self._ruled = ruled
        self._stop = config.stop
        self._lines = len(config.acrostic) if config.acrostic else None

    def take(self, character: str) -> str:
        """Take in a character; return what can be shown by now."""
        if self._ruled:
            self.place = self.place.after(character)
            self.ended = self.place.line == self._lines
        if self._stop is None:
            return character
        self.held += character
        if self.held.endswith(self._stop):
            self.ended = True
            return self.held.removesuffix(self._stop)
        longest = 0 if self.ended else min(len(self.held), len(self._stop) - 1)
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
