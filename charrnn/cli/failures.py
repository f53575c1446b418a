"""Errors and warnings of commands: one sentence each on standard error, and an exit code."""

import os
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from charrnn.errors import CharrnnError, DamagedCheckpointWarning, DeviceWarning

_NO_MEMORY = (
    "there is not enough memory for this: give a smaller --hidden-size, --num-layers, "
    "--batch-size, --seq-length or --num-samples"
)
# Messages of a plain RuntimeError: of torch's allocators, and of the CUDA driver.
_OUT_OF_MEMORY = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",
    "MPS backend out of memory",
)
_ILLEGAL_ACCESS = (
    "the GPU reported an illegal memory access, so this process cannot use the GPU any more; saved "
    "checkpoints are intact: continue a training run with `charrnn resume`; if it happens again, "
    "set CHARRNN_CUDA_KERNEL=off, or give --device cpu to compute without the GPU"
)
_SHOWN = (DamagedCheckpointWarning, DeviceWarning)
_PLAIN_WARNING = warnings.showwarning


class Commands(TyperGroup):
    """The commands; a failure prints one sentence and exits with code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; raise `typer.Exit` with the code of its failure."""
        try:
            with warnings.catch_warnings():
                for kind in _SHOWN:
                    warnings.simplefilter("always", kind)
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except BrokenPipeError:  # stdout was closed
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except CharrnnError as error:
            if error.told_by_another:
                raise typer.Exit(1) from None
            sentence = str(error)
        except (MemoryError, RuntimeError) as error:
            if _is_out_of_memory(error):
                sentence = _NO_MEMORY
            elif "illegal memory access" in str(error):
                sentence = _ILLEGAL_ACCESS
            else:
                raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            sentence = f"{place}{error.strerror or error}"
        from charrnn.console.output import print_error

        print_error(sentence)
        raise typer.Exit(1)


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")  # without torch, none of its errors
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return any(message in str(error) for message in _OUT_OF_MEMORY)


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
    from charrnn.console.output import stderr_console
    from charrnn.console.text import make_printable

    stderr_console().print(make_printable(f"warning: {message}"))
