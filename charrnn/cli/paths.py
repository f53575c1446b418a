"""Arguments of commands that are paths: of texts, runs and files to write."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from charrnn.cli.usage import UsageError, as_usage_error
from charrnn.data.web_address import refuse_web_address
from charrnn.errors import ConfigError
from charrnn.files import expand_path

if TYPE_CHECKING:
    from charrnn.runs.layout import RunFolder


@as_usage_error
def parse_path(text: str | Path) -> Path:
    """Return the path of a file or folder to write or read."""
    return expand_path(text)


@as_usage_error
def parse_name(text: str) -> str:
    """Return the name of a text (a path, a name in the catalog or `-`) or of a run."""
    refuse_web_address(text)
    expand_path(text)
    return text


def make_file_parser(*suffixes: str) -> Callable[[str | Path], Path]:
    """Return a parser of the path of a file to write, whose name ends in one of `suffixes`."""

    def parse(text: str | Path) -> Path:
        path = parse_path(text)
        if path.suffix.lower() not in suffixes:
            raise UsageError(
                f"the name of the file must end in {' or '.join(suffixes)}, but it is {path.name!r}"
            )
        return path

    return parse


def text_option(name: str, help_text: str, *, metavar: str = "FILE") -> Any:
    """Return an option whose value is a text: a path, a name in the catalog or `-`."""
    return typer.Option(
        name, help=help_text, metavar=metavar, show_default=False, parser=parse_name
    )


def check_standard_input(texts: Iterable[str | None]) -> None:
    """Raise an error if more than one of the texts to read is standard input."""
    if list(texts).count("-") > 1:
        raise UsageError("standard input can be read only once, so give - once")


def check_output(
    out: Path | None, texts: Iterable[str | None], runs: Iterable["RunFolder"] = ()
) -> None:
    """Raise an error if a result cannot be written to `out`, or would replace a text to read."""
    if out is None:
        return
    if not out.parent.is_dir():
        raise ConfigError(
            f"{out} cannot be written: the folder {out.parent} does not exist", "create this folder"
        )
    if out.is_dir():
        raise ConfigError(f"{out} is a folder, not a file", "give another name with --out")
    if not out.exists():
        return
    for text in filter(None, texts):
        if text != "-" and expand_path(text).exists() and out.samefile(expand_path(text)):
            raise UsageError(f"{out} is a text to read, so the result cannot be written to it")
    for run in runs:
        if run.path.is_file() and out.samefile(run.path):
            raise ConfigError(
                f"{out} is the model to read, so the result cannot be written to it",
                "give another name with --out",
            )
        for path in map(Path, run.config.corpus.paths):
            if path.exists() and out.samefile(path):
                raise ConfigError(
                    f"{out} is the text of {run.path}, so the result cannot be written to it",
                    "give another name with --out",
                )
