"""Generate text: the loop that gets logits from an engine and samples characters.

Shape suffixes: B samples, V characters of the vocabulary.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from charrnn.config.sampling import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Codes
from charrnn.errors import ConfigError
from charrnn.runs.find import find_run
from charrnn.runs.text_reader import TextReader
from charrnn.sampling.blocks import sample_blocks
from charrnn.sampling.constraints import (
    Rule,
    allowed_or_raise,
    make_text_rules,
    samples_first_character,
)
from charrnn.sampling.engines.interface import BlockSamplingEngine, SamplingEngine
from charrnn.sampling.engines.selection import engine_for, engine_for_checkpoint
from charrnn.sampling.filters import Filters, distribution, sample_codes
from charrnn.sampling.log_probabilities import CharacterScore, score_characters
from charrnn.sampling.repetition import RunHistory
from charrnn.sampling.sample_text import SampleText
from charrnn.sampling.start import PromptState, SampledText, find_first_input, start_samples

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN


class Piece(NamedTuple):
    """New text of one sample."""

    sample: int
    """The number of the sample, from 0."""
    text: str
    """Empty while the characters may be the start of the stop text."""
    score: CharacterScore | None = None
    """If requested: the score, at temperature 1, of the character that was sampled in this step;
    None if none was sampled. The sum of the log-probabilities of all pieces is that of the text,
    including the stop text."""
    ended_by_no_repeat: bool = False
    """Whether the text ends here because every allowed character would repeat a run of it."""
    ends_document: bool = False
    """Whether the document ends here."""


def stream_samples(
    engine: SamplingEngine,
    prompt: str,
    config: SampleConfig,
    corpus: Corpus | None = None,
    *,
    prompt_state: PromptState | None = None,
    num_likely: int | None = None,
) -> Iterator[Piece]:
    """Yield the new text of all samples in pieces, without the prompt.

    Without a prompt, a text starts with the most common line start of the corpus, as after a line
    break, or, if the corpus consists of several files, with the most common start of a file. With
    rules (see `charrnn.sampling.constraints`), it starts with any allowed character; `no_repeat`
    does not change the start. A model of documents generates the first character too, and the text
    ends where the document ends. A piece that may be the start of the stop text is delayed until
    that is known. `max_copy` limits copying from `corpus`. To avoid reading a prompt again, pass
    its `prompt_state`.

    With `num_likely`, each character of a sample is a piece, even if its text is empty, and has a
    score with this many likely characters. Characters are then sampled one at a time.

    Raises `VocabularyError` and `ConfigError` at the call, not at the first piece.
    """
    rules = make_text_rules(config, engine.vocabulary, corpus, engine.separator, prompt)
    codes = engine.vocabulary.encode(prompt, config.unknown)
    history = None if config.no_repeat is None else RunHistory(config.no_repeat, prompt)
    texts = [
        SampleText(prompt, config, bool(rules), history and history.copy(), engine.separator)
        for _ in range(config.num_samples)
    ]
    if (
        isinstance(engine, BlockSamplingEngine)
        and engine.prefers_blocks(config)
        and not rules
        and num_likely is None
    ):
        sampled = sample_blocks(engine, codes, config, prompt_state)
    else:
        sampled = _sample(engine, codes, config, rules, texts, prompt_state)
    return _make_pieces(sampled, texts, num_likely)


def _make_pieces(
    sampled: Iterator[SampledText], texts: Sequence[SampleText], num_likely: int | None
) -> Iterator[Piece]:
    for samples_B, texts_B, codes_B, logits_BV in sampled:
        scores_B: Sequence[CharacterScore | None] = [None] * len(samples_B)
        if num_likely is not None and codes_B is not None and logits_BV is not None:
            scores_B = score_characters(logits_BV, codes_B, num_likely)
        for sample, new_text, score in zip(samples_B.tolist(), texts_B, scores_B, strict=True):
            text = texts[sample]
            if text.has_ended:
                continue
            if not new_text:
                text.has_ended = True
                yield Piece(sample, text.pending, ended_by_no_repeat=True)
                continue
            ready_text = text.add(new_text)
            if ready_text or num_likely is not None or text.is_whole_document:
                yield Piece(sample, ready_text, score, ends_document=text.is_whole_document)
        if all(text.has_ended for text in texts):
            return
    for sample, text in enumerate(texts):
        if not text.has_ended and text.pending:
            yield Piece(sample, text.pending)


def _sample(
    engine: SamplingEngine,
    codes: Codes,
    config: SampleConfig,
    rules: Sequence[Rule],
    texts: Sequence[SampleText],
    prompt_state: PromptState | None,
) -> Iterator[SampledText]:
    """Yield one character of each sample at a time."""
    codes, line_start = find_first_input(engine, codes, samples_first_character(config))
    has_other_rules = len(rules) > (config.no_repeat is not None)
    if line_start and config.length:
        yield SampledText(np.arange(config.num_samples), line_start * config.num_samples)
    if config.length <= len(line_start):
        return
    uniforms, samples_B, logits_BV, state = start_samples(engine, codes, config, prompt_state)
    filters = Filters.from_config(config)
    for position in range(len(line_start), config.length):
        is_active_B = [not texts[sample].has_ended for sample in samples_B.tolist()]
        # Removing a few ended samples costs more than computing them. With rules, remove all of
        # them at once: an ended sample may have no allowed character.
        if sum(is_active_B) <= (len(samples_B) - 1 if rules else len(samples_B) // 2):
            active_B = np.flatnonzero(is_active_B)
            samples_B, logits_BV = samples_B[active_B], logits_BV[active_B]
            state = engine.select_samples(state, active_B)
        allowed_logits_BV = logits_BV
        positions = [texts[sample].position for sample in samples_B.tolist()]
        if has_other_rules or any(position.repeating for position in positions):
            allowed_BV = allowed_or_raise(rules, positions)
            can_go_on_B = allowed_BV.any(axis=1)
            if not can_go_on_B.all():
                ended_B, kept_B = samples_B[~can_go_on_B], np.flatnonzero(can_go_on_B)
                yield SampledText(ended_B, [""] * len(ended_B))
                samples_B, logits_BV = samples_B[kept_B], logits_BV[kept_B]
                allowed_BV, state = allowed_BV[kept_B], engine.select_samples(state, kept_B)
            allowed_logits_BV = np.where(allowed_BV, logits_BV, -np.inf)
        uniforms_B = uniforms.at(position)[samples_B]
        codes_B = sample_codes(distribution(allowed_logits_BV, filters), uniforms_B)
        yield SampledText(samples_B, engine.vocabulary.decode(codes_B), codes_B, logits_BV)
        logits_BV, state = engine.step(state, codes_B)


def stream(
    source: "SamplingEngine | CharRNN | str | None" = None,
    prompt: str = "",
    config: SampleConfig | None = None,
    corpus: Corpus | None = None,
    **settings: Any,
) -> Iterator[str]:
    """Yield the characters of one new text as they are sampled, without the prompt.

    `source` is a model, a run or an engine. Settings are fields of `SampleConfig`. `max_copy`
    limits copying from `corpus`. The text is shorter than `length` if it ends before, because of
    `stop`, `acrostic` or `no_repeat`.
    """
    text_config = dataclasses.replace(config or SampleConfig(), **settings, num_samples=1)
    if len(text_config.temperatures) > 1:
        raise ConfigError(
            f"stream generates one text at one temperature, not {text_config.temperature}",
            "use generate for several temperatures",
        )
    engine, prompt, text_config = _open_source(source, prompt, text_config)
    for piece in stream_samples(engine, prompt, text_config, corpus):
        if piece.text:
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
    samples, with one exception: a single text of a run is generated with 8-bit weights, as by
    `charrnn sample`. `source`, settings and `corpus` are as in `stream`.
    """
    full_config = dataclasses.replace(config or SampleConfig(), **settings)
    engine, prompt, full_config = _open_source(source, prompt, full_config)
    texts: list[str] = []
    for text_config in full_config.split_temperatures():
        pieces = stream_samples(engine, prompt, text_config, corpus)
        texts += _join_pieces(pieces, text_config.num_samples)
    return texts


def _open_source(
    source: "SamplingEngine | CharRNN | str | None", prompt: str, config: SampleConfig
) -> tuple[SamplingEngine, str, SampleConfig]:
    """Return the engine of a model or run, the prompt and the config.

    For a run, the line ends of the prompt and the stop text are converted as those of its text.
    """
    if source is not None and not isinstance(source, str):
        return engine_for(source), prompt, config
    checkpoint = find_run(source).select("best")
    engine = engine_for_checkpoint(checkpoint, num_samples=config.num_samples)
    reader = TextReader(checkpoint)
    if config.stop:
        config = dataclasses.replace(config, stop=reader.convert(config.stop))
    return engine, reader.convert(prompt), config


class ScoredText(NamedTuple):
    """A new text and the natural logarithm of its probability at temperature 1."""

    text: str
    log_probability: float
    ended_by_no_repeat: bool
    """See `Piece.ended_by_no_repeat`."""
    starts_with_line_start: bool
    """Whether the text starts with the line start of the corpus, which was not sampled."""
    scores: Sequence[CharacterScore]
    """Those of all sampled characters, including the stop text and the end of a document."""


def generate_scored(
    engine: SamplingEngine,
    prompt: str,
    config: SampleConfig,
    corpus: Corpus | None = None,
    *,
    num_likely: int = 0,
) -> list[ScoredText]:
    """Return `num_samples` new texts at one temperature, each with its log-probability.

    Each character has a score with `num_likely` likely characters.
    """
    pieces = list(stream_samples(engine, prompt, config, corpus, num_likely=num_likely))
    scores: list[list[CharacterScore]] = [[] for _ in range(config.num_samples)]
    for piece in pieces:
        if piece.score:
            scores[piece.sample].append(piece.score)
    has_line_start = bool(pieces) and not (pieces[0].score or pieces[0].ended_by_no_repeat)
    ended = {piece.sample for piece in pieces if piece.ended_by_no_repeat}
    return [
        ScoredText(
            text,
            sum(score.log_probability for score in scores[sample]),
            sample in ended,
            has_line_start,
            scores[sample],
        )
        for sample, text in enumerate(_join_pieces(pieces, config.num_samples))
    ]


def _join_pieces(pieces: Iterable[Piece], num_samples: int) -> list[str]:
    texts: list[list[str]] = [[] for _ in range(num_samples)]
    for piece in pieces:
        texts[piece.sample].append(piece.text)
    return ["".join(text) for text in texts]
