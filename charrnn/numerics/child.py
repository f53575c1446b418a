"""Child processes that run a module of charrnn."""

import os
import sys
from pathlib import Path


def python_command(*arguments: str) -> list[str]:
    """Return the command that runs this Python with arguments, such as `-m charrnn`.

    A module in the working folder does not replace one of the standard library (`-P`).
    """
    return [sys.executable, "-P", *arguments]


def child_environment() -> dict[str, str]:
    """Return the environment of a child process that finds the same modules as this process.

    It does not search the working folder, unless charrnn itself is there.
    """
    paths = map(os.path.abspath, sys.path)
    working_folder, root = os.getcwd(), str(Path(__file__).parents[2])
    kept = [path for path in paths if path != working_folder or path == root]
    return os.environ | {"PYTHONPATH": os.pathsep.join(kept)}
