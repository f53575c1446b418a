"""`charrnn sample`."""

import dataclasses
import secrets
from pathlib import Path
from typing import Annotated, Literal

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


@config_flags
def sample(
    run: RunArgument = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", "-p", help="Text to go on from.", show_default=False),
    ] = None,
    prompt_file: Annotated[
        Path | None,
        typer.Option(help="File to go on from, - for standard input.", show_default=False),
    ] = None,
    adapt: Annotated[
        Path | None,
        typer.Option(
            help="Learn from this draft first; without a prompt, go on from its end.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    no_prompt: Annotated[
        bool, typer.Option("--no-prompt", help="Leave the prompt out of what is shown.")
    ] = False,
    novelty: Annotated[
        str | None,
        typer.Option(
            help="Tell how much stands word for word in this text, a file or a name.",
            metavar="CORPUS",
            show_default=False,
        ),
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Write in turns: /help there tells how.")
    ] = False,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
    precision: Annotated[
        Literal["auto", "float32"],
        typer.Option(help="Of the weights; auto: 8 bits for a single text on a processor."),
    ] = "auto",
    as_json: JsonOption = False,
    config: SampleConfig = SampleConfig(),  # noqa: B008
) -> None:
    """Write new text with a trained model."""
    from charrnn.console.interactive import converse
    from charrnn.console.output import messages, print_json
    from charrnn.data.corpus import Corpus
    from charrnn.data.decoding import read_text
    from charrnn.reports.samples import print_novelty, samples_as_json, show_samples
    from charrnn.reports.texts import first_corpus
    from charrnn.sampling.conversation import Conversation
    from charrnn.sampling.engines.selection import writer_for, writer_of

    if interactive and (as_json or config.num_samples > 1 or len(config.temperatures) > 1):
        raise typer.BadParameter("--interactive writes one text, of one temperature, and no JSON")
    text = _prompt(prompt, prompt_file)
    opened = open_run(run)
    chosen = opened.select(checkpoint)
    corpus = compared = Corpus.open(novelty) if novelty else None
    if config.max_copy and not corpus:
        corpus = first_corpus(opened)
    if adapt is None:
        writer = writer_of(
            chosen, num_samples=config.num_samples, device=device, precision=precision
        )
    else:
        from charrnn.analysis.dynamic_evaluation import load_adapted

        draft = read_text(adapt)
        writer = writer_for(load_adapted(chosen, draft, device, config.unknown))
        if not text:
            text, no_prompt = draft, True
    if interactive:
        converse(Conversation(writer, config, corpus), text)
        return
    if config.seed is None:
        config = dataclasses.replace(config, seed=secrets.randbits(32))
        messages().print(f"seed {config.seed}")
    if as_json:
        record = samples_as_json(writer, text, config, corpus, compared)
        print_json({"run": str(opened.path), **record})
        return
    samples = show_samples(writer, text, config, corpus, with_prompt=not no_prompt)
    if compared:
        print_novelty(samples, compared)


def _prompt(prompt: str | None, prompt_file: Path | None) -> str:
    from charrnn.data.decoding import read_text

    if prompt is not None and prompt_file is not None:
        raise typer.BadParameter("give --prompt or --prompt-file, not both")
    return read_text(prompt_file) if prompt_file else prompt or ""
