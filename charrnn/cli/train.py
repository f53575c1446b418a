"""The commands that train."""

from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.app import app
from charrnn.cli.flags import CorpusOption, RunArgument, config_flags
from charrnn.config.training import PLAIN, Budget, DeviceName, ModelConfig, TextConfig, TrainConfig


@app.command()
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
            metavar="RUN", help="Start from the best model of this run.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Train nothing: tell what the text is and what it would take."
        ),
    ] = False,
    text: TextConfig = PLAIN,
    model: ModelConfig = ModelConfig(),  # noqa: B008
    training: TrainConfig = TrainConfig(),  # noqa: B008
) -> None:
    """Train a model on a text."""
    from charrnn.console.follow import follow
    from charrnn.training.loop import train as events

    if dry_run:
        _examine(corpus or [], training, model, text, init_from)
        return
    follow(
        lambda stop: events(
            corpus or None, training, model, text, out_dir=out_dir, init_from=init_from, stop=stop
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
    from charrnn.console.follow import follow
    from charrnn.training.loop import resume as events

    follow(
        lambda stop: events(run, budget, corpus=corpus, device=device, threads=threads, stop=stop)
    )


def _examine(
    sources: list[str],
    training: TrainConfig,
    model: ModelConfig,
    text: TextConfig,
    init_from: str | None,
) -> None:
    from charrnn.data.catalogue import bundled
    from charrnn.data.corpus import Corpus
    from charrnn.reports.dry_run import print_diagnosis
    from charrnn.training.dry_run import examine
    from charrnn.training.loop import prepare

    corpus = Corpus.open(sources or [bundled()], text)
    session, _ = prepare(corpus, training, model, init_from=init_from)
    print_diagnosis(examine(corpus, session))
