"""The command line: parse, call, render."""

import dataclasses
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from charrnn.config import Budget, DeviceName, ModelConfig, SampleConfig, TrainConfig
from charrnn.errors import CharrnnError
from charrnn.flags import (
    CheckpointOption,
    CorpusOption,
    DeviceOption,
    JsonOption,
    RunArgument,
    config_flags,
)

if TYPE_CHECKING:
    from charrnn.checkpoint import Run
    from charrnn.corpus import Codes


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
    from charrnn.following import follow
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
    from charrnn.following import follow
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

    from charrnn.console import TextOutput, messages
    from charrnn.model import load
    from charrnn.sampling import generate, write
    from charrnn.writers import writer_for

    text = _prompt(prompt, prompt_file)
    opened = _open(run)
    writer = writer_for(load(str(opened.path), checkpoint, device))
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
    output = TextOutput()
    later: list[list[str]] = [[] for _ in range(config.num_samples)]
    shown = "" if no_prompt else text
    try:
        output.write(shown)
        for number, piece in itertools.chain([first], pieces):
            if number == 0:
                output.write(piece)
            else:
                later[number].append(piece)
        for texts in later[1:]:
            output.separate()
            output.write(shown + "".join(texts))
    finally:
        output.close()


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

    With --json one run and one text give an object, more give a list of objects.
    """
    from charrnn.checkpoint import find_run
    from charrnn.console import print_table
    from charrnn.evaluation import score_codes
    from charrnn.model import load_checkpoint

    names, files = list(run or []), list(run_and_files or [])
    if not names and files and _names_run(files[0]):
        names = [files.pop(0)]
    results = []
    for opened in [find_run(name) for name in names] if names else [_open(None)]:
        model = load_checkpoint(opened.select(checkpoint), device)
        for name, codes in _texts(opened, files, corpus, unknown):
            result = score_codes(model, codes, context)
            results.append(
                {
                    "run": str(opened.path),
                    "text": name,
                    "nats_per_char": result.nats_per_char,
                    "bits_per_char": result.bits_per_char,
                    "characters": result.characters,
                    "context": context,
                }
            )
    if as_json:
        _print_json(results[0] if len(results) == 1 else results)
        return
    how = f"windows of {context:,} characters" if context else "state carried"
    print_table(
        f"loss per character ({how})",
        ("run", "text", "characters", "nats", "bits"),
        [
            (
                str(each["run"]),
                str(each["text"]),
                f"{each['characters']:,}",
                f"{each['nats_per_char']:.4f}",
                f"{each['bits_per_char']:.4f}",
            )
            for each in results
        ],
    )


@app.command("list")
def list_runs(as_json: JsonOption = False) -> None:
    """Show the runs under checkpoints/."""
    from charrnn.checkpoint import RUNS_FOLDER, Run, run_paths
    from charrnn.console import messages, nats, print_table

    runs = [_facts(Run.open(path)) for path in run_paths()]
    if as_json:
        _print_json(runs)
        return
    if not runs:
        messages().print(f"no runs in {RUNS_FOLDER} yet: make one with `charrnn train`")
        return
    print_table(
        "",
        ("run", "text", "network", "step", "epoch", "best held-out loss"),
        [
            (
                each["run"],
                each["corpus"],
                f"{each['num_layers']} x {each['hidden_size']} {each['cell']}",
                "-" if each["step"] is None else f"{each['step']:,}",
                "-" if each["epoch"] is None else f"{each['epoch']:.2f}",
                "-" if each["val_loss"] is None else nats(each["val_loss"]),
            )
            for each in runs
        ],
    )


@app.command()
def info(run: RunArgument = None, as_json: JsonOption = False) -> None:
    """Show what a run is and how far it came."""
    from charrnn.console import duration, nats, print_facts, run_facts

    opened = _open(run)
    facts = _facts(opened)
    if as_json:
        _print_json(facts)
        return
    lines = [("run", facts["run"]), *run_facts(opened.config)]
    lines.append(("parameters", f"{facts['parameters']:,}"))
    if facts["step"] is None:
        lines.append(("progress", "no checkpoint yet"))
    else:
        trained = duration(facts["seconds"])
        lines.append(
            ("progress", f"step {facts['step']:,}, epoch {facts['epoch']:.2f}, after {trained}")
        )
    if facts["val_loss"] is not None:
        lines.append(("best", f"{nats(facts['val_loss'])}, held out, at step {facts['best_step']}"))
    lines.append(("checkpoints", ", ".join(facts["checkpoints"]) or "none"))
    print_facts(lines)


def main() -> None:
    """Run the `charrnn` command."""
    app(prog_name="charrnn")


def _open(name: str | None) -> "Run":
    from charrnn.checkpoint import find_run
    from charrnn.console import messages

    run = find_run(name)
    if name is None:
        messages().print(f"newest run: {run.path}")
    return run


def _names_run(name: str) -> bool:
    from charrnn.checkpoint import find_run
    from charrnn.errors import CheckpointError

    if Path(name).is_file():
        return False
    try:
        find_run(name)
    except CheckpointError:
        return False
    return True


def _prompt(prompt: str | None, prompt_file: Path | None) -> str:
    from charrnn.corpus import read_text

    if prompt is not None and prompt_file is not None:
        raise typer.BadParameter("give --prompt or --prompt-file, not both")
    return read_text(prompt_file) if prompt_file else prompt or ""


def _texts(
    run: "Run", files: list[str], corpus: str | None, unknown: Literal["error", "skip"]
) -> Iterator[tuple[str, "Codes"]]:
    from charrnn.corpus import Corpus, Vocabulary, read_text

    vocabulary = Vocabulary(run.config.vocabulary)
    if not files:
        own = Corpus.reopen(run.config.corpus, vocabulary, corpus)
        yield "held out", own.split(run.config.training.val_fraction)[1]
    for file in files:
        yield file, vocabulary.encode(read_text(file), unknown)


def _facts(run: "Run") -> dict[str, Any]:
    """Return what `info` and `list` tell, under the keys of their JSON."""
    config, checkpoints = run.config, run.checkpoints()
    newest = checkpoints[-1].state if checkpoints else {}
    return {
        "run": str(run.path),
        "corpus": config.corpus.name,
        "characters": config.corpus.characters,
        "vocabulary_size": len(config.vocabulary),
        "cell": config.model.cell,
        "num_layers": config.model.num_layers,
        "hidden_size": config.model.hidden_size,
        "parameters": config.model.parameters(len(config.vocabulary)),
        "step": newest.get("step"),
        "epoch": newest.get("epoch"),
        "seconds": newest.get("seconds"),
        "val_loss": newest.get("best_val_loss"),
        "best_step": newest.get("best_step"),
        "checkpoints": [each.path.name for each in checkpoints],
    }


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
