import http.client
import json
import os
from pathlib import Path
from typing import Any

import pytest

from charrnn.runs.metrics import append_row, drop_rows_after, read_rows
from charrnn.runs.run import Run
from charrnn.training.events import Finished
from tests.serve.conftest import RunningServer, StartServer


def test_list_of_runs_has_names_and_no_paths(server: RunningServer, served_run: Run) -> None:
    runs = {run["run"]: run for run in server.get("/v1/runs").json()["data"]}
    assert {*runs} == {"verse", "bard"}
    verse = runs["verse"]
    assert verse["step"] == 30
    assert verse["is_training"] is False
    assert verse["seconds_left"] is None
    assert verse["last_row"]["step"] == 30
    assert verse["last_row"]["characters"] == 30 * 4 * 8
    assert verse["checkpoints"][-1] == "step-00000030"
    for path in ("/v1/runs", "/v1/runs/verse", "/v1/models", "/v1/models/verse"):
        body = server.get(path).body.decode()
        assert str(served_run.path.parent) not in body
        assert "checkpoints/" not in body


def test_a_run_has_settings_losses_and_previews(server: RunningServer) -> None:
    run = server.get("/v1/runs/verse").json()
    assert [name for name, _ in run["settings"]][:2] == ["text", "network"]
    assert [row["step"] for row in run["rows"] if row["val_loss"] is not None] == [10, 20, 30]
    assert [preview["step"] for preview in run["previews"]] == [10, 20, 30]
    assert run["previews"][0]["text"]
    assert run["total_steps"] == 30


def test_events_follow_a_run_that_is_trained(own_server: RunningServer, finished: Finished) -> None:
    (finished.run.path / ".writer").write_text(str(os.getpid()))
    connection = http.client.HTTPConnection("127.0.0.1", own_server.port, timeout=30)
    connection.request("GET", "/v1/runs/verse/events?after=20")
    response = connection.getresponse()

    def read_event() -> Any:
        line = response.readline()
        assert response.readline() == b"\n"
        return json.loads(line.removeprefix(b"data: "))

    first = read_event()
    assert [row["step"] for row in first["rows"]] == [25, 30]
    assert first["is_training"] is True
    assert first["seconds_left"] == 0.0
    row = {"step": 31, "epoch": 9.0, "train_loss": 2.0, "val_loss": 1.5, "seconds": 9.0}
    append_row(finished.run.metrics_path, row | {"preview": "new text"})
    second = read_event()
    assert second["seconds_left"] == 0.0
    assert [row["step"] for row in second["rows"]] == [31]
    assert second["previews"] == [{"step": 31, "val_loss": 1.5, "text": "new text"}]
    assert second["best_step"] == 31
    drop_rows_after(finished.run.metrics_path, 25)  # as after divergence
    third = read_event()
    assert [row["step"] for row in third["rows"]] == [25]
    rows = read_rows(finished.run.metrics_path)
    assert third["seconds_left"] == pytest.approx(
        5 * (rows[-1]["seconds"] - rows[0]["seconds"]) / (25 - rows[0]["step"])
    )
    (finished.run.path / ".writer").unlink()
    assert read_event()["is_training"] is False
    connection.close()


@pytest.mark.parametrize("after", ["x", "--5", "1e9", "9" * 20])
def test_events_after_no_step_are_an_error(after: str, server: RunningServer) -> None:
    answer = server.get(f"/v1/runs/verse/events?after={after}")
    assert (answer.status, answer.json()["error"]["param"]) == (400, "after")


def test_a_damaged_run_is_left_out(
    finished: Finished, start_server: StartServer, tmp_path: Path
) -> None:
    damaged = tmp_path / "checkpoints" / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text("{")
    server = start_server()
    assert {run["run"] for run in server.get("/v1/runs").json()["data"]} == {"verse", "bard"}
    answer = server.get("/v1/runs/damaged")
    assert (answer.status, answer.json()["error"]["type"]) == (500, "server_error")


def test_only_named_runs_are_served(finished: Finished, start_server: StartServer) -> None:
    server = start_server(names=["verse"])
    assert [model["id"] for model in server.get("/v1/models").json()["data"]] == ["verse"]
    assert server.get("/v1/runs/bard").status == 404


def test_score_and_activity(server: RunningServer) -> None:
    text = "The wheel goes round"
    answer = server.post("/v1/score", {"model": "verse", "text": text, "per_character": True})
    score = answer.json()
    nats = score["per_character"]["nats"]
    assert score["per_character"]["tokens"] == list(text)
    assert nats[0] is None
    assert score["nats_per_char"] == pytest.approx(sum(nats[1:]) / 19, abs=1e-4)
    fields = {"model": "verse", "text": text, "unit": "2:7"}
    activity = server.post("/v1/activity", fields).json()
    assert activity["tokens"] == list(text)
    assert all(-1 < value < 1 for value in activity["values"])
    assert len({*activity["values"]}) > 10


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("score", {"text": "a"}, "is too short"),
        ("score", {"text": "☃☃"}, "not in the model's vocabulary"),
        ("score", {"text": 3}, "text must be a text of at most 100,000 characters"),
        ("score", {"text": "ab", "unknown": "drop"}, "unknown must be error or skip"),
        ("score", {"text": "ab", "per_character": 1}, "per_character must be true or false"),
        ("score", {"text": "ab", "adapt": True}, "there is no field 'adapt'"),
        ("activity", {"text": "The", "unit": "9:1"}, "'9:1' is not a unit of this model"),
        ("activity", {"text": "The"}, "unit must be LAYER:NUMBER"),
    ],
)
def test_wrong_fields_of_analyses_give_one_sentence(
    path: str, fields: dict[str, Any], message: str, server: RunningServer
) -> None:
    answer = server.post(f"/v1/{path}", {"model": "verse"} | fields)
    assert answer.status == 400
    assert message in answer.json()["error"]["message"]


def list_files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return the files, without matplotlib's own list of fonts."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and "matplotlib" not in path.parts
    }


def test_no_request_changes_a_file_or_names_a_path(
    own_server: RunningServer, finished: Finished, text_file: Path, tmp_path: Path
) -> None:
    before = list_files(tmp_path)
    fields: dict[str, Any] = {"model": "verse", "prompt": "The", "max_tokens": 5}
    answers = [
        own_server.post("/v1/completions", fields | {name: 2}) for name in ("max_copy", "logprobs")
    ]
    answers.append(own_server.post("/v1/score", {"model": "verse", "text": "The"}))
    assert {answer.status for answer in answers} == {200}
    paths = ("/", "/docs", "/v1/runs", "/metrics", "/v1/models", "/v1/runs/verse")
    answers += [own_server.get(path) for path in paths]
    assert list_files(tmp_path) == before
    text_file.unlink()  # the report then says that the text is missing
    answers.append(own_server.get("/v1/runs/verse/report"))
    bodies = [answer.body for answer in answers]
    assert b"Surprising lines, units and memory are missing" in bodies[-1]
    for body_bytes in bodies:
        assert str(tmp_path).encode() not in body_bytes
        assert b"checkpoints/verse" not in body_bytes
    assert list_files(tmp_path) == {
        path: value for path, value in before.items() if path != text_file
    }
