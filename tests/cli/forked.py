"""Start `charrnn` in processes that are forked from a server, which has imported torch.

A new Python takes seconds for these imports.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CONTEXT: Any = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
_CONTEXT.set_forkserver_preload(["charrnn.cli.app", "charrnn.console.follow", "torch.distributed"])


class ForkedProgram:
    """A process that runs `charrnn ARGUMENTS` in the current folder."""

    def __init__(self, *arguments: object, variables: Mapping[str, str] | None = None) -> None:
        """Start it; `variables` are added to the environment."""
        folder = tempfile.mkdtemp(prefix=".output-", dir=Path.cwd())
        self._outputs = [Path(folder, name) for name in ("out", "err")]
        for output in self._outputs:
            output.touch()
        self._process = _CONTEXT.Process(
            target=_run,
            args=(
                ["charrnn", *map(str, arguments)],
                dict(os.environ) | dict(variables or {}),
                os.getcwd(),
                [str(output) for output in self._outputs],
            ),
        )
        self._process.start()

    def is_running(self) -> bool:
        """Return whether the process has not ended."""
        return bool(self._process.is_alive())

    def messages(self) -> str:
        """Return what the process has written to standard error so far."""
        return self._outputs[1].read_text("utf-8")

    def send_signal(self, number: int) -> None:
        """Send a signal to the process."""
        assert self._process.pid
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._process.kill()

    def wait(self, seconds: float = 60) -> tuple[int, str, str]:
        """Wait until the process ends; return the exit code, standard output and standard error."""
        self._process.join(seconds)
        code: int | None = self._process.exitcode
        assert code is not None, f"the process did not end within {seconds} seconds"
        out, err = (output.read_text("utf-8") for output in self._outputs)
        return code, out, err


def _run(
    arguments: list[str], environment: Mapping[str, str], folder: str, outputs: list[str]
) -> None:
    for descriptor, output in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(output, os.O_WRONLY), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    from charrnn.__main__ import main

    main()
