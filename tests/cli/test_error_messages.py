"""The message of every charrnn error is a sentence that a user can understand."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import charrnn
from charrnn import errors
from charrnn.cli.app import COMMANDS
from charrnn.errors import CharrnnError
from tests.conftest import Cli

PACKAGE = Path(charrnn.__file__).parent
TREES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, CharrnnError)
}
USAGE_ERROR = "typer.BadParameter"
NAMES_OF_CODE = {
    node.name
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef) and re.search(r"[a-z][A-Z]", node.name)
}
VERB = re.compile(
    r"\b(is|are|has|have|had|was|were|do|does|can|cannot|could|must|should|gives?|needs?|holds?|"
    r"ends?|occurs?|differs?|changed|counts|shows?|read|diverged|reached|finds?|contains|generates|determines)\b"
)
"""A finite verb that a message contains, so that it is a sentence and not a heading."""


def find_template(node: ast.expr) -> str | None:
    """Return the text of a message with `{}` for each value; None if it is not a literal."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts
            )
        case ast.IfExp(body=body):
            return find_template(body)
    return None


def find_messages() -> Iterator[tuple[str, str, str]]:
    """Yield the place, the error class and the template of every message in the package."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = ast.unparse(node.func)
            text = find_template(node.args[0])
            if name in {*ERRORS, USAGE_ERROR} and text is not None:
                yield f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}", name, text


MESSAGES = list(find_messages())


def test_messages_of_every_error_class_are_collected() -> None:
    abstract = {"CharrnnError"}
    assert {name for _, name, _ in MESSAGES} | abstract == {*ERRORS, USAGE_ERROR}
    assert len(MESSAGES) > 80


@pytest.mark.parametrize(("place", "error", "text"), MESSAGES, ids=[row[0] for row in MESSAGES])
def test_a_message_is_a_sentence_without_names_of_the_code(
    place: str, error: str, text: str
) -> None:
    words = text.replace("{}", "value").split()
    assert len(words) >= 3, text
    assert VERB.search(text), f"{text!r} has no verb"
    assert "\n" not in text
    assert not text.endswith((".", "!"))
    assert not text[0].isspace()
    assert not NAMES_OF_CODE & set(re.findall(r"\w+", text)), text


def test_every_flag_in_a_message_exists(cli: Cli) -> None:
    texts = [text for _, _, text in MESSAGES]
    named = {flag for text in texts for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)}
    assert len(named) > 10
    known = {
        flag
        for command in COMMANDS
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", cli(command, "--help").out)
    }
    assert named - known == set()


def test_every_command_in_a_message_exists() -> None:
    named = {name for _, _, text in MESSAGES for name in re.findall(r"`charrnn ([a-z]+)", text)}
    assert len(named) >= 3
    assert named <= set(COMMANDS)


def test_a_remedy_with_a_flag_of_another_command_is_not_shown(cli: Cli, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a \u2603", "utf-8")
    scored = cli("score", "bard", str(text))
    assert scored.code == 1
    assert scored.err.endswith("or leave them out with --unknown skip\n")
    studied = cli("neurons", "bard", "--text", str(text))
    assert studied.code == 1
    assert "'\u2603' (U+2603)" in studied.err
    assert "--unknown" not in studied.err
