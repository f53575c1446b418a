"""The command line: parse, call, render."""

import dataclasses
import itertools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from charrnn.cli.flags import (
    CheckpointOption,
    CorpusOption,
    DeviceOption,
    JsonOption,
    RunArgument,
    config_flags,
)
from charrnn.config import BenchConfig, Budget, DeviceName, ModelConfig, SampleConfig, TrainConfig
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.checkpoint import Run


_NO_MEMORY = (
    "there is not enough memory for this: give a smaller --hidden-size, --num-layers, "
    "--batch-size, --seq-length or --num-samples"
)


class _Commands(TyperGroup):
    """The commands: what one of them cannot do ends in one sentence and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever read the output has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except CharrnnError as error:
            sentence = str(error)
        except MemoryError:
            sentence = _NO_MEMORY
        except RuntimeError as error:  # torch has no class of its own for this
            if "memory" not in str(error):
                raise
            sentence = _NO_MEMORY
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            sentence = f"{place}{error.strerror or error}"
        from charrnn.console import print_error

        print_error(sentence)
        raise typer.Exit(1)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train a character-level recurrent network on any text, and let it write.",
)


@app.command()
@config_flags
def train(
    corpus: Annotated[
        str | None,
        typer.Argument(
            metavar="CORPUS",
            help="A UTF-8 text file, a text charrnn knows by name, or - for standard input; "
            "left out: the bundled play.",
            show_default=False,
        ),
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out-dir",
            "-o",
            help="Folder of the run; left out: the text's name under checkpoints/.",
            show_default=False,
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Start from the best model of this run.", show_default=False
        ),
    ] = None,
    model: ModelConfig = ModelConfig(),  # noqa: B008
    training: TrainConfig = TrainConfig(),  # noqa: B008
) -> None:
    """Train a model on a text."""
    from charrnn.cli.following import follow
    from charrnn.training import train as events

    follow(
        lambda stop: events(
            corpus, training, model, out_dir=out_dir, init_from=init_from, stop=stop
        )
    )


@app.command()
@config_flags
def resume(
    run: RunArgument = None,
    corpus: CorpusOption = None,
    device: Annotated[
        DeviceName | None,
        typer.Option(help="Where to compute; left out: as before.", show_default=False),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Processor threads; left out: as before.", min=1, show_default=False),
    ] = None,
    budget: Budget = Budget(),  # noqa: B008
) -> None:
    """Go on with a run exactly where it stopped, or beyond its end with a larger budget."""
    from charrnn.cli.following import follow
    from charrnn.training import resume as events

    follow(
        lambda stop: events(run, budget, corpus=corpus, device=device, threads=threads, stop=stop)
    )


@app.command()
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
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    config: SampleConfig = SampleConfig(),  # noqa: B008
) -> None:
    """Write new text with a trained model."""
    import secrets

    from charrnn.adaptation import adapted_copy
    from charrnn.console import messages, print_samples
    from charrnn.corpus import read_text
    from charrnn.model import load_checkpoint
    from charrnn.sampling import generate, write
    from charrnn.writers import writer_for

    text = _prompt(prompt, prompt_file)
    opened = _open(run)
    model = load_checkpoint(opened.select(checkpoint), device)
    if adapt is not None:
        draft = read_text(adapt)
        model, _ = adapted_copy(model, model.vocabulary.encode(draft, config.unknown))
        if not text:
            text, no_prompt = draft, True
    writer = writer_for(model)
    if config.seed is None:
        config = dataclasses.replace(config, seed=secrets.randbits(32))
        messages().print(f"seed {config.seed}")
    if as_json:
        _print_json(
            {
                "run": str(opened.path),
                "seed": config.seed,
                "temperature": config.temperature,
                "prompt": text,
                "samples": [{"text": each} for each in generate(writer, text, config)],
            }
        )
        return
    pieces = write(writer, text, config)
    first = next(pieces, (0, ""))  # a character the model does not know is an error here
    print_samples(itertools.chain([first], pieces), "" if no_prompt else text, config.num_samples)


@app.command()
def score(
    run_and_files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN | FILE...",
            help="Texts to score, - for standard input; the first may name the run. "
            "No text: the run's own held-out part.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(help="A run; several compare. Then all arguments are texts.", metavar="RUN"),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Score independent windows of this many characters, each from a blank state; "
            "left out: the text is read once, the state carried.",
            show_default=False,
        ),
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option("--adapt", help="Let a copy of the model learn from what it has read."),
    ] = False,
    corpus: CorpusOption = None,
    unknown: Annotated[
        Literal["error", "skip"],
        typer.Option(help="What to do with characters the model does not know."),
    ] = "error",
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Tell how well a model foretells a text: nats and bits per character, lower is better.

    Several runs are ranked on each text, several texts under one run. With --json one run and one
    text give an object, more give a list of objects.
    """
    from charrnn.cli.reports import names_run, print_scores, ranked, score_rows
    from charrnn.corpus import read_text
    from charrnn.runs import find_run

    if context is not None and adapt:
        raise typer.BadParameter("give --context or --adapt, not both")
    names, files = list(run or []), list(run_and_files or [])
    if not names and files and names_run(files[0]):
        names = [files.pop(0)]
    runs = [find_run(name) for name in names] or [_open(None)]
    texts = [(file, read_text(file)) for file in files]
    results = ranked(
        [
            row
            for each in runs
            for row in score_rows(each, texts, checkpoint, device, context, adapt, corpus, unknown)
        ]
    )
    if as_json:
        _print_json(results[0] if len(results) == 1 else results)
    else:
        print_scores(results, context, adapt)


@app.command("list")
def list_runs(as_json: JsonOption = False) -> None:
    """Show the runs under checkpoints/."""
    from charrnn.cli.reports import describe, intact_runs, print_runs
    from charrnn.console import messages
    from charrnn.runs import RUNS_FOLDER

    runs = [describe(run) for run in intact_runs()]
    if as_json:
        _print_json(runs)
    elif runs:
        print_runs(runs)
    else:
        messages().print(f"no runs in {RUNS_FOLDER} yet: make one with `charrnn train`")


@app.command()
def info(run: RunArgument = None, as_json: JsonOption = False) -> None:
    """Show what a run is and how far it came."""
    from charrnn.cli.reports import describe, print_run

    opened = _open(run)
    if as_json:
        _print_json(describe(opened))
    else:
        print_run(opened)


@app.command()
@config_flags
def bench(as_json: JsonOption = False, config: BenchConfig = BenchConfig()) -> None:  # noqa: B008
    """Measure training on this machine, beside stock PyTorch and the limit of the processor."""
    from charrnn.benchmark import benchmark
    from charrnn.cli.reports import print_benchmark
    from charrnn.device import keep_freed_memory

    keep_freed_memory()
    result = benchmark(config)
    if as_json:
        _print_json(dataclasses.asdict(result))
    else:
        print_benchmark(result)


def main() -> None:
    """Run the `charrnn` command."""
    app(prog_name="charrnn")


def _open(name: str | None) -> "Run":
    from charrnn.console import messages, printable
    from charrnn.runs import find_run

    run = find_run(name)
    if name is None:
        messages().print(printable(f"newest run: {run.path}"))
    return run


def _prompt(prompt: str | None, prompt_file: Path | None) -> str:
    from charrnn.corpus import read_text

    if prompt is not None and prompt_file is not None:
        raise typer.BadParameter("give --prompt or --prompt-file, not both")
    return read_text(prompt_file) if prompt_file else prompt or ""


def _print_json(value: Any) -> None:
    from charrnn.console import print_result

    print_result(json.dumps(value, indent=2, ensure_ascii=False))
