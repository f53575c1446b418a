import asyncio
import json
import socket
import threading
import time

import pytest

from charrnn.config.sampling import SampleConfig
from charrnn.sampling.batched_text import BatchedText
from charrnn.serve import models
from charrnn.serve.generation import Generation
from charrnn.serve.models import Models
from charrnn.serve.served_runs import ServedRuns
from charrnn.training.events import Finished
from tests.serve.conftest import RunningServer, run_async


def count_texts(server: RunningServer, state: str) -> int:
    for line in server.get("/metrics").body.decode().splitlines():
        if line.startswith(f'charrnn_texts{{state="{state}"}}'):
            return int(float(line.split()[1]))
    return 0


def test_a_slow_reader_pauses_its_text_and_gets_all_of_it(own_server: RunningServer) -> None:
    fields = {"model": "verse", "prompt": "The", "seed": 5, "max_tokens": 6_000, "logprobs": 20}
    body = json.dumps(fields | {"stream": True}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", own_server.port))
        kind = b"Content-Type: application/json\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + kind + body)
        for _ in range(600):
            time.sleep(0.05)
            generated = own_server.get("/metrics").body
            if b"charrnn_generated_characters_total 0.0" in generated:
                continue
            if not count_texts(own_server, "running"):
                break
        assert count_texts(own_server, "running") == 0
        assert b"charrnn_generated_characters_total 6000.0" not in generated
        answer = b""
        while part := connection.recv(65536):
            answer += part
    texts = [
        json.loads(line.removeprefix(b"data: "))["choices"][0]["text"]
        for line in answer.split(b"\n")
        if line.startswith(b"data: {")
    ]
    whole = own_server.complete(**fields | {"logprobs": None})["choices"][0]["text"]
    assert "".join(texts) == whole


def test_a_request_of_many_texts_does_not_delay_one_of_a_single_text(
    own_server: RunningServer,
) -> None:
    own_server.complete(seed=1, max_tokens=1)
    results: list[float] = []

    def ask_for_many(seed: int) -> None:
        own_server.complete(seed=seed, n=100, max_tokens=600)
        results.append(time.perf_counter())

    threads = [threading.Thread(target=ask_for_many, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    while not count_texts(own_server, "waiting"):
        time.sleep(0.01)
    own_server.complete(seed=9, max_tokens=5)
    end = time.perf_counter()
    for thread in threads:
        thread.join()
    assert end < min(results)


def test_a_model_with_a_paused_text_is_not_unloaded(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_IDLE_SECONDS", -1.0)

    async def run() -> None:
        loaded = Models(ServedRuns())
        model = await loaded.get("verse", "best")
        generation = Generation(1, limits_unsent=True)
        config = SampleConfig(length=9_000, seed=1)
        generation.jobs[0].text = BatchedText(model.load_engine(), "The", config)
        model.scheduler.start(generation)
        while model.scheduler.num_running:
            await asyncio.sleep(0.01)
        assert not generation.has_finished
        loaded.unload_idle()
        assert [*loaded] == [model]
        characters = 0
        while not generation.has_finished:
            characters += sum(len(new.text) for _, new in await generation.get())
            model.scheduler.resume(generation)
        assert characters == 9_000
        loaded.unload_idle()
        assert [*loaded] == []
        loaded.close()

    run_async(run)
