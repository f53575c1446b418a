"""`charrnn train`."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.cli.flags import complete_run_name, config_flags
from charrnn.cli.paths import check_standard_input, parse_name, parse_path
from charrnn.cli.settings import drop_replaced_limits, use_settings_file, use_settings_of_run
from charrnn.cli.usage import UsageError, refuse_options
from charrnn.config.model import ModelConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import TrainConfig
from charrnn.numerics.reproducible import use_reproducible_kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from charrnn.training.events import Event

CorpusArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CORPUS...",
        help="Text files (plain or .gz), folders, patterns such as *.txt, a name that "
        "`charrnn corpora` lists, or - for standard input; default: the play that comes with "
        "charrnn.",
        show_default=False,
        parser=parse_name,
    ),
]
OutDirOption = Annotated[
    Path | None,
    typer.Option(
        "--out-dir",
        "-o",
        metavar="FOLDER",
        parser=parse_path,
        help="Folder of the run; default: the name of the text, in checkpoints/, with -2, -3, ... "
        "if it exists.",
        show_default=False,
    ),
]
InitFromOption = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="Start with the weights of this run (its best checkpoint).",
        show_default=False,
        autocompletion=complete_run_name,
        parser=parse_name,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        parser=parse_path,
        callback=use_settings_file,
        is_eager=True,
        help="Read settings from this TOML file: names of flags, such as hidden-size = 256. Flags "
        "take precedence. A .json file with the output of `charrnn info --json` can be used too.",
        show_default=False,
    ),
]
LikeOption = Annotated[
    str | None,
    typer.Option(
        "--like",
        metavar="RUN",
        parser=parse_name,
        callback=use_settings_of_run,
        is_eager=True,
        autocompletion=complete_run_name,
        help="Use the settings of this run; --config and other flags take precedence.",
        show_default=False,
    ),
]
ReportToOption = Annotated[
    Literal["tensorboard"] | None,
    typer.Option(
        help="Also write losses, learning rate, speed, gradient norm and generated text for "
        "TensorBoard, in the folder of the run.",
        show_default=False,
    ),
]


@config_flags
def train(
    context: typer.Context,
    corpus: CorpusArgument = None,
    out_dir: OutDirOption = None,
    init_from: InitFromOption = None,
    config: ConfigOption = None,
    like: LikeOption = None,
    report_to: ReportToOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Do not train; show the properties of the text, and the settings and cost "
            "of training.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: print the result as JSON.")
    ] = False,
    text: TextConfig = TextConfig(),  # noqa: B008
    model: ModelConfig = ModelConfig(),  # noqa: B008
    training: TrainConfig = TrainConfig(),  # noqa: B008
) -> None:
    """Train a model on a text, and save it as a run.

    Ctrl-C saves the run and stops; `charrnn resume` continues it. `charrnn sample` generates text
    with the newest run.
    """
    check_standard_input(corpus or [])
    if as_json and not dry_run:
        raise UsageError("--json needs --dry-run")
    if dry_run:
        refuse_options(context, ("out_dir", "report_to"), "with --dry-run")
    training = drop_replaced_limits(context, training)
    if training.reproducible:
        use_reproducible_kernels()
    from charrnn.console.follow import follow
    from charrnn.numerics.allocator import keep_freed_memory
    from charrnn.training.loop import train as train_run

    if dry_run:
        _show_dry_run(corpus or None, training, model, text, init_from, as_json)
        return
    keep_freed_memory()
    start = functools.partial(train_run, corpus or None, training, model, text)
    start = functools.partial(start, out_dir=out_dir, init_from=init_from)
    raise typer.Exit(follow(start, make_report(report_to)))


def make_report(report_to: Literal["tensorboard"] | None) -> "Callable[[Event], None] | None":
    """Return a function that reports events, if there is something to report to."""
    if report_to is None:
        return None
    from charrnn.reports.tensorboard import TensorBoardReport

    return TensorBoardReport().add


def _show_dry_run(
    corpus: list[str] | None,
    training: TrainConfig,
    model: ModelConfig,
    text: TextConfig,
    init_from: str | None,
    as_json: bool,
) -> None:
    from charrnn.console.output import print_json
    from charrnn.reports.tables.dry_run import describe_dry_run, print_dry_run
    from charrnn.training.dry_run import dry_run

    report = dry_run(corpus, training, model, text, init_from)
    if as_json:
        print_json(describe_dry_run(report))
    else:
        print_dry_run(report)
