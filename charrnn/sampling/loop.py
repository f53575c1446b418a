"""Generate text: the loop that asks an engine for logits and samples characters.

Shape suffixes: B samples, V characters of the vocabulary.
"""

import dataclasses
import itertools
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.sampling import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Codes
from charrnn.errors import ConfigError
from charrnn.numerics.randomness import SampleUniforms
from charrnn.sampling.constraints import Rule, allowed_in_text, rules_of
from charrnn.sampling.engines.interface import BlockSamplingEngine, SamplingEngine
from charrnn.sampling.engines.selection import engine_for
from charrnn.sampling.filters import Filters, distribution, sample_codes
from charrnn.sampling.sample_text import SampleText

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN

Probabilities = NDArray[np.float64]

_BLOCK = 64  # characters that an engine samples by itself before the first of them is shown


class PromptState(NamedTuple):
    """The result of reading a prompt: the logits (1, V) after it, and the state of the engine."""

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
    """New text of each sample that is still being written: a character, or several."""

    samples_B: NDArray[np.int64]
    texts: Sequence[str]
    codes_B: NDArray[np.int64] | None = None
    logits_BV: NDArray[np.float32] | None = None
    """What a character was sampled from; None where it was given, or none was asked for."""


class _Block(NamedTuple):
    """A block that an engine has started to sample."""

    length: int
    """Characters of it that are wanted."""
    wait: Callable[[], NDArray[np.integer[Any]]]
    """Waits for the codes (K, B)."""


def stream_samples(
    engine: SamplingEngine,
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
    rules = rules_of(config, engine.vocabulary, corpus)
    codes = engine.vocabulary.encode(prompt, config.unknown)
    texts = [SampleText(prompt, config, bool(rules)) for _ in range(config.num_samples)]
    if isinstance(engine, BlockSamplingEngine) and not rules and not log_probabilities:
        sampled = _sample_blocks(engine, codes, config, prompt_state)
    else:
        steps = _sample(engine, codes, config, rules, texts, prompt_state)
        sampled = itertools.islice(steps, config.length)
    return _pieces(sampled, texts, log_probabilities)


def _pieces(
    sampled: Iterator[_Sampled], texts: Sequence[SampleText], log_probabilities: bool
) -> Iterator[Piece]:
    nothing_sampled = 0.0 if log_probabilities else None
    for samples_B, texts_B, codes_B, logits_BV in sampled:
        values_B: list[float | None] = [nothing_sampled] * len(samples_B)
        if log_probabilities and codes_B is not None and logits_BV is not None:
            values_B = _log_probabilities(logits_BV, codes_B).tolist()
        for sample, new_text, value in zip(samples_B.tolist(), texts_B, values_B, strict=True):
            text = texts[sample]
            if text.ended:
                continue
            shown = text.take(new_text)
            if shown or log_probabilities:
                yield Piece(sample, shown, value)
        if all(text.ended for text in texts):
            return
    for sample, text in enumerate(texts):
        if not text.ended and text.held:
            yield Piece(sample, text.held, nothing_sampled)


def _opening(engine: SamplingEngine, codes: Codes, ruled: bool) -> tuple[Codes, str]:
    """Return the codes to read before the first draw, and the character that is given if any."""
    if len(codes):
        return codes, ""
    line_break = "\n" * ("\n" in engine.vocabulary)
    if ruled:
        return engine.vocabulary.encode(line_break or engine.line_start), ""
    return engine.vocabulary.encode(line_break + engine.line_start), engine.line_start


def _begin(
    engine: SamplingEngine, codes: Codes, config: SampleConfig, prompt_state: PromptState | None
) -> tuple[SampleUniforms, NDArray[np.int64], NDArray[np.float32], Any]:
    """Return the numbers to draw with, the samples, and the logits and the state of each."""
    seed = secrets.randbits(32) if config.seed is None else config.seed
    samples_B = np.arange(config.num_samples)
    logits_1V, state = prompt_state or engine.read(codes)
    logits_BV, state = logits_1V[samples_B * 0], engine.select_samples(state, samples_B * 0)
    return SampleUniforms(seed, config.num_samples), samples_B, logits_BV, state


def _sample_blocks(
    engine: BlockSamplingEngine,
    codes: Codes,
    config: SampleConfig,
    prompt_state: PromptState | None,
) -> Iterator[_Sampled]:
    """Yield a block of every sample at a time, or a character if there is one sample.

    While a block is decoded, the engine samples the next one.
    """
    codes, given = _opening(engine, codes, ruled=False)
    if given and config.length:
        yield _Sampled(np.arange(config.num_samples), given * config.num_samples)
    if config.length <= len(given):
        return
    uniforms, samples_B, logits_BV, state = _begin(engine, codes, config, prompt_state)
    filters = Filters.of(config)

    def blocks() -> Iterator[_Block]:
        logits, carried = logits_BV, state
        for first in range(len(given), config.length, _BLOCK):
            # Numbers for a whole block also where less is left: an engine prepares each length.
            uniforms_KB = uniforms.block(first, _BLOCK)
            wait, logits, carried = engine.sample_block(logits, carried, uniforms_KB, filters)
            yield _Block(min(_BLOCK, config.length - first), wait)

    for block in _one_ahead(blocks()):
        texts = engine.vocabulary.decode_rows(block.wait()[: block.length].T)
        for texts_B in list(texts[0]) if len(texts) == 1 else [texts]:
            yield _Sampled(samples_B, texts_B)


def _one_ahead(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """Yield each block once the next one is started."""
    waiting = list(itertools.islice(blocks, 1))
    for block in blocks:
        yield waiting.pop()
        waiting.append(block)
    yield from waiting


def _sample(
    engine: SamplingEngine,
    codes: Codes,
    config: SampleConfig,
    rules: Sequence[Rule],
    texts: Sequence[SampleText],
    prompt_state: PromptState | None,
) -> Iterator[_Sampled]:
    """Yield one character of each sample at a time, without end."""
    codes, given = _opening(engine, codes, bool(rules))
    if given:
        yield _Sampled(np.arange(config.num_samples), given * config.num_samples)
    uniforms, samples_B, logits_BV, state = _begin(engine, codes, config, prompt_state)
    filters = Filters.of(config)
    for position in itertools.count(len(given)):
        writing_B = [not texts[sample].ended for sample in samples_B.tolist()]
        # Leaving some out costs more than computing a few in vain; rules cannot hold for those.
        if sum(writing_B) <= (len(samples_B) - 1 if rules else len(samples_B) // 2):
            kept_B = np.flatnonzero(writing_B)
            samples_B, logits_BV = samples_B[kept_B], logits_BV[kept_B]
            state = engine.select_samples(state, kept_B)
        possible_BV = logits_BV
        if rules:
            places = [texts[sample].place for sample in samples_B.tolist()]
            allowed_BV = allowed_in_text(rules, places)
            possible_BV = np.where(allowed_BV, logits_BV, -np.inf)
        uniforms_B = uniforms.at(position)[samples_B]
        codes_B = sample_codes(distribution(possible_BV, filters), uniforms_B)
        yield _Sampled(samples_B, engine.vocabulary.decode(codes_B), codes_B, logits_BV)
        logits_BV, state = engine.step(state, codes_B)


def _log_probabilities(logits_BV: NDArray[Any], codes_B: NDArray[np.int64]) -> Probabilities:
    logits_BV = logits_BV.astype(np.float64)
    highest_B = logits_BV.max(axis=1)
    totals_B = highest_B + np.log(np.exp(logits_BV - highest_B[:, None]).sum(axis=1))
    chosen_B: Probabilities = np.take_along_axis(logits_BV, codes_B[:, None], axis=1)[:, 0]
    log_probabilities_B: Probabilities = chosen_B - totals_B
    return log_probabilities_B


def stream(
    source: "SamplingEngine | CharRNN | str | None" = None,
    prompt: str = "",
    config: SampleConfig | None = None,
    corpus: Corpus | None = None,
    **settings: Any,
) -> Iterator[str]:
    """Yield the characters of one new text as they are drawn, without the prompt.

    `source` is a model, a run or an engine; settings are the fields of `SampleConfig`, and `corpus`
    is what `max_copy` is about.
    """
    one = dataclasses.replace(config or SampleConfig(), **settings, num_samples=1)
    if len(one.temperatures) > 1:
        raise ConfigError(f"one text has one temperature, not {one.temperature}; use generate")
    for piece in stream_samples(engine_for(source), prompt, one, corpus):
        yield piece.text


def generate(
    source: "SamplingEngine | CharRNN | str | None" = None,
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
    engine = engine_for(source)
    return [
        text
        for one in chosen.at_each_temperature()
        for text in _joined(stream_samples(engine, prompt, one, corpus), one.num_samples)
    ]


class Written(NamedTuple):
    """A new text, and the natural logarithm of the model's own probability of it."""

    text: str
    log_probability: float


def judged(
    engine: SamplingEngine, prompt: str, config: SampleConfig, corpus: Corpus | None = None
) -> list[Written]:
    """Return `num_samples` new texts of one temperature, and the log-probability of each.

    The stop text counts, a line start that was given does not: see `Piece.log_probability`.
    """
    pieces = list(stream_samples(engine, prompt, config, corpus, log_probabilities=True))
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
