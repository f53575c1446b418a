import io
import json
import sys
from collections.abc import Iterator

import pytest

from charrnn.console.output import (
    print_error,
    print_json,
    print_message,
    print_result,
    print_warning,
    set_quiet,
)


@pytest.fixture(autouse=True)
def _not_quiet_afterwards() -> Iterator[None]:
    yield
    set_quiet(False)


def test_quiet_hides_messages_and_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    set_quiet(True)
    print_message("reading")
    print_warning("slow")
    print_message("an answer", is_requested=True)
    print_error("no file")
    print_result("the result")
    out, err = capfd.readouterr()
    assert out == "the result\n"
    assert err == "an answer\nerror: no file\n"


def test_json_is_utf_8_and_escapes_surrogates(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    value = {"text": "é\u05d0", "name": "a\udcff\ud800"}
    print_json(value)
    output = capfdbinary.readouterr().out.decode("utf-8")
    assert json.loads(output) == value
    assert '"é\u05d0"' in output


def test_messages_show_escapes_for_characters_that_the_encoding_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(file, encoding="cp1252"))
    print_error("there is no file é\u05d0.txt")
    assert file.getvalue() == b"error: there is no file \xe9\\u05d0.txt\n"
