"""Generated texts: printed, as JSON, and compared with a corpus."""

import time
from typing import Any

from charrnn.config.sampling import SampleConfig
from charrnn.console.output import stderr_console
from charrnn.console.samples import print_samples
from charrnn.console.text import make_printable
from charrnn.data.corpus import Corpus
from charrnn.sampling.engines.interface import Writer
from charrnn.sampling.loop import judged, stream_samples
from charrnn.sampling.novelty import LONG, novelty


def show_samples(
    writer: Writer, prompt: str, config: SampleConfig, corpus: Corpus | None, *, with_prompt: bool
) -> list[tuple[str, str]]:
    """Generate texts at each temperature and print them; return the label and text of each.

    `corpus` is what `max_copy` is about.
    """
    several = len(config.temperatures) > 1
    return print_samples(
        [
            (
                f"temperature {one.temperature}" if several else "",
                stream_samples(writer, prompt, one, corpus),
            )
            for one in config.at_each_temperature()
        ],
        prompt if with_prompt else "",
        config.num_samples,
    )


def print_novelty(texts: list[tuple[str, str]], corpus: Corpus) -> None:
    """Print how much of each text, given with its label, stands word for word in a corpus."""
    for label, text in texts:
        found = novelty(text, corpus)
        stderr_console().print(
            f"{label + ': ' if label else ''}the longest run that stands in {corpus.name} has "
            f"{found.longest} characters: {make_printable(found.passage)!r}; {found.share:.1%} of the "
            f"text is in runs of {LONG} or more"
        )


def samples_as_json(
    writer: Writer,
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
        for one in config.at_each_temperature()
        for written in judged(writer, prompt, one, corpus)
    ]
    seconds = time.perf_counter() - begun
    characters = sum(len(each["text"]) for each in samples)
    if compared:
        samples = [
            {**each, "novelty": novelty(each["text"], compared)._asdict()} for each in samples
        ]
    return {
        "seed": config.seed,
        "temperature": config.temperature,
        "prompt": prompt,
        "samples": samples,
        "seconds": round(seconds, 6),
        "characters_per_second": round(characters / seconds, 1),
    }
