"""Generated texts: printed, as JSON, and compared with a corpus."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from charrnn.config.counts import format_count
from charrnn.config.sampling import SampleConfig
from charrnn.console.output import print_message, print_warning
from charrnn.console.samples import print_samples
from charrnn.data.character_names import list_characters
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Vocabulary
from charrnn.sampling.constraints import find_never_generated
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.loop import Piece, ScoredText, generate_scored, stream_samples
from charrnn.sampling.novelty import MIN_COPIED_RUN, measure_novelty
from charrnn.sampling.repetition import find_loop, repeats_run


def generate_and_print(
    engine: SamplingEngine,
    prompt: str,
    config: SampleConfig,
    corpus: Corpus | None,
    novelty_corpus: Corpus | None,
    *,
    with_prompt: bool,
) -> None:
    """Generate texts at each temperature and print them.

    `corpus` is the text from which at most `max_copy` characters in a row may be copied. Messages
    say how much of the texts is copied from `novelty_corpus`. Warnings say if a text cannot end at
    the stop text, has ended early or repeats itself.
    """
    has_several = len(config.temperatures) > 1
    ended: list[Piece] = []
    groups = [
        (
            f"temperature {variant.temperature}" if has_several else "",
            _collect_ended(stream_samples(engine, prompt, variant, corpus), ended),
        )
        for variant in config.split_temperatures()
    ]
    print_unused(config, engine.vocabulary, prompt)
    shown_prompt = prompt if with_prompt else ""
    texts = print_samples(groups, shown_prompt, config.num_samples, engine.separator)
    new_texts = [text for _, text in texts]
    _print_warnings(describe_repetition(config, new_texts, len(ended)))
    if novelty_corpus:
        _print_novelty(texts, novelty_corpus)


def _collect_ended(pieces: Iterable[Piece], ended: list[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        if piece.ended_by_no_repeat:
            ended.append(piece)
        yield piece


def print_unused(config: SampleConfig, vocabulary: Vocabulary, prompt: str) -> None:
    """Print a warning for each text of a config that has no effect; see `describe_unused`."""
    _print_warnings(describe_unused(config, vocabulary, prompt))


def describe_unused(config: SampleConfig, vocabulary: Vocabulary, prompt: str) -> list[str]:
    """Return a sentence for each text of a config that has no effect with this vocabulary.

    The reason may be that `no_repeat` forbids the stop text after this prompt.
    """
    sentences = []
    for name in ("only", "ban"):
        characters = "".join(dict.fromkeys(getattr(config, name) or ""))
        if unknown := "".join(char for char in characters if char not in vocabulary):
            sentences.append(
                f"--{name} contains {list_characters(unknown)}, which the model's vocabulary lacks"
            )
    if config.stop and (reason := _explain_impossible(config.stop, config, vocabulary, prompt)):
        sentences.append(f"no text ends at the stop text, because {reason}")
    return sentences


def _explain_impossible(
    stop: str, config: SampleConfig, vocabulary: Vocabulary, prompt: str
) -> str | None:
    """Return why a stop text is never generated; None if it can be."""
    if never := find_never_generated(config, vocabulary, stop):
        escapes = r": give --escape to read \n as a line break" if "\\" in never else ""
        return f"the model never generates {list_characters(never)}{escapes}"
    if len(stop) > config.length:
        return f"that is longer than --length {config.length}"
    if max(map(len, stop.split("\n"))) > (config.line_length or len(stop)):
        return f"that has a line longer than --line-length {config.line_length}"
    if config.no_repeat and repeats_run(prompt, stop, config.no_repeat):
        return f"that repeats a passage of length {config.no_repeat:,}: give a larger --no-repeat"
    return None


def describe_repetition(config: SampleConfig, texts: list[str], num_ended: int) -> list[str]:
    """Return a sentence if texts ended because of `no_repeat`, or if a text ends in a loop.

    Only texts at temperature 0 are searched for a loop.
    """
    sentences = []
    if num_ended:
        subject = (
            f"the text ends early, after {format_count(len(texts[0]), 'new character')}"
            if len(texts) == 1
            else f"{num_ended:,} of {len(texts):,} texts end early"
        )
        sentences.append(
            f"{subject}, because each possible next character would repeat a passage of "
            f"length {config.no_repeat:,}: give a larger --no-repeat"
        )
    for temperature, text in zip(config.temperatures, texts[:: config.num_samples], strict=True):
        start = find_loop(text) if temperature == 0 else None
        if start is not None:
            smaller = "a smaller --no-repeat" if config.no_repeat else "--no-repeat 20"
            sentences.append(
                f"the text at temperature 0 repeats itself from new character {start + 1:,} on: "
                f"give {smaller} or a higher --temperature"
            )
            break
    return sentences


def _print_warnings(sentences: list[str]) -> None:
    for sentence in sentences:
        print_warning(sentence)


def _print_novelty(texts: list[tuple[str, str]], corpus: Corpus) -> None:
    """Print how much of each text is copied from a corpus; `texts` are (label, text) pairs."""
    for label, text in texts:
        result = measure_novelty(text, corpus)
        print_message(
            f"{label + ': ' if label else ''}the longest passage copied from {corpus.name} has "
            f"{format_count(result.longest, 'character')}: {result.passage!r}; {result.share:.1%} "
            f"of the text is in copied passages of {MIN_COPIED_RUN} or more characters",
            is_requested=True,
        )


def generate_as_json(
    engine: SamplingEngine,
    prompt: str,
    config: SampleConfig,
    corpus: Corpus | None,
    novelty_corpus: Corpus | None,
    num_likely: int | None,
) -> dict[str, Any]:
    """Generate texts at each temperature; return them with their log-probabilities and the speed.

    `corpus` is the text from which at most `max_copy` characters in a row may be copied. The texts
    are compared with `novelty_corpus`. With `num_likely`, each sample lists its new characters,
    each with this many likely characters.
    """
    start = time.perf_counter()
    samples: list[dict[str, Any]] = []
    for variant in config.split_temperatures():
        for sample in generate_scored(engine, prompt, variant, corpus, num_likely=num_likely or 0):
            values = sample._asdict()
            del values["scores"], values["starts_with_line_start"]
            if num_likely is not None:
                values["characters"] = _describe_characters(sample, engine)
            samples.append({"temperature": variant.temperature, **values})
    seconds = time.perf_counter() - start
    num_ended = sum(sample["ended_by_no_repeat"] for sample in samples)
    print_unused(config, engine.vocabulary, prompt)
    texts = [sample["text"] for sample in samples]
    _print_warnings(describe_repetition(config, texts, num_ended))
    characters = sum(len(sample["text"]) for sample in samples)
    if novelty_corpus:
        samples = [
            {**sample, "novelty": measure_novelty(sample["text"], novelty_corpus)._asdict()}
            for sample in samples
        ]
    return {
        "seed": config.seed,
        "temperature": config.temperature,
        "prompt": prompt,
        "samples": samples,
        "seconds": round(seconds, 6),
        "characters_per_second": round(characters / seconds, 1),
    }


def _describe_characters(sample: ScoredText, engine: SamplingEngine) -> list[dict[str, Any]]:
    """Return each new character, its log-probability and the most likely characters.

    A line start that was not sampled has no log-probability. The stop text and the separator that
    ends a document are included.
    """
    names = engine.vocabulary.characters
    scored: list[dict[str, Any]] = [
        {
            "character": names[score.code],
            "log_probability": score.log_probability,
            "likely": [
                {"character": names[code], "log_probability": value} for code, value in score.likely
            ],
        }
        for score in sample.scores
    ]
    if sample.starts_with_line_start:
        start: dict[str, Any] = {
            "character": engine.line_start,
            "log_probability": None,
            "likely": [],
        }
        return [start, *scored]
    return scored
