import dataclasses
import shutil
from pathlib import Path

import pytest

from charrnn.config.model import ModelConfig
from charrnn.config.training import Budget
from charrnn.sampling.running_batch import RunningBatch
from charrnn.serve import models
from charrnn.serve.api_errors import ApiError
from charrnn.serve.models import Models
from charrnn.serve.served_runs import ServedRuns
from charrnn.training.events import Finished
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING, VERSE
from tests.serve.conftest import RunningServer, StartServer, run_async


def test_a_model_without_requests_is_unloaded(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        loaded = Models(ServedRuns())
        first = await loaded.get("verse", "best")
        assert await loaded.get("verse", "best") is first
        loaded.unload_idle()
        assert [*loaded] == [first]
        monkeypatch.setattr(models, "_IDLE_SECONDS", -1.0)
        loaded.unload_idle()
        assert [*loaded] == []
        assert await loaded.get("verse", "best") is not first
        loaded.close()

    run_async(run)


def test_a_new_checkpoint_is_used(finished: Finished) -> None:
    async def run() -> None:
        loaded = Models(ServedRuns())
        first = await loaded.get("verse", "last")
        assert first.checkpoint.step == 30
        for _ in resume("verse", Budget(max_steps=40)):
            pass
        assert (await loaded.get("verse", "last")).checkpoint.step == 40
        assert (await loaded.get("verse", "step-30")).checkpoint.step == 30
        with pytest.raises(ApiError, match="the run verse has no intact checkpoint step-7"):
            await loaded.get("verse", "step-7")
        loaded.close()

    run_async(run)


def test_a_run_that_was_trained_again_is_loaded_again(finished: Finished, text_file: Path) -> None:
    async def run() -> None:
        loaded = Models(ServedRuns())
        first = await loaded.get("verse", "best")
        shutil.rmtree(finished.run.path)
        training = dataclasses.replace(TINY_TRAINING, seed=9)
        for _ in train(str(text_file), training, TINY_MODEL):
            pass
        second = await loaded.get("verse", "best")
        assert second.checkpoint.origin != first.checkpoint.origin
        assert [*loaded] == [second]
        loaded.close()

    run_async(run)


def test_an_error_in_a_worker_ends_the_request_and_not_the_server(
    own_server: RunningServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: RunningBatch) -> None:
        raise ValueError("a bug")

    body = {"model": "verse", "seed": 1, "max_tokens": 5}
    with monkeypatch.context() as patch:
        patch.setattr(RunningBatch, "step", fail)
        answer = own_server.post("/v1/completions", body)
    assert answer.status == 500
    message = answer.json()["error"]["message"]
    assert message == "the server failed; its terminal shows the error"
    assert "a bug" in caplog.text
    assert own_server.post("/v1/completions", body).status == 200


def test_other_networks_generate_one_text_at_a_time(start_server: StartServer) -> None:
    with open("verse.txt", "w", encoding="utf-8") as file:
        file.write(VERSE * 4)
    shape = ModelConfig(cell="gru", num_layers=1, hidden_size=8)
    for _ in train("verse.txt", TINY_TRAINING, shape):
        pass
    server: RunningServer = start_server()
    answer = server.complete(seed=3, n=4, max_tokens=30)
    assert answer["system_fingerprint"].startswith("torch-step-")
    texts = [choice["text"] for choice in answer["choices"]]
    assert len({*texts}) == 4
    assert [server.complete(seed=3, max_tokens=30)["choices"][0]["text"]] == texts[:1]
