"""The `charrnn` application: its commands, in the order of `--help`."""

import inspect
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from charrnn.cli.bench import bench
from charrnn.cli.corpora import corpora
from charrnn.cli.export import export
from charrnn.cli.failures import CommandGroup
from charrnn.cli.flags import quiet_flag
from charrnn.cli.info import info
from charrnn.cli.list import list_runs
from charrnn.cli.neurons import neurons
from charrnn.cli.next import show_next
from charrnn.cli.plot import plot
from charrnn.cli.push import push
from charrnn.cli.remove import remove
from charrnn.cli.resume import resume
from charrnn.cli.sample import sample
from charrnn.cli.score import score
from charrnn.cli.serve import serve
from charrnn.cli.train import train
from charrnn.cli.verify import verify
from charrnn.console.output import print_error, print_result
from charrnn.console.streams import safe_streams
from charrnn.errors import OutputError
from charrnn.numerics.cpu import limit_active_waiting
from charrnn.version import __version__

COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "resume": resume,
    "sample": sample,
    "next": show_next,
    "score": score,
    "list": list_runs,
    "info": info,
    "verify": verify,
    "remove": remove,
    "bench": bench,
    "plot": plot,
    "neurons": neurons,
    "export": export,
    "push": push,
    "serve": serve,
    "corpora": corpora,
}

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Train a character-level recurrent network on any text, and generate new text with it.",
)


def _join_lines(docstring: str) -> str:
    """Return a docstring with one line per paragraph, so that --help can wrap it."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))


for name, command in COMMANDS.items():
    app.command(name, help=_join_lines(inspect.getdoc(command) or ""))(quiet_flag(command))


def _print_version(requested: bool) -> None:
    if requested:
        print_result(f"charrnn {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            callback=_print_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Define the options of `charrnn` itself."""


def main() -> None:
    """Run the `charrnn` command.

    If standard output was closed, the command ends without an error.
    """
    if sys.argv[1:2] != ["sample"]:  # the products of one text in float32 are too short to sleep
        limit_active_waiting()
    with safe_streams():
        try:
            try:
                app(prog_name="charrnn")
            finally:
                sys.stdout.flush()
        except OutputError as error:
            if error.reason:
                print_error(f"the result could not be written to standard output: {error.reason}")
            sys.exit(1 if error.reason else 0)
