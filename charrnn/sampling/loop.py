"""Generate text: the loop that asks a writer for logits and samples characters.

Shape suffixes: B samples, V characters of the vocabulary.
"""

import dataclasses
import itertools
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.sampling import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Codes
from charrnn.errors import ConfigError
from charrnn.numerics.randomness import SampleUniforms
from charrnn.sampling.constraints import Rule, allowed_in_text, first_place, rules_of
from charrnn.sampling.engines.interface import BlockWriter, Writer
from charrnn.sampling.engines.selection import writer_for
from charrnn.sampling.filters import distribution, sample_codes

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN

Probabilities = NDArray[np.float64]

_BLOCK = 64  # characters that a writer samples by itself before the first of them is shown


class PromptState(NamedTuple):
    """The result of reading a prompt: the logits (1, V) after it, and the state of the writer."""

    logits_1V: NDArray[np.float32]
    state: Any


class Piece(NamedTuple):
    """New text of one sample."""

    sample: int
    """The number of the sample, from 0."""
    text: str
    """Empty while the characters may be the start of the stop text."""
    log_probability: float | None = None
    """None if not requested. Else the natural logarithm of the model's own probability, at
    temperature 1, of the character that was sampled in this step; 0 if none was sampled. The sum
    over all pieces is that of the text, the stop text included."""


class _Sampled(NamedTuple):
    """The next character of each sample that is still being written."""

    samples_B: NDArray[np.int64]
    characters: str
    codes_B: NDArray[np.int64]
    logits_BV: NDArray[np.float32] | None
    """What they were sampled from; None where they were given."""


def stream_samples(
    writer: Writer,
    prompt: str,
    config: SampleConfig,
    corpus: Corpus | None = None,
    *,
    prompt_state: PromptState | None = None,
    log_probabilities: bool = False,
) -> Iterator[Piece]:
    """Yield the new text of all samples piece by piece, without the prompt.

    Without a prompt a text begins with the corpus's commonest line start, as if after a line break;
    where a rule holds (see `charrnn.sampling.constraints`) it begins with what that allows. A piece
    that could be the beginning of the stop text is held back until it is not. `max_copy` is about
    `corpus`. A prompt that was read before is not read again: give its `prompt_state`.

    `log_probabilities` makes each character of a sample a piece, even where its text is empty, and
    computes its log-probability. Characters are then sampled one at a time.

    Raises `VocabularyError` and `ConfigError` when called, not at the first piece.
    """
    rules = rules_of(config, writer.vocabulary, corpus)
    codes = writer.vocabulary.encode(prompt, config.unknown)
    texts = [_Text(prompt, config, bool(rules)) for _ in range(config.num_samples)]
    sampled = _sample(writer, codes, config, rules, texts, prompt_state, log_probabilities)
    limited = itertools.islice(sampled, config.length)
    return _pieces(limited, texts, log_probabilities)


def _pieces(
    sampled: Iterator[_Sampled], texts: "Sequence[_Text]", log_probabilities: bool
) -> Iterator[Piece]:
    nothing_sampled = 0.0 if log_probabilities else None
    for samples_B, characters, codes_B, logits_BV in sampled:
        values_B: list[float | None] = [nothing_sampled] * len(samples_B)
        if log_probabilities and logits_BV is not None:
            values_B = _log_probabilities(logits_BV, codes_B).tolist()
        for sample, character, value in zip(samples_B.tolist(), characters, values_B, strict=True):
            text = texts[sample]
            if text.ended:
                continue
            shown = text.take(character)
            if shown or log_probabilities:
                yield Piece(sample, shown, value)
        if all(text.ended for text in texts):
            return
    for sample, text in enumerate(texts):
        if not text.ended and text.held:
            yield Piece(sample, text.held, nothing_sampled)


def _sample(
    writer: Writer,
    codes: Codes,
    config: SampleConfig,
    rules: Sequence[Rule],
    texts: "Sequence[_Text]",
    prompt_state: PromptState | None,
    log_probabilities: bool,
) -> Iterator[_Sampled]:
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
            yield _Sampled(samples_B, writer.line_start * config.num_samples, given_B, None)
    logits_1V, state = prompt_state or writer.read(codes)
    logits_BV, state = logits_1V[samples_B * 0], writer.pick(state, samples_B * 0)
    if isinstance(writer, BlockWriter) and not rules and not log_probabilities:
        for first in itertools.count(int(opening), _BLOCK):
            uniforms_KB = np.stack([uniforms.at(first + n) for n in range(_BLOCK)])
            codes_KB, logits_BV, state = writer.sample_block(logits_BV, state, uniforms_KB, config)
            for codes_B in codes_KB:
                yield _Sampled(samples_B, vocabulary.decode(codes_B), codes_B, None)
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
        codes_B = sample_codes(distribution(possible_BV, config), uniforms_B)
        yield _Sampled(samples_B, vocabulary.decode(codes_B), codes_B, logits_BV)
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
    for piece in stream_samples(writer_for(source), prompt, one, corpus):
        yield piece.text


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
        for text in _joined(stream_samples(writer, prompt, one, corpus), one.num_samples)
    ]


class Written(NamedTuple):
    """A new text, and the natural logarithm of the model's own probability of it."""

    text: str
    log_probability: float


def judged(
    writer: Writer, prompt: str, config: SampleConfig, corpus: Corpus | None = None
) -> list[Written]:
    """Return `num_samples` new texts of one temperature, and the log-probability of each.

    The stop text counts, a line start that was given does not: see `Piece.log_probability`.
    """
    pieces = list(stream_samples(writer, prompt, config, corpus, log_probabilities=True))
    log_probability_B = [0.0] * config.num_samples
    for piece in pieces:
        log_probability_B[piece.sample] += piece.log_probability or 0.0
    texts = _joined(pieces, config.num_samples)
    return [Written(*written) for written in zip(texts, log_probability_B, strict=True)]


def _joined(pieces: Iterable[Piece], num_samples: int) -> list[str]:
    texts: list[list[str]] = [[] for _ in range(num_samples)]
    for piece in pieces:
        texts[piece.sample].append(piece.text)
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
