"""`charrnn sample`."""

import dataclasses
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.cli.flags import (
    CheckpointOption,
    DeviceOption,
    JsonOption,
    RunArgument,
    config_flags,
    open_run,
)
from charrnn.config.sampling import SampleConfig
from charrnn.config.training import DeviceName

if TYPE_CHECKING:
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.sampling.engines.interface import Writer

PromptOption = Annotated[
    str | None, typer.Option("--prompt", "-p", help="Text to go on from.", show_default=False)
]
PromptFileOption = Annotated[
    Path | None,
    typer.Option(help="File to go on from, - for standard input.", show_default=False),
]
AdaptFileOption = Annotated[
    Path | None,
    typer.Option(
        help="Learn from this draft first; without a prompt, go on from its end.",
        metavar="FILE",
        show_default=False,
    ),
]
NoPromptOption = Annotated[
    bool, typer.Option("--no-prompt", help="Leave the prompt out of what is shown.")
]
NoveltyOption = Annotated[
    str | None,
    typer.Option(
        help="Tell how much stands word for word in this text, a file or a name.",
        metavar="CORPUS",
        show_default=False,
    ),
]
InteractiveOption = Annotated[
    bool, typer.Option("--interactive", "-i", help="Write in turns: /help there tells how.")
]
PrecisionOption = Annotated[
    Literal["auto", "float32"],
    typer.Option(
        help="Of the weights; auto: 8 bits for a single text on a processor, float16 on a GPU."
    ),
]


@config_flags
def sample(
    run: RunArgument = None,
    prompt: PromptOption = None,
    prompt_file: PromptFileOption = None,
    adapt: AdaptFileOption = None,
    no_prompt: NoPromptOption = False,
    novelty: NoveltyOption = None,
    interactive: InteractiveOption = False,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
    config: SampleConfig = SampleConfig(),  # noqa: B008
) -> None:
    """Write new text with a trained model."""
    from charrnn.console.interactive import run_conversation
    from charrnn.console.output import print_json, stderr_console
    from charrnn.data.corpus import Corpus
    from charrnn.data.decoding import read_text
    from charrnn.reports.samples import print_novelty, samples_as_json, show_samples
    from charrnn.reports.texts import first_corpus
    from charrnn.sampling.conversation import Conversation

    if interactive and (as_json or config.num_samples > 1 or len(config.temperatures) > 1):
        raise typer.BadParameter("--interactive writes one text, of one temperature, and no JSON")
    text = _prompt(prompt, prompt_file)
    opened = open_run(run)
    chosen = opened.select(checkpoint)
    corpus = compared = Corpus.open(novelty) if novelty else None
    if config.max_copy and not corpus:
        corpus = first_corpus(opened)
    draft = None if adapt is None else read_text(adapt)
    writer = _writer(chosen, draft, config, device, precision)
    if draft and not text:
        text, no_prompt = draft, True
    if interactive:
        run_conversation(Conversation(writer, config, corpus), text)
        return
    if config.seed is None:
        config = dataclasses.replace(config, seed=secrets.randbits(32))
        stderr_console().print(f"seed {config.seed}")
    if as_json:
        record = samples_as_json(writer, text, config, corpus, compared)
        print_json({"run": str(opened.path), **record})
        return
    samples = show_samples(writer, text, config, corpus, with_prompt=not no_prompt)
    if compared:
        print_novelty(samples, compared)


def _writer(
    checkpoint: "Checkpoint",
    draft: str | None,
    config: SampleConfig,
    device: DeviceName,
    precision: Literal["auto", "float32"],
) -> "Writer":
    """Return the writer of a checkpoint, or of its model once that has learnt from a draft."""
    from charrnn.sampling.engines.selection import writer_for, writer_of

    if draft is None:
        return writer_of(
            checkpoint, num_samples=config.num_samples, device=device, precision=precision
        )
    from charrnn.analysis.dynamic_evaluation import load_adapted

    return writer_for(load_adapted(checkpoint, draft, device, config.unknown), precision)


def _prompt(prompt: str | None, prompt_file: Path | None) -> str:
    from charrnn.data.decoding import read_text

    if prompt is not None and prompt_file is not None:
        raise typer.BadParameter("give --prompt or --prompt-file, not both")
    return read_text(prompt_file) if prompt_file else prompt or ""
