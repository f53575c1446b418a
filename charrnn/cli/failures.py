"""Errors and warnings of commands: one sentence on standard error, and the exit code."""

import os
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from charrnn.errors import CharrnnError, DamagedCheckpointWarning, DeviceWarning

_OUT_OF_MEMORY_MESSAGE = (
    "there is not enough memory: give a smaller --hidden-size, --num-layers, "
    "--batch-size, --seq-length or --num-samples"
)
# Parts of the messages of torch's allocators and of the CUDA driver, which raise RuntimeError.
_OUT_OF_MEMORY_PHRASES = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",
    "MPS backend out of memory",
)
_ILLEGAL_ACCESS_MESSAGE = (
    "the GPU reported an illegal memory access, so this process can no longer use the GPU; the "
    "saved checkpoints are intact: continue a training run with `charrnn resume`; if the error "
    "occurs again, set CHARRNN_CUDA_KERNEL=off, or give --device cpu to compute without the GPU"
)
_SHOWN_WARNINGS = (DamagedCheckpointWarning, DeviceWarning)
_DEFAULT_SHOWWARNING = warnings.showwarning


class CommandGroup(TyperGroup):
    """The group of all commands: an error prints one sentence and gives exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; raise `typer.Exit` with the exit code of an error."""
        try:
            with warnings.catch_warnings():
                for category in _SHOWN_WARNINGS:
                    warnings.simplefilter("always", category)
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except BrokenPipeError:  # stdout was closed
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except CharrnnError as error:
            if error.reported_by_rank_zero:
                raise typer.Exit(1) from None
            message = str(error)
        except (MemoryError, RuntimeError) as error:
            if _is_out_of_memory(error):
                message = _OUT_OF_MEMORY_MESSAGE
            elif "illegal memory access" in str(error):
                message = _ILLEGAL_ACCESS_MESSAGE
            else:
                raise
        except OSError as error:
            location = f"{error.filename}: " if error.filename else ""
            message = f"{location}{error.strerror or error}"
        from charrnn.console.output import print_error

        print_error(message)
        raise typer.Exit(1)


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")  # if torch was not imported, it raised no error
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return any(phrase in str(error) for phrase in _OUT_OF_MEMORY_PHRASES)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    if not issubclass(category, _SHOWN_WARNINGS):
        _DEFAULT_SHOWWARNING(message, category, filename, lineno, file, line)
        return
    from charrnn.console.output import print_warning

    print_warning(str(message))
