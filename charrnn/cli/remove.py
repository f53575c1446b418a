"""`charrnn remove`."""

import sys
from typing import Annotated

import typer

from charrnn.cli.flags import complete_run_name
from charrnn.cli.paths import parse_name
from charrnn.cli.usage import UsageError
from charrnn.errors import ConfigError


def remove(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run folder, or the name of a run in checkpoints/.",
            autocompletion=complete_run_name,
            parser=parse_name,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a run with all its checkpoints from the disk, after a question."""
    from charrnn.console.output import ask, print_message
    from charrnn.console.text import format_bytes
    from charrnn.runs.find import bundled_path, find_run
    from charrnn.runs.removal import measure_size, remove_run

    opened = find_run(run)
    if opened.path.is_file() or opened.path.resolve() == bundled_path().resolve():
        kind = "a model file" if opened.path.is_file() else "the model that comes with charrnn"
        raise ConfigError(f"{run} is {kind}, not a run", "give one that `charrnn list` shows")
    size = format_bytes(measure_size(opened))
    if not yes and not sys.stdin.isatty():
        raise UsageError("standard input is not a terminal to answer on: give --yes")
    if not yes and not ask(f"Remove {opened.path} ({size})?"):
        print_message("nothing was removed")
        raise typer.Exit(1)
    remaining = remove_run(opened)
    print_message(f"removed {opened.path} ({size})")
    if remaining:
        names = ", ".join(path.name for path in remaining)
        print_message(f"other files remain there: {names}")
