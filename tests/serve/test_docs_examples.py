"""The examples of docs/serving.md run, on the server's port."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from charrnn.serve.docs_page import render_docs
from tests.serve.conftest import RunningServer

PAGE = (Path(__file__).parents[2] / "docs/serving.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"^```(\w+)\n(curl .*?|from .*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def test_curl_example_runs(server: RunningServer) -> None:
    command = BLOCKS["sh"].replace("8000", str(server.port)).replace("\\\n", "")
    process = subprocess.run(
        [*shlex.split(command), "--silent"], capture_output=True, text=True, check=True
    )
    assert '"finish_reason":"length"' in process.stdout


def test_python_example_runs(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS["python"].replace("8000", str(server.port)), {})
    printed = capsys.readouterr().out
    answer = server.complete(model="bard", prompt="KING:\n", max_tokens=60, seed=6)
    assert printed.startswith(answer["choices"][0]["text"] + "\n")
    assert len(printed) == 121


def test_docs_page_is_the_page_as_html() -> None:
    page = render_docs()
    assert "<h1>Serving models</h1>" in page
    assert "<table>" in page
    assert "<script" not in page
