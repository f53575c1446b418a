"""`charrnn train`."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.flags import complete_run, config_flags
from charrnn.config.model import ModelConfig
from charrnn.config.text import DEFAULT_TEXT_CONFIG, TextConfig
from charrnn.config.training import TrainConfig


@config_flags
def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CORPUS...",
            help="Text files (plain or .gz), folders, patterns, a text charrnn knows by name, or "
            "- for standard input; left out: the bundled play.",
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
            metavar="RUN",
            help="Start from the best model of this run.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Train nothing: tell what the text is and what it would take."
        ),
    ] = False,
    text: TextConfig = DEFAULT_TEXT_CONFIG,
    model: ModelConfig = ModelConfig(),  # noqa: B008
    training: TrainConfig = TrainConfig(),  # noqa: B008
) -> None:
    """Train a model on a text."""
    from charrnn.console.follow import follow
    from charrnn.numerics.allocator import keep_freed_memory
    from charrnn.training.loop import train as events

    if dry_run:
        from charrnn.reports.tables.dry_run import print_diagnosis
        from charrnn.training.dry_run import dry_run as examine

        print_diagnosis(examine(corpus or None, training, model, text, init_from))
        return
    keep_freed_memory()
    start = functools.partial(events, corpus or None, training, model, text)
    raise typer.Exit(follow(functools.partial(start, out_dir=out_dir, init_from=init_from)))
