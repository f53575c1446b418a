"""The application the commands belong to, and what they share."""

import json
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from charrnn.errors import CharrnnError, DamagedCheckpointWarning, DeviceWarning

if TYPE_CHECKING:
    from charrnn.runs.run import Run

_NO_MEMORY = (
    "there is not enough memory for this: give a smaller --hidden-size, --num-layers, "
    "--batch-size, --seq-length or --num-samples"
)


class _Commands(TyperGroup):
    """The commands: what one of them cannot do ends in one sentence and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with warnings.catch_warnings():
                for kind in _SHOWN:
                    warnings.simplefilter("always", kind)
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except BrokenPipeError:  # whoever read the output has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except CharrnnError as error:
            if error.told_by_another:
                raise typer.Exit(1) from None
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
        from charrnn.console.output import print_error

        print_error(sentence)
        raise typer.Exit(1)


_SHOWN = (DamagedCheckpointWarning, DeviceWarning)
_PLAIN_WARNING = warnings.showwarning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    if not issubclass(category, _SHOWN):
        _PLAIN_WARNING(message, category, filename, lineno, file, line)
        return
    from charrnn.console.output import messages, printable

    messages().print(printable(f"warning: {message}"))


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train a character-level recurrent network on any text, and let it write.",
)


def open_run(name: str | None) -> "Run":
    """Return the run of that name; where none is named, say which it is."""
    from charrnn.console.output import messages, printable
    from charrnn.runs.find import BUNDLED, bundled_path, find_run

    run = find_run(name)
    if name is None and run.path == bundled_path():
        messages().print(
            f"no run here yet, so this is {BUNDLED}, the model that comes with charrnn"
        )
    elif name is None:
        messages().print(printable(f"newest run: {run.path}"))
    return run


def print_json(value: Any) -> None:
    """Print a result for other programs."""
    from charrnn.console.output import print_result

    print_result(json.dumps(value, indent=2, ensure_ascii=False))
