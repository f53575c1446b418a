"""Lint, format, types, import order, and the sizes of files and functions."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.cli.app import COMMANDS

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent
SOURCES = [
    path for folder in ("charrnn", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
]
MAX_LINES_OF_FILE, MAX_LINES_OF_FUNCTION, MAX_LINES_OF_COMMAND = 300, 50, 60
COMMAND_FUNCTIONS = {command.__name__ for command in COMMANDS.values()}
ALLOWED_EXCEPTIONS: set[str] = set()


@pytest.mark.parametrize(
    "tool",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",)],
    ids=" ".join,
)
def test_the_tool_reports_no_problem(tool: tuple[str, ...]) -> None:
    program = shutil.which(tool[0], path=TOOLS)
    assert program, f"{tool[0]} is not installed: pip install -e '.[test]'"
    process = subprocess.run(
        [program, *tool[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr


def find_too_long(path: Path) -> set[str]:
    """Return the names of the file and of its functions that have too many lines."""
    name, source = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    too_long = {name} if len(source.splitlines()) > MAX_LINES_OF_FILE else set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            is_command = node.name in COMMAND_FUNCTIONS and name.startswith("charrnn/cli/")
            limit = MAX_LINES_OF_COMMAND if is_command else MAX_LINES_OF_FUNCTION
            if (node.end_lineno or 0) - node.lineno + 1 > limit:
                too_long.add(f"{name}: {node.name}")
    return too_long


def test_files_and_functions_are_short() -> None:
    assert set().union(*map(find_too_long, SOURCES)) == ALLOWED_EXCEPTIONS
