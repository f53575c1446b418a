"""`charrnn push`, and `hf:owner/name` as a RUN, with the package huggingface_hub and a fake hub."""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from charrnn.errors import CheckpointError, ConfigError
from charrnn.runs.hub import parse_hub_name
from charrnn.training.events import Finished
from tests.conftest import Cli
from tests.export.fake_hub import FakeHub, serve_hub


def test_the_name_of_a_model_on_the_hub_is_parsed() -> None:
    assert parse_hub_name("hf:owner/name") == ("owner/name", None)
    assert parse_hub_name("hf:owner/name@v1.0") == ("owner/name", "v1.0")
    for name in ("hf:", "hf:name", "hf:owner/", "hf:/name", "hf:a/b/c", "hf:@x"):
        with pytest.raises(ConfigError, match="is not the name of a model on the hub"):
            parse_hub_name(name)


def test_wrong_calls_of_push_are_explained(cli: Cli, finished: Finished) -> None:
    for arguments, message in (
        (("verse", "name", "--license", "mit"), "is not the name of a model on the hub"),
        (("verse", "owner/name"), "give the license of the training text with --license"),
        (("verse", "owner/name@v1", "--license", "mit"), "give the branch with --revision"),
        (("verse", "owner/name", "--license", " "), "must not be empty"),
    ):
        outcome = cli("push", *arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert message in outcome.err


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    pytest.importorskip("huggingface_hub", reason="it is in the extra test-slow")
    with serve_hub() as (hub, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield hub


def charrnn(*arguments: object, code: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run `charrnn` in a process of its own: huggingface_hub reads its settings when imported."""
    command = [sys.executable, "-m", "charrnn", *map(str, arguments)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == code, process.stderr
    return process


@pytest.mark.slow
def test_a_pushed_model_is_a_run_everywhere(
    hub: FakeHub, finished: Finished, text_file: Path
) -> None:
    pushed = charrnn("push", "verse", "owner/name", "--license", "cc0-1.0", "--private")
    assert pushed.stdout.strip() == f"{os.environ['HF_ENDPOINT']}/owner/name"
    assert hub.private is True
    assert sorted(hub.files["main"]) == ["README.md", "model.safetensors"]
    card = hub.files["main"]["README.md"].decode()
    assert card.startswith('---\nlicense: "cc0-1.0"\nlibrary_name: charrnn\n')
    for part in ("charrnn sample hf:owner/name", "**Held-out loss**", "longest passage that is"):
        assert part in card
    sample = ("-p", "The", "-n", 40, "-s", 3)
    texts = [charrnn("sample", run, *sample).stdout for run in ("verse", "hf:owner/name")]
    assert texts[0] == texts[1]
    scores = [
        json.loads(charrnn("score", run, text_file, "--json").stdout)["nats_per_char"]
        for run in ("verse", "hf:owner/name")
    ]
    assert scores[0] == scores[1]
    assert charrnn("export", "hf:owner/name", "--to", "onnx").stdout == "name.onnx\n"


@pytest.mark.slow
def test_no_path_and_no_user_name_is_sent(hub: FakeHub, finished: Finished) -> None:
    charrnn("push", "verse", "owner/name", "--license", "cc0-1.0")
    charrnn("sample", "hf:owner/name", "-n", 10)
    sent = b"\n".join([*hub.sent, *hub.files["main"].values()])
    assert len(sent) > 50_000
    secrets = {*Path.cwd().parts[1:], "checkpoints", getpass.getuser(), os.uname().nodename}
    assert [secret for secret in secrets if len(secret) > 3 and secret.encode() in sent] == []


@pytest.mark.slow
def test_revisions_are_written_and_read(hub: FakeHub, finished: Finished) -> None:
    charrnn("push", "verse", "owner/name", "--license", "mit", "--revision", "draft")
    assert hub.files["main"] == {}
    assert charrnn("info", "hf:owner/name@draft", "--json").stdout
    missing = charrnn("info", "hf:owner/name@other", code=1)
    assert "hf:owner/name@other has no such revision" in missing.stderr


@pytest.mark.slow
def test_errors_of_the_hub_are_explained(
    hub: FakeHub, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = charrnn("sample", "hf:owner/other", code=1)
    assert "there is no model hf:owner/other, or you may not read it" in missing.stderr
    empty = charrnn("sample", "hf:owner/name", code=1)
    assert "hf:owner/name has no file model.safetensors" in empty.stderr
    charrnn("push", "verse", "owner/name", "--license", "mit")
    data = bytearray(hub.files["main"]["model.safetensors"])
    data[-1] ^= 1
    hub.files["main"]["model.safetensors"] = bytes(data)
    damaged = charrnn("sample", "hf:owner/name", code=1)
    assert "is damaged: expected SHA-256" in damaged.stderr
    hub.accepts_token = False
    refused = charrnn("push", "verse", "owner/name", "--license", "mit", code=1)
    assert "the hub allows no access to hf:owner/name" in refused.stderr
    assert "log in with `hf auth login`" in refused.stderr
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    unreachable = charrnn("push", "verse", "owner/name", "--license", "mit", code=1)
    assert "the hub did not answer for hf:owner/name" in unreachable.stderr
    assert not any("Traceback" in process.stderr for process in (refused, unreachable))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    offline = charrnn("sample", "hf:owner/name@draft", code=1)
    assert "is not in the cache, and the hub cannot be reached" in offline.stderr
    assert not any("Traceback" in process.stderr for process in (missing, empty, damaged, offline))


def test_without_the_package_the_install_line_is_shown(
    monkeypatch: pytest.MonkeyPatch, finished: Finished
) -> None:
    from charrnn.runs.find import find_run

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises((ConfigError, CheckpointError), match=r'pip install "charrnn\[hub\]"'):
        find_run("hf:owner/name")
