"""Collects the messages of the package from its source: errors, warnings and notes."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import charrnn
from charrnn import errors
from charrnn.errors import CharrnnError

PACKAGE = Path(charrnn.__file__).parent
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
ERROR_CLASSES = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, CharrnnError)
}
USAGE_ERROR = "UsageError"
# Functions that show their first argument to the user, or raise it.
_SHOWS = {"print_warning", "show_message", "_fail", "warn"}


@dataclass(frozen=True)
class Message:
    """An error, warning or note: the templates of its message and its remedies, `{}` for values."""

    place: str
    kind: str
    """The name of the error class, or of the function that shows the text."""
    texts: tuple[str, ...]
    remedies: tuple[str, ...]

    @property
    def file(self) -> str:
        return self.place.partition(":")[0]


def find_templates(node: ast.AST, values: Mapping[str, list[str]] = {}) -> list[str]:
    """Return the texts in an expression, also those in a condition, list or joined text.

    `values` contains the texts of variables and the texts that functions return, by name.
    """
    if isinstance(node, ast.Name):
        return values.get(node.id, [])
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        parts = [
            str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
        ]
        return ["".join(parts)]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".join"):
        return [text for argument in node.args for text in find_templates(argument, values)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):  # a method
        return values.get(node.func.attr, [])
    children = {
        ast.IfExp: ("body", "orelse"),
        ast.BinOp: ("left", "right"),
        ast.Starred: ("value",),
        ast.Subscript: ("value",),
        ast.Call: ("func",),
        ast.GeneratorExp: ("elt",),
        ast.ListComp: ("elt",),
    }.get(type(node), ())
    nodes = [getattr(node, name) for name in children]
    if isinstance(node, ast.List | ast.Tuple):
        nodes = node.elts
    return [text for child in nodes for text in find_templates(child, values)]


def collect_messages() -> list[Message]:
    """Return every error, warning and note whose text is in the source."""
    return [message for file, tree in TREES.items() for message in _collect_from(file, tree)]


def _collect_from(file: str, tree: ast.Module) -> Iterator[Message]:
    values = _assigned_texts(tree)

    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        arguments = node.args
        if name in ERROR_CLASSES | {USAGE_ERROR}:
            texts, remedies = arguments[:1], arguments[1:]
        elif name.endswith("_error") and not name.startswith("print"):
            texts, remedies = arguments, []
        elif name in _SHOWS or ast.unparse(node.func) == "stderr_console().print":
            texts, remedies = arguments[:1], []
        elif name == "check_length":
            texts, remedies = [], arguments[2:]
        else:
            continue
        message = Message(
            f"{file}:{node.lineno}",
            name,
            tuple(text for argument in texts for text in find_templates(argument, values)),
            tuple(text for argument in remedies for text in find_templates(argument, values)),
        )
        if message.texts or message.remedies:
            yield message


def _assigned_texts(tree: ast.Module) -> dict[str, list[str]]:
    """Return the texts that are assigned to each name of a file, or returned by a function."""
    values: dict[str, list[str]] = {}
    for _ in range(3):  # a text may pass through several names
        found: dict[str, list[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found.setdefault(node.targets[0].id, []).extend(find_templates(node.value, values))
            if isinstance(node, ast.FunctionDef):
                returns = [part for part in ast.walk(node) if isinstance(part, ast.Return)]
                for part in returns:
                    if part.value and not isinstance(part.value, ast.Constant):
                        texts = find_templates(part.value, values)
                        found.setdefault(node.name, []).extend(texts)
        values = found
    return values


def find_sentences() -> Iterator[tuple[str, str]]:
    """Yield the place and the template of every text outside `cli` that is no help or docstring."""
    for file, tree in TREES.items():
        if file.startswith("cli/"):
            continue
        ignored = {
            id(child)
            for node in ast.walk(tree)
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Annotated"
            for child in ast.walk(node)
        }
        ignored |= {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        inside = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in node.values
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant | ast.JoinedStr)
                and id(node) not in ignored | inside
                and (templates := find_templates(node))
            ):
                yield f"{file}:{node.lineno}", templates[0]


def flags_in_backticks(text: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the command and the flags of each `charrnn COMMAND ...` in backticks."""
    for command, rest in re.findall(r"(?:`|^)charrnn ([a-z]+)([^`]*)", text):
        yield command, set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", rest))
