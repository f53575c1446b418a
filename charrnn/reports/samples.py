"""Generated texts: printed, as JSON, and compared with a corpus."""

import time
from typing import Any

from charrnn.config.sampling import SampleConfig
from charrnn.console.output import messages
from charrnn.console.samples import print_samples
from charrnn.console.text import printable
from charrnn.data.corpus import Corpus
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.loop import generate_scored, stream_samples
from charrnn.sampling.novelty import MIN_COPIED_RUN, measure_novelty


def show_samples(
    engine: SamplingEngine,
    prompt: str,
    config: SampleConfig,
    corpus: Corpus | None,
    *,
    with_prompt: bool,
) -> list[tuple[str, str]]:
    """Generate texts at each temperature and print them; return the label and text of each.

    `corpus` is what `max_copy` is about.
    """
    several = len(config.temperatures) > 1
    return print_samples(
        [
            (
                f"temperature {one.temperature}" if several else "",
                stream_samples(engine, prompt, one, corpus),
            )
            for one in config.split_temperatures()
        ],
        prompt if with_prompt else "",
        config.num_samples,
    )


def print_novelty(texts: list[tuple[str, str]], corpus: Corpus) -> None:
    """Print how much of each text, given with its label, stands word for word in a corpus."""
    for label, text in texts:
        found = measure_novelty(text, corpus)
        messages().print(
            f"{label + ': ' if label else ''}the longest run that stands in {corpus.name} has "
            f"{found.longest} characters: {printable(found.passage)!r}; {found.share:.1%} of the "
            f"text is in runs of {MIN_COPIED_RUN} or more"
        )


def samples_as_json(
    engine: SamplingEngine,
    prompt: str,
    config: SampleConfig,
    corpus: Corpus | None,
    compared: Corpus | None,
) -> dict[str, Any]:
    """Generate texts at each temperature; return them with their log-probabilities and the speed.

    `corpus` is what `max_copy` is about, `compared` what the texts are compared with.
    """
    begun = time.perf_counter()
    samples: list[dict[str, Any]] = [
        {"temperature": one.temperature, **written._asdict()}
        for one in config.split_temperatures()
        for written in generate_scored(engine, prompt, one, corpus)
    ]
    seconds = time.perf_counter() - begun
    characters = sum(len(each["text"]) for each in samples)
    if compared:
        samples = [
            {**each, "novelty": measure_novelty(each["text"], compared)._asdict()}
            for each in samples
        ]
    return {
        "seed": config.seed,
        "temperature": config.temperature,
        "prompt": prompt,
        "samples": samples,
        "seconds": round(seconds, 6),
        "characters_per_second": round(characters / seconds, 1),
    }
