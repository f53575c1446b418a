"""Generated texts: printed, as JSON, and compared with a corpus."""

import time
from typing import Any

from charrnn.config.counts import format_count
from charrnn.config.sampling import SampleConfig
from charrnn.console.output import print_message
from charrnn.console.samples import print_samples
from charrnn.data.corpus import Corpus
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.loop import generate_scored, stream_samples
from charrnn.sampling.novelty import MIN_COPIED_RUN, measure_novelty


def generate_and_print(
    engine: SamplingEngine,
    prompt: str,
    config: SampleConfig,
    corpus: Corpus | None,
    *,
    with_prompt: bool,
) -> list[tuple[str, str]]:
    """Generate texts at each temperature and print them; return the label and text of each.

    `corpus` is the text from which at most `max_copy` characters in a row may be copied.
    """
    has_several = len(config.temperatures) > 1
    return print_samples(
        [
            (
                f"temperature {variant.temperature}" if has_several else "",
                stream_samples(engine, prompt, variant, corpus),
            )
            for variant in config.split_temperatures()
        ],
        prompt if with_prompt else "",
        config.num_samples,
    )


def print_novelty(texts: list[tuple[str, str]], corpus: Corpus) -> None:
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
) -> dict[str, Any]:
    """Generate texts at each temperature; return them with their log-probabilities and the speed.

    `corpus` is the text from which at most `max_copy` characters in a row may be copied. The texts
    are compared with `novelty_corpus`.
    """
    start = time.perf_counter()
    samples: list[dict[str, Any]] = [
        {"temperature": variant.temperature, **sample._asdict()}
        for variant in config.split_temperatures()
        for sample in generate_scored(engine, prompt, variant, corpus)
    ]
    seconds = time.perf_counter() - start
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
