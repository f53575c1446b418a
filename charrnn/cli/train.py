"""`charrnn train`."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.flags import complete_run_name, config_flags
from charrnn.cli.paths import check_standard_input, parse_name, parse_path
from charrnn.config.model import ModelConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import TrainConfig

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


@config_flags
def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CORPUS...",
            help="Text files (plain or .gz), folders, patterns such as *.txt, a name that "
            "`charrnn corpora` lists, or - for standard input; default: the play that comes with "
            "charrnn.",
            show_default=False,
            parser=parse_name,
        ),
    ] = None,
    out_dir: OutDirOption = None,
    init_from: InitFromOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Do not train; show the properties of the text, and the settings and cost "
            "of training.",
        ),
    ] = False,
    text: TextConfig = TextConfig(),  # noqa: B008
    model: ModelConfig = ModelConfig(),  # noqa: B008
    training: TrainConfig = TrainConfig(),  # noqa: B008
) -> None:
    """Train a model on a text, and save it as a run.

    Ctrl-C saves the run and stops; `charrnn resume` continues it. `charrnn sample` generates text
    with the newest run.
    """
    from charrnn.console.follow import follow
    from charrnn.numerics.allocator import keep_freed_memory
    from charrnn.training.loop import train as train_run

    check_standard_input(corpus or [])
    if dry_run:
        from charrnn.reports.tables.dry_run import print_dry_run
        from charrnn.training.dry_run import dry_run as run_dry_run

        print_dry_run(run_dry_run(corpus or None, training, model, text, init_from))
        return
    keep_freed_memory()
    start = functools.partial(train_run, corpus or None, training, model, text)
    raise typer.Exit(follow(functools.partial(start, out_dir=out_dir, init_from=init_from)))
