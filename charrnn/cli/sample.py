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
    from charrnn.sampling.engines.interface import SamplingEngine

PromptOption = Annotated[
    str | None, typer.Option("--prompt", "-p", help="Text to continue.", show_default=False)
]
PromptFileOption = Annotated[
    Path | None,
    typer.Option(help="File with the text to continue, - for standard input.", show_default=False),
]
AdaptFileOption = Annotated[
    Path | None,
    typer.Option(
        help="First train a copy of the model on this draft; without a prompt, continue the draft.",
        metavar="FILE",
        show_default=False,
    ),
]
NoPromptOption = Annotated[
    bool, typer.Option("--no-prompt", help="Print only the new text, without the prompt.")
]
NoveltyOption = Annotated[
    str | None,
    typer.Option(
        help="Show how much of the output is copied from this text (a file, or a name that "
        "`charrnn corpora` lists).",
        metavar="CORPUS",
        show_default=False,
    ),
]
InteractiveOption = Annotated[
    bool,
    typer.Option(
        "--interactive", "-i", help="Take turns with the model: type a line, and it continues."
    ),
]
PrecisionOption = Annotated[
    Literal["auto", "float32"],
    typer.Option(
        help="Number format of the weights; auto: 8 bits for one text on a CPU, float16 on a GPU."
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
    """Generate text with a trained model."""
    from charrnn.console.interactive import run_conversation
    from charrnn.console.output import print_json, print_message
    from charrnn.data.corpus import Corpus
    from charrnn.data.decoding import read_text
    from charrnn.reports.samples import generate_and_print, generate_as_json, print_novelty
    from charrnn.reports.texts import open_first_corpus
    from charrnn.sampling.conversation import Conversation

    if interactive and (as_json or config.num_samples > 1 or len(config.temperatures) > 1):
        raise typer.BadParameter(
            "--interactive cannot be combined with --json, --num-samples or several temperatures"
        )
    text = _read_prompt(prompt, prompt_file)
    opened = open_run(run)
    selected = opened.select(checkpoint)
    corpus = novelty_corpus = Corpus.open(novelty) if novelty else None
    if config.max_copy and not corpus:
        corpus = open_first_corpus(opened)
    draft = None if adapt is None else read_text(adapt)
    engine = _make_engine(selected, draft, config, device, precision)
    if draft and not text:
        text, no_prompt = draft, True
    if interactive:
        run_conversation(Conversation(engine, config, corpus), text)
        return
    if config.seed is None:
        config = dataclasses.replace(config, seed=secrets.randbits(32))
        print_message(f"seed {config.seed}")
    if as_json:
        record = generate_as_json(engine, text, config, corpus, novelty_corpus)
        print_json({"run": str(opened.path), **record})
        return
    samples = generate_and_print(engine, text, config, corpus, with_prompt=not no_prompt)
    if novelty_corpus:
        print_novelty(samples, novelty_corpus)


def _make_engine(
    checkpoint: "Checkpoint",
    draft: str | None,
    config: SampleConfig,
    device: DeviceName,
    precision: Literal["auto", "float32"],
) -> "SamplingEngine":
    """Return a sampling engine for a checkpoint, or for a copy that was trained on `draft`."""
    from charrnn.sampling.engines.selection import engine_for, engine_for_checkpoint

    if draft is None:
        return engine_for_checkpoint(
            checkpoint, num_samples=config.num_samples, device=device, precision=precision
        )
    from charrnn.analysis.dynamic_evaluation import load_adapted

    return engine_for(load_adapted(checkpoint, draft, device, config.unknown), precision)


def _read_prompt(prompt: str | None, prompt_file: Path | None) -> str:
    from charrnn.data.decoding import read_text

    if prompt is not None and prompt_file is not None:
        raise typer.BadParameter("give --prompt or --prompt-file, not both")
    return read_text(prompt_file) if prompt_file else prompt or ""
