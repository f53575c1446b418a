import contextlib
import http.client
import json
import threading
import time
from typing import Any

import openai
import pytest

from charrnn.model.loading import load
from charrnn.runs.run import Run
from charrnn.runs.text_reader import TextReader
from charrnn.sampling.engines.selection import engine_for
from charrnn.sampling.loop import generate
from tests.serve.conftest import RunningServer


def client(server: RunningServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def test_openai_client_lists_models_and_completes(server: RunningServer) -> None:
    with client(server) as api:
        assert {model.id for model in api.models.list()} == {"verse", "bard"}
        assert api.models.retrieve("verse").owned_by == "charrnn"
        answer = api.completions.create(model="verse", prompt="The", max_tokens=30, n=2, seed=4)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert {choice.finish_reason for choice in answer.choices} == {"length"}
    assert [len(choice.text) for choice in answer.choices] == [30, 30]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 60)


def test_openai_client_streams(server: RunningServer) -> None:
    with client(server) as api:
        stream = api.completions.create(
            model="verse",
            prompt="The",
            max_tokens=200,
            seed=4,
            stream=True,
            stream_options={"include_usage": True},
        )
        parts = list(stream)
        whole = api.completions.create(model="verse", prompt="The", max_tokens=200, seed=4)
    texts = [choice.text for part in parts for choice in part.choices]
    assert "".join(texts) == whole.choices[0].text
    assert texts[0]
    assert parts[-1].usage is not None
    assert parts[-1].usage.total_tokens == 203


def test_openai_client_gets_one_sentence_for_an_error(server: RunningServer) -> None:
    with client(server) as api:
        with pytest.raises(openai.NotFoundError, match="there is no model 'novel': GET /v1/models"):
            api.completions.create(model="novel", prompt="a")
        with pytest.raises(openai.BadRequestError, match="temperature must be a number from 0"):
            api.completions.create(model="verse", prompt="a", temperature=1000)
        with pytest.raises(openai.NotFoundError, match="hold no conversation"):
            api.chat.completions.create(model="verse", messages=[])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 1.5, "min_p": 0.0},
        {"top_k": 4, "top_p": 0.9},
        {"ban": "e"},
        {"no_repeat": 8},
        {"max_copy": 9},
        {"acrostic": "TAN", "temperature": 1.2},
    ],
)
def test_text_of_a_seed_is_that_of_sample(
    settings: dict[str, Any], server: RunningServer, served_run: Run
) -> None:
    engine, prompt = engine_for(load(str(served_run.path))), "FIRST MILLER:\n"
    corpus = TextReader(served_run.select("best")).reopen()
    expected = generate(
        engine, prompt, corpus=corpus, length=120, seed=7, num_samples=3, **settings
    )
    answer = server.complete(prompt=prompt, max_tokens=120, seed=7, n=3, **settings)
    assert [choice["text"] for choice in answer["choices"]] == expected
    assert answer["system_fingerprint"].startswith("packed-step-")


def test_text_of_a_seed_does_not_depend_on_concurrent_requests(server: RunningServer) -> None:
    prompts = ["", "The", "SECOND MILLER:\n", "A" * 50]
    requests = [
        {"prompt": prompt, "seed": seed, "max_tokens": 150, "temperature": 0.5 + seed / 4}
        for seed in range(5)
        for prompt in prompts
    ]
    alone = [server.complete(**request)["choices"][0]["text"] for request in requests]
    together: list[str] = [""] * len(requests)

    def run(number: int) -> None:
        together[number] = server.complete(**requests[number])["choices"][0]["text"]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
    assert len(set(together)) > 15


def test_a_single_text_without_seed_uses_the_8_bit_engine(server: RunningServer) -> None:
    answer = server.complete(prompt="The", max_tokens=50)
    assert answer["system_fingerprint"].startswith("int8-step-")
    assert len(answer["choices"][0]["text"]) == 50
    for extra in ({}, {"seed": 1}):
        nothing = server.complete(max_tokens=0, **extra)
        assert nothing["choices"][0]["finish_reason"] == "length"
        assert (nothing["choices"][0]["text"], nothing["usage"]["total_tokens"]) == ("", 0)
    (whole,) = server.complete(prompt="The", temperature=0, max_tokens=50)["choices"]
    stop = whole["text"][20:23]
    (stopped,) = server.complete(prompt="The", temperature=0, stop=stop, max_tokens=50)["choices"]
    assert stopped["text"] == whole["text"][: whole["text"].index(stop)]
    assert stopped["finish_reason"] == "stop"


def test_stop_texts_end_the_text(server: RunningServer) -> None:
    whole = server.complete(prompt="The", seed=2, max_tokens=100)["choices"][0]["text"]
    stops = [whole[60:64], whole[30:33]]
    for answer in (
        server.complete(prompt="The", seed=2, max_tokens=100, stop=stops)["choices"],
        server.complete(prompt="The", seed=2, max_tokens=100, stop=stops, logprobs=0)["choices"],
    ):
        assert answer[0]["text"] == whole[: min(whole.find(stop) for stop in stops)]
        assert answer[0]["finish_reason"] == "stop"


def test_log_probabilities_of_prompt_and_text(server: RunningServer) -> None:
    fields = {"prompt": "The wheel", "seed": 1, "max_tokens": 20, "echo": True, "logprobs": 2}
    choice = server.complete(**fields)["choices"][0]
    logprobs = choice["logprobs"]
    assert choice["text"].startswith("The wheel")
    assert logprobs["tokens"] == list(choice["text"])
    assert logprobs["text_offset"] == list(range(29))
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["top_logprobs"][0] is None
    assert all(value <= 0 for value in logprobs["token_logprobs"][1:])
    for token, likely in zip(logprobs["tokens"][1:], logprobs["top_logprobs"][1:], strict=True):
        assert 2 <= len(likely) <= 3  # the character itself is always included
        assert token in likely
    # The whole text as a prompt, of which only the scores are requested.
    read = server.complete(prompt=choice["text"], max_tokens=0, echo=True, logprobs=2)
    expected = read["choices"][0]["logprobs"]["token_logprobs"]
    assert logprobs["token_logprobs"][1:] == pytest.approx(expected[1:], abs=0.01)
    score = server.post("/v1/score", {"model": "verse", "text": choice["text"]}).json()
    assert score["nats_per_char"] == pytest.approx(-sum(expected[1:]) / 28, abs=1e-4)


def test_events_have_the_log_probabilities_of_their_text(server: RunningServer) -> None:
    events = server.events(prompt="", seed=3, max_tokens=40, logprobs=1, stop="e", n=2)
    for index in range(2):
        choices = [event["choices"][0] for event in events if event["choices"][0]["index"] == index]
        tokens = [token for choice in choices for token in choice["logprobs"]["tokens"]]
        scores = [score for choice in choices for score in choice["logprobs"]["token_logprobs"]]
        assert tokens == list("".join(choice["text"] for choice in choices))
        assert scores[0] is None  # the line start is given
        assert len(scores) == len(tokens)
        assert None not in scores[1:]


def test_several_prompts_and_warnings(server: RunningServer) -> None:
    answer = server.complete(
        prompt=["The", "A"], n=2, seed=1, max_tokens=5, user="me", best_of=3, echo=True
    )
    assert [choice["text"][0] for choice in answer["choices"]] == ["T", "T", "A", "A"]
    assert answer["warnings"] == ["best_of has no effect here", "user has no effect here"]


def test_values_of_other_clients_are_accepted(server: RunningServer) -> None:
    usual: dict[str, Any] = {"prompt": "The", "max_tokens": 5, "seed": -3}
    others: dict[str, Any] = {
        "max_tokens": 5.0,
        "top_p": 1.0,
        "stop": None,
        "logprobs": None,
        "best_of": 1,
    }
    others |= {"frequency_penalty": 0, "stream_options": {"include_usage": None}, "suffix": None}
    answer = server.complete(**usual | others)
    assert answer["choices"] == server.complete(**usual)["choices"]
    assert "warnings" not in answer
    nested: dict[str, Any] = {}
    for _ in range(600):
        nested = {"a": nested}
    assert server.complete(**usual, logit_bias=nested)["choices"] == answer["choices"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt": [1, 2]}, "prompt must be a text or a list of texts, not tokens"),
        ({"prompt": "x" * 20_001}, "a prompt may have at most 20,000 characters, not 20,001"),
        ({"prompt": "☃"}, "these characters are not in the model's vocabulary"),
        ({"max_tokens": -1}, "max_tokens must be a whole number from 0 to 100,000, not -1"),
        ({"max_tokens": 1.5}, "max_tokens must be a whole number"),
        ({"n": 0}, "n must be a whole number from 1 to 128"),
        ({"n": 100, "prompt": ["a", "b"]}, "at most 128 texts"),
        ({"temprature": 1}, "there is no field 'temprature'; did you mean temperature?"),
        ({"temperature": [1, 2]}, "temperature must be a number"),
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"stop": [""]}, "stop must be a text"),
        ({"stop": 3}, "stop must be a text"),
        ({"seed": "x"}, "seed must be a whole number"),
        ({"acrostic": "a" * 1001}, "acrostic may have at most 1,000 characters"),
        ({"prompt": ["x" * 20_000] * 3}, "all prompts together may have at most 50,000"),
        ({"n": 20, "max_tokens": 100_000}, "at most 1,000,000 characters together"),
        ({"logprobs": 20, "max_tokens": 50_000}, "not 1,050,000"),
        ({"stream": 1}, "stream must be true or false"),
        ({"stream_options": []}, "stream_options must be an object"),
        ({"logprobs": True}, "logprobs must be a whole number"),
        ({"checkpoint": "../x"}, "checkpoint must be best, last or step-N"),
        ({"checkpoint": "step-7"}, "the run verse has no intact checkpoint step-7"),
        ({"model": "../../etc/passwd"}, "there is no model '../../etc/passwd'"),
        ({"model": None}, "model must be the name of a model"),
        ({"only": "e", "ban": "e"}, "no character of the model's vocabulary can be generated"),
    ],
)
def test_wrong_fields_give_one_sentence(
    fields: dict[str, Any], message: str, server: RunningServer
) -> None:
    for extra in ({}, {"seed": 1}):
        answer = server.post("/v1/completions", {"model": "verse"} | extra | fields)
        assert answer.status in (400, 404)
        error = answer.json()["error"]
        assert message in error["message"]
        assert error["type"] == "invalid_request_error"
        assert "checkpoints/" not in error["message"]


def test_a_client_that_disconnects_frees_its_rows(own_server: RunningServer) -> None:
    own_server.complete(seed=1, max_tokens=1)  # loads the model
    body = json.dumps({"model": "verse", "seed": 1, "n": 8, "max_tokens": 100_000, "stream": True})
    connection = http.client.HTTPConnection("127.0.0.1", own_server.port)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read(100)
        assert b'charrnn_texts{state="running"} 8.0' in own_server.get("/metrics").body
        response.close()
    for _ in range(100):
        metrics = own_server.get("/metrics").body
        if b'charrnn_texts{state="running"} 0.0' in metrics:
            break
        time.sleep(0.05)
    assert b'charrnn_texts{state="running"} 0.0' in metrics
    assert b"charrnn_cancelled_requests_total 1.0" in metrics


def test_too_many_waiting_texts_are_rejected(own_server: RunningServer) -> None:
    own_server.complete(seed=1, max_tokens=1)
    body = json.dumps({"model": "verse", "seed": 1, "n": 128, "max_tokens": 7_000})
    connections = []
    for _ in range(5):  # 128 texts run on two cores, the others wait
        connection = http.client.HTTPConnection("127.0.0.1", own_server.port)
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        connections.append(connection)
    answer = own_server.post("/v1/completions", {"model": "verse", "seed": 1, "max_tokens": 1})
    for _ in range(100):
        if answer.status == 429:
            break
        time.sleep(0.05)
        answer = own_server.post(
            "/v1/completions", {"model": "verse", "n": 128, "seed": 1, "max_tokens": 1}
        )
    assert answer.status == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["type"] == "rate_limit_error"
    for connection in connections:
        connection.close()
