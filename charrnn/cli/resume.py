"""`charrnn resume`."""

import functools
from typing import Annotated

import typer

from charrnn.cli.flags import CorpusOption, RunArgument, config_flags
from charrnn.config.training import Budget, DeviceName


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
    from charrnn.numerics.allocator import keep_freed_memory
    from charrnn.training.loop import resume as events

    keep_freed_memory()
    start = functools.partial(events, run, budget, corpus=corpus, device=device, threads=threads)
    raise typer.Exit(follow(start))
