"""Generate text: the loop that gets logits from an engine and samples characters.

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
from charrnn.sampling.constraints import Rule, allowed_or_raise, make_rules
from charrnn.sampling.engines.interface import BlockSamplingEngine, SamplingEngine
from charrnn.sampling.engines.selection import engine_for
from charrnn.sampling.filters import Filters, distribution, sample_codes
from charrnn.sampling.sample_text import SampleText

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN

Probabilities = NDArray[np.float64]

_BLOCK_LENGTH = 64  # characters that an engine samples in one call


class PromptState(NamedTuple):
    """The result of reading a prompt: the logits (1, V) and the engine's state after it."""

    logits_1V: NDArray[np.float32]
    state: Any


class Piece(NamedTuple):
    """New text of one sample."""

    sample: int
    """The number of the sample, from 0."""
    text: str
    """Empty while the characters may be the start of the stop text."""
    log_probability: float | None = None
    """None if not requested. Else the natural logarithm of the probability, at temperature 1, of
    the character that was sampled in this step; 0 if none was sampled. The sum over all pieces is
    the log-probability of the text, including the stop text."""


class _SampledText(NamedTuple):
    """New text of each sample that has not ended: one character or several."""

    samples_B: NDArray[np.int64]
    texts: Sequence[str]
    codes_B: NDArray[np.int64] | None = None
    logits_BV: NDArray[np.float32] | None = None
    """The logits of the sampled character; None for a line start and for blocks."""


class _Block(NamedTuple):
    """A block that an engine has started to sample."""

    length: int
    """The number of its characters to use."""
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
    """Yield the new text of all samples in pieces, without the prompt.

    Without a prompt, a text starts with the most common line start of the corpus, as after a line
    break. With rules (see `charrnn.sampling.constraints`), it starts with any allowed character. A
    piece that may be the start of the stop text is delayed until that is known. `max_copy` limits
    copying from `corpus`. To avoid reading a prompt again, pass its `prompt_state`.

    With `log_probabilities`, each character of a sample is a piece, even if its text is empty, and
    has its log-probability. Characters are then sampled one at a time.

    Raises `VocabularyError` and `ConfigError` at the call, not at the first piece.
    """
    rules = make_rules(config, engine.vocabulary, corpus)
    codes = engine.vocabulary.encode(prompt, config.unknown)
    texts = [SampleText(prompt, config, bool(rules)) for _ in range(config.num_samples)]
    if isinstance(engine, BlockSamplingEngine) and not rules and not log_probabilities:
        sampled = _sample_blocks(engine, codes, config, prompt_state)
    else:
        steps = _sample(engine, codes, config, rules, texts, prompt_state)
        sampled = itertools.islice(steps, config.length)
    return _make_pieces(sampled, texts, log_probabilities)


def _make_pieces(
    sampled: Iterator[_SampledText], texts: Sequence[SampleText], log_probabilities: bool
) -> Iterator[Piece]:
    nothing_sampled = 0.0 if log_probabilities else None
    for samples_B, texts_B, codes_B, logits_BV in sampled:
        values_B: list[float | None] = [nothing_sampled] * len(samples_B)
        if log_probabilities and codes_B is not None and logits_BV is not None:
            values_B = _log_probabilities(logits_BV, codes_B).tolist()
        for sample, new_text, value in zip(samples_B.tolist(), texts_B, values_B, strict=True):
            text = texts[sample]
            if text.has_ended:
                continue
            ready_text = text.add(new_text)
            if ready_text or log_probabilities:
                yield Piece(sample, ready_text, value)
        if all(text.has_ended for text in texts):
            return
    for sample, text in enumerate(texts):
        if not text.has_ended and text.pending:
            yield Piece(sample, text.pending, nothing_sampled)


def _first_input(engine: SamplingEngine, codes: Codes, has_rules: bool) -> tuple[Codes, str]:
    """Return the codes to read before the first draw, and the line start of the text, if any."""
    if len(codes):
        return codes, ""
    line_break = "\n" * ("\n" in engine.vocabulary)
    if has_rules:
        return engine.vocabulary.encode(line_break or engine.line_start), ""
    return engine.vocabulary.encode(line_break + engine.line_start), engine.line_start


def _start_samples(
    engine: SamplingEngine, codes: Codes, config: SampleConfig, prompt_state: PromptState | None
) -> tuple[SampleUniforms, NDArray[np.int64], NDArray[np.float32], Any]:
    """Return the uniform numbers, the numbers of the samples, and their logits and state."""
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
) -> Iterator[_SampledText]:
    """Yield a block of all samples at a time, or single characters if there is one sample.

    While a block is decoded, the engine samples the next one.
    """
    codes, line_start = _first_input(engine, codes, has_rules=False)
    if line_start and config.length:
        yield _SampledText(np.arange(config.num_samples), line_start * config.num_samples)
    if config.length <= len(line_start):
        return
    uniforms, samples_B, logits_BV, state = _start_samples(engine, codes, config, prompt_state)
    filters = Filters.from_config(config)

    def start_blocks() -> Iterator[_Block]:
        logits, carried = logits_BV, state
        for first in range(len(line_start), config.length, _BLOCK_LENGTH):
            # Always a full block: engines prepare, and a GPU captures, each length separately.
            uniforms_KB = uniforms.block(first, _BLOCK_LENGTH)
            wait, logits, carried = engine.sample_block(logits, carried, uniforms_KB, filters)
            yield _Block(min(_BLOCK_LENGTH, config.length - first), wait)

    for block in _start_one_ahead(start_blocks()):
        texts = engine.vocabulary.decode_rows(block.wait()[: block.length].T)
        for texts_B in list(texts[0]) if len(texts) == 1 else [texts]:
            yield _SampledText(samples_B, texts_B)


def _start_one_ahead(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """Yield each block after the next one has started."""
    started = list(itertools.islice(blocks, 1))
    for block in blocks:
        yield started.pop()
        started.append(block)
    yield from started


def _sample(
    engine: SamplingEngine,
    codes: Codes,
    config: SampleConfig,
    rules: Sequence[Rule],
    texts: Sequence[SampleText],
    prompt_state: PromptState | None,
) -> Iterator[_SampledText]:
    """Yield one character of each sample at a time, without limit."""
    codes, line_start = _first_input(engine, codes, bool(rules))
    if line_start:
        yield _SampledText(np.arange(config.num_samples), line_start * config.num_samples)
    uniforms, samples_B, logits_BV, state = _start_samples(engine, codes, config, prompt_state)
    filters = Filters.from_config(config)
    for position in itertools.count(len(line_start)):
        is_active_B = [not texts[sample].has_ended for sample in samples_B.tolist()]
        # Removing a few ended samples costs more than computing them. With rules, remove all of
        # them at once: an ended sample may have no allowed character.
        if sum(is_active_B) <= (len(samples_B) - 1 if rules else len(samples_B) // 2):
            active_B = np.flatnonzero(is_active_B)
            samples_B, logits_BV = samples_B[active_B], logits_BV[active_B]
            state = engine.select_samples(state, active_B)
        allowed_logits_BV = logits_BV
        if rules:
            positions = [texts[sample].position for sample in samples_B.tolist()]
            allowed_BV = allowed_or_raise(rules, positions)
            allowed_logits_BV = np.where(allowed_BV, logits_BV, -np.inf)
        uniforms_B = uniforms.at(position)[samples_B]
        codes_B = sample_codes(distribution(allowed_logits_BV, filters), uniforms_B)
        yield _SampledText(samples_B, engine.vocabulary.decode(codes_B), codes_B, logits_BV)
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
    """Yield the characters of one new text as they are sampled, without the prompt.

    `source` is a model, a run or an engine. Settings are fields of `SampleConfig`. `max_copy`
    limits copying from `corpus`.
    """
    text_config = dataclasses.replace(config or SampleConfig(), **settings, num_samples=1)
    if len(text_config.temperatures) > 1:
        raise ConfigError(
            f"stream generates one text at one temperature, not {text_config.temperature}",
            "use generate for several temperatures",
        )
    for piece in stream_samples(engine_for(source), prompt, text_config, corpus):
        yield piece.text


def generate(
    source: "SamplingEngine | CharRNN | str | None" = None,
    prompt: str = "",
    config: SampleConfig | None = None,
    corpus: Corpus | None = None,
    **settings: Any,
) -> list[str]:
    """Return `num_samples` new texts for each temperature, without the prompt.

    The samples are generated in parallel. Sample i of a seed does not depend on the number of
    samples. `source`, settings and `corpus` are as in `stream`.
    """
    full_config = dataclasses.replace(config or SampleConfig(), **settings)
    engine = engine_for(source)
    texts: list[str] = []
    for text_config in full_config.split_temperatures():
        pieces = stream_samples(engine, prompt, text_config, corpus)
        texts += _join_pieces(pieces, text_config.num_samples)
    return texts


class ScoredText(NamedTuple):
    """A new text and the natural logarithm of its probability at temperature 1."""

    text: str
    log_probability: float


def generate_scored(
    engine: SamplingEngine, prompt: str, config: SampleConfig, corpus: Corpus | None = None
) -> list[ScoredText]:
    """Return `num_samples` new texts at one temperature, each with its log-probability.

    See `Piece.log_probability` for what it includes.
    """
    pieces = list(stream_samples(engine, prompt, config, corpus, log_probabilities=True))
    log_probability_B = [0.0] * config.num_samples
    for piece in pieces:
        log_probability_B[piece.sample] += piece.log_probability or 0.0
    texts = _join_pieces(pieces, config.num_samples)
    return [ScoredText(*scored) for scored in zip(texts, log_probability_B, strict=True)]


def _join_pieces(pieces: Iterable[Piece], num_samples: int) -> list[str]:
    texts: list[list[str]] = [[] for _ in range(num_samples)]
    for piece in pieces:
        texts[piece.sample].append(piece.text)
    return ["".join(text) for text in texts]
