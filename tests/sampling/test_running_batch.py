import dataclasses
from typing import Any

import numpy as np
import pytest

from charrnn.config.model import Cell, ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.sampling.batched_text import BatchedText
from charrnn.sampling.engines.interface import RowSamplingEngine
from charrnn.sampling.engines.selection import engine_for_model
from charrnn.sampling.log_probabilities import CharacterScore
from charrnn.sampling.loop import generate, generate_scored
from charrnn.sampling.running_batch import RunningBatch

VOCABULARY = Vocabulary("\n abcdef")
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("a", {"temperature": 1.3, "min_p": None}),
    ("bad cab", {"top_k": 3}),
    ("", {"temperature": 0.0}),
    ("ab", {"top_p": 0.7, "length": 5}),
    ("", {"length": 1}),
    ("a" * 100, {"ban": "ab", "temperature": 1.0}),
    ("a" * 32, {"length": 63}),
    ("fed", {"stop": "a", "length": 200}),
    ("cab", {"acrostic": "abc", "temperature": 2.0, "length": 500}),
    ("", {"no_repeat": 2, "temperature": 0.5}),
    ("e", {"length": 64, "line_length": 4}),
]


def model(separator: str | None = None, cell: Cell = "lstm", hidden_size: int = 24) -> CharRNN:
    shape = ModelConfig(cell=cell, num_layers=2, hidden_size=hidden_size)
    return CharRNN(shape, VOCABULARY, separator=separator).initialize(1)


def config(number: int, **settings: Any) -> SampleConfig:
    return SampleConfig(**{"length": 150, **settings}, seed=number)


def make_texts(engine: RowSamplingEngine, **extra: Any) -> list[BatchedText]:
    return [
        BatchedText(engine, prompt, config(number, **settings), **extra)
        for number, (prompt, settings) in enumerate(SETTINGS)
    ]


def run(engine: RowSamplingEngine, texts: list[BatchedText], interval: int = 7) -> list[str]:
    """Let a text join at every `interval`-th step; return the texts."""
    batch, results = RunningBatch(engine), {id(text): "" for text in texts}
    waiting, steps = [*texts], 0
    while waiting or len(batch):
        if waiting and steps % interval == 0 and batch.num_free:
            text = waiting.pop(0)
            if text.has_work and len(text.codes_to_read) > engine.max_prompt_in_rows:
                text.start(text.read_prompt(engine))
            if text.has_work:
                batch.add([text])
            else:
                results[id(text)] += text.take().text
        if len(batch):
            batch.step()
            if batch.must_collect or steps % 5 == 0:
                for text, new in batch.collect():
                    results[id(text)] += new.text
        steps += 1
    return [results[id(text)] for text in texts]


@pytest.mark.parametrize(("cell", "hidden_size"), [("lstm", 24), ("lstm", 288), ("gru", 24)])
@pytest.mark.parametrize("separator", [None, "\n"])
def test_texts_are_those_that_are_generated_alone(
    separator: str | None, cell: Cell, hidden_size: int
) -> None:
    engine = engine_for_model(model(separator, cell, hidden_size))
    settings = [pair for pair in SETTINGS if separator is None or "acrostic" not in pair[1]]
    count = 2 if cell == "lstm" else 1  # the products of gru depend on the number of texts
    texts = [
        BatchedText(engine, prompt, config(number, **values), sample=count - 1)
        for number, (prompt, values) in enumerate(settings)
    ]
    expected = [
        generate(engine, prompt, config=config(number, **values), num_samples=count)[-1]
        for number, (prompt, values) in enumerate(settings)
    ]
    assert run(engine, texts) == expected
    assert len({*expected}) > len(expected) // 2


def test_a_text_that_leaves_and_joins_again_goes_on() -> None:
    engine = engine_for_model(model())
    first, second = (BatchedText(engine, "bad", config(seed)) for seed in (1, 2))
    batch, new_text = RunningBatch(engine), ""
    batch.add([first, second])
    for step in range(1, 300):
        if len(batch):
            batch.step()
        if step % 40 == 0:
            batch.remove([first])
            assert len(batch) == 1 - (second.finish_reason is not None)
        if step % 40 == 10 and step > 40 and first.has_work:
            batch.add([first])
        if batch.must_collect:
            new_text += "".join(new.text for text, new in batch.collect() if text is first)
        if first.finish_reason:
            break
    assert first.finish_reason == "length"
    assert new_text == generate(engine, "bad", config=config(1), num_samples=2)[0]


def test_scores_are_the_log_probabilities_of_the_characters() -> None:
    engine = engine_for_model(model())
    text = BatchedText(engine, "bad", config(3, stop="e"), num_likely=2)
    batch, scores = RunningBatch(engine), list[CharacterScore]()
    batch.add([text])
    while len(batch):
        batch.step()
        for _, new in batch.collect():
            scores += new.scores
    expected = generate_scored(engine, "bad", config(3, stop="e", num_samples=2))[0]
    assert sum(score.log_probability for score in scores) == pytest.approx(
        expected.log_probability, abs=1e-6
    )
    assert VOCABULARY.decode(np.array([score.code for score in scores])) == expected.text + "e"
    for score in scores:
        (first, highest), (_, second) = score.likely
        assert highest >= second
        assert (score.log_probability == highest) == (score.code == first)


def test_a_document_ends_at_the_separator() -> None:
    engine = engine_for_model(model("\n"))
    text = BatchedText(engine, "a", config(5, length=10_000))
    batch = RunningBatch(engine)
    batch.add([text])
    while len(batch):
        batch.step()
        if batch.must_collect:
            batch.collect()
    assert text.finish_reason == "stop"


def test_several_stop_texts_end_a_text() -> None:
    engine = engine_for_model(model())
    plain = dataclasses.replace(config(4), length=100)
    (whole,) = run(engine, [BatchedText(engine, "a", plain)])
    stops = [whole[40:44], whole[20:23], "zz"]
    (cut,) = run(engine, [BatchedText(engine, "a", plain, stops=stops)])
    assert cut == whole[: min(whole.find(stop) for stop in stops[:2])]
