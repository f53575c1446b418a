import builtins
import contextlib
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import Any

import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_serve_prints_its_address_and_stops_at_a_signal(
    number: signal.Signals, code: int, finished: Finished
) -> None:
    command = [sys.executable, "-m", "charrnn", "serve", "verse", "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}/v1/models") as answer:
            assert b'"verse"' in answer.read()
        stream = urllib.request.urlopen(f"{address}/v1/runs/verse/events")
        assert stream.readline().startswith(b"data: ")
        process.send_signal(number)
        rest, messages = process.communicate(timeout=30)
    assert (process.returncode, rest, messages) == (code, "", "press Ctrl-C to stop\n")


def test_a_port_in_use_is_an_error(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        outcome = cli("serve", "--port", port)
    assert outcome.code == 1
    assert f"the server cannot listen at 127.0.0.1, port {port}" in outcome.err
    assert "give another port with --port" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["novel"], 1, "there is no run novel"),
        (["--host", "0.0.0.0"], 2, "give an API key with --api-key"),
        *(
            (["--host", host, "--api-key", "x"], 1, "give an address of this machine with --host")
            for host in ("no.such.host.invalid", "192.0.2.1")
        ),
        (["--port", "70000"], 2, "--port must be a whole number from 0 to 65,535"),
        (["bard", "bard"], 1, "two runs have the name bard"),
    ],
)
def test_wrong_arguments_give_one_sentence(
    arguments: list[str], code: int, message: str, cli: Cli
) -> None:
    outcome = cli("serve", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_missing_package_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def import_without(name: str, *rest: Any) -> Any:
        if name == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return original(name, *rest)

    monkeypatch.delitem(sys.modules, "charrnn.serve.server", raising=False)
    monkeypatch.setattr(builtins, "__import__", import_without)
    outcome = cli("serve")
    assert outcome.code == 1
    assert 'needs the package uvicorn: run: pip install "charrnn[serve]"' in outcome.err
