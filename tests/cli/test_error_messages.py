"""Each message is a sentence that a user understands, with flags that the command has."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from charrnn.cli.app import COMMANDS, app
from charrnn.cli.failures import list_flags
from charrnn.errors import flags_in
from tests.cli.messages import (
    ERROR_CLASSES,
    TREES,
    USAGE_ERROR,
    Message,
    collect_messages,
    find_sentences,
    find_templates,
    flags_in_backticks,
)
from tests.cli.wrong_calls import FAILURES, WRONG_USAGE
from tests.conftest import Cli

MESSAGES = collect_messages()
ERRORS = [message for message in MESSAGES if message.kind in ERROR_CLASSES | {USAGE_ERROR}]
VERB = re.compile(
    r"\b(is|are|has|have|had|was|were|do|does|did|can|cannot|could|must|should|gives?|needs?|holds?|"
    r"ends?|occurs?|differs?|changed|counts|shows?|read|diverged|reached|finds?|contains?|"
    r"generates|determines|learns|belongs?|names|allows?|reported|would|skipped)\b"
)
"""A finite verb that a message contains, so that it is a sentence and not a heading."""
INTERNAL = re.compile(
    r"\b(Traceback|None|dataclass|\w*Error|\w*Config|Corpus|CharRNN|Path)\b|\.tmp\b|charrnn\.\w+\.|\w\(\)"
)
FIELD_NAME = re.compile(r"\b[a-z]+_[a-z]+\b")
# The settings of Python functions, which the command line replaces by their flags.
SETTINGS = {"batch_size", "max_copy", "line_start", "document_separator"}
REACHED_BY = {
    "export": {"export"},
    "serve": {"serve"},
    "training/setup/new_run.py": {"train"},
    "training": {"train", "resume"},
    "runs/new_folder.py": {"train"},
    "data/character_notes.py": {"train", "resume"},
    "data/encoding_check.py": {"train", "resume", "score", "sample", "neurons", "plot"},
    "reports/samples.py": {"sample"},
    "runs/text_reader.py": {"train", "resume", "score", "sample", "neurons", "plot"},
    "sampling": {"sample", "neurons"},
    "console/interactive.py": {"sample"},
    "cli/paths.py": {"score", "plot", "neurons", "export"},
    "numerics/precision.py": {"train", "resume"},
}
"""The commands that can reach the messages of a package; all commands for the others."""


def command_flags() -> dict[str, set[str]]:
    commands: Any = typer.main.get_command(app)
    return {name: {"--help", *list_flags(command)} for name, command in commands.commands.items()}


FLAGS = command_flags()
ALL_FLAGS = set[str]().union(*FLAGS.values())


def commands_of(file: str) -> set[str]:
    """Return the commands that can reach the messages of a file."""
    places = [place for place in REACHED_BY if file.startswith(place)]
    return REACHED_BY[places[0]] if places else set(COMMANDS)


def names_of(messages: list[Message]) -> list[str]:
    return [message.place for message in messages]


def test_messages_of_every_error_class_are_collected() -> None:
    abstract = {"CharrnnError"}
    assert {message.kind for message in ERRORS} | abstract == {*ERROR_CLASSES, USAGE_ERROR}
    assert len(ERRORS) > 100
    assert sum(len(message.remedies) for message in ERRORS) > 100
    assert len(MESSAGES) > len(ERRORS) + 15


def test_the_collector_reads_every_kind_of_template() -> None:
    expression = ast.parse("[f'a {1}', 'b' if x else 'c', *['d'], '; '.join(['e']), 'f' + 'g']")
    assert find_templates(expression.body[0].value) == [  # type: ignore[attr-defined]
        *("a {}", "b", "c", "d", "e", "f", "g")
    ]


@pytest.mark.parametrize("message", ERRORS, ids=names_of(ERRORS))
def test_an_error_is_a_sentence_without_names_of_the_code(message: Message) -> None:
    for text in (*message.texts, *message.remedies):
        words = text.replace("{}", "value")
        assert "\n" not in text
        assert not text.endswith((".", "!"))
        assert not INTERNAL.search(words), text
        assert set(FIELD_NAME.findall(re.sub(r"`[^`]*`|\w+[=\"']", "", words))) <= SETTINGS, text
    for text in message.texts:
        assert len(text.split()) >= 3 or text in ("{}", "; "), text
        assert VERB.search(text) or text in ("{}", "; "), f"{text!r} has no verb"


@pytest.mark.parametrize("message", MESSAGES, ids=names_of(MESSAGES))
def test_a_message_names_a_flag_only_in_a_remedy(message: Message) -> None:
    flags = set[str]().union(*(flags_in(text) for text in message.texts))
    if message.file.startswith("cli/"):
        command = message.file.removeprefix("cli/").removesuffix(".py")
        assert flags <= FLAGS.get(command, ALL_FLAGS)
    else:
        assert not flags


@pytest.mark.parametrize("message", MESSAGES, ids=names_of(MESSAGES))
def test_every_flag_and_command_of_a_message_exists(message: Message) -> None:
    for text in (*message.texts, *message.remedies):
        assert flags_in(text) <= ALL_FLAGS
        for command, flags in flags_in_backticks(text):
            assert command in COMMANDS
            assert flags <= FLAGS[command], text


@pytest.mark.parametrize("message", ERRORS, ids=names_of(ERRORS))
def test_every_command_shows_a_remedy(message: Message) -> None:
    if not message.remedies:
        return
    for command in commands_of(message.file):
        assert any(flags_in(remedy) <= FLAGS[command] for remedy in message.remedies), command


def test_no_other_text_of_the_package_names_a_flag() -> None:
    """Covers texts that helper functions build and the collector does not find."""
    collected = {text for message in MESSAGES for text in (*message.texts, *message.remedies)}
    others = {
        place: text
        for place, text in find_sentences()
        if " " in text
        and text not in collected
        and any(flags_in(text) - FLAGS[name] for name in commands_of(place.partition(":")[0]))
    }
    for place, text in list(others.items()):
        for command, flags in flags_in_backticks(text):  # a command for the user to run
            assert flags <= FLAGS[command]
            del others[place]
    assert others == {}


def test_the_source_was_read() -> None:
    assert len(TREES) > 150
    assert len(list(find_sentences())) > 500


@pytest.fixture
def files() -> None:
    Path("novel.txt").write_text("A short novel.\n" * 40, "utf-8")
    Path("snow.txt").write_text("a \u2603 and more", "utf-8")
    Path("one.txt").write_text("a", "utf-8")
    Path("empty.txt").touch()
    Path("latin-1.txt").write_bytes(b"caf\xe9")
    Path("photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    Path("document").write_bytes(b"%PDF-1.4\n" * 10)
    Path("dangling").symlink_to("nowhere")
    Path("bare").mkdir()
    Path("photos").mkdir()
    Path("photos/a.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    Path("checkpoints/r/step-00000010").mkdir(parents=True)
    Path("checkpoints/r/config.json").write_text("{}", "utf-8")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("line", "code"),
    [*((line, 2) for line in WRONG_USAGE), *((line, 1) for line in FAILURES)],
)
def test_a_wrong_call_prints_one_sentence(line: str, code: int, cli: Cli) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    arguments = shlex.split(line)
    outcome = cli(*arguments)
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    *earlier, last = outcome.err.splitlines()
    assert last.startswith("error: ")
    assert not [text for text in earlier if "rror" in text or "Usage" in text]
    assert not last.endswith(".")
    assert not INTERNAL.search(last), last
    assert not FIELD_NAME.findall(last), last
    flags = FLAGS.get(arguments[0], {"--help"}) | set(arguments)
    assert flags_in(last) <= flags, last
    for command, named in flags_in_backticks(last):
        assert named <= FLAGS[command]
    assert {path: path.read_bytes() for path in before} == before


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


def test_a_setting_is_called_by_its_flag_on_the_command_line(cli: Cli) -> None:
    outcome = cli("sample", "bard", "--num-samples", "0")
    assert outcome.err == (
        "error: --num-samples must be a whole number from 1 to 1,048,576, not 0\n"
    )
