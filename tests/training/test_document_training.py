"""Training on a text of documents, each of which is read from the initial state."""

import dataclasses
import math
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from charrnn.analysis.scoring import character_nats, held_out_loss
from charrnn.config.text import TextConfig
from charrnn.data.corpus import Corpus
from charrnn.data.document_batches import PADDING
from charrnn.errors import CorpusError
from charrnn.model.network import CharRNN
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.training.budget_plan import BudgetPlan
from charrnn.training.events import Evaluated, Started, Step
from charrnn.training.loop import resume, train
from charrnn.training.setup.opening import open_new_text
from charrnn.training.step.inputs import StepInputSource
from charrnn.training.step.train_step import TrainStep
from tests.conftest import TINY_MODEL, TINY_TRAINING, UNREGULARIZED, last_event
from tests.training.tiny_runs import assert_same_run_apart_from_kept_checkpoints, stop_after, tiny

CONFIG = dataclasses.replace(UNREGULARIZED, batch_size=4, seq_length=8)


def documents_of(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


@pytest.fixture
def lines(text_file: Path) -> Corpus:
    """Return the test text, of which each line is a document."""
    return Corpus.open(text_file, TextConfig(document_separator="\n"))


@pytest.fixture
def model(lines: Corpus) -> CharRNN:
    return CharRNN(TINY_MODEL, lines.vocabulary, separator="\n").initialize(1)


def compute_document_nats(model: CharRNN, document: str) -> torch.Tensor:
    """Return the loss of each character of a document and of its end, from the initial state."""
    codes = model.vocabulary.encode(f"\n{document}\n").astype(np.int64)
    x_T1 = torch.from_numpy(codes)[:, None]
    logits_T1V, _ = model(x_T1[:-1], model.initial_state(1))
    return cross_entropy(logits_T1V[:, 0], x_T1[1:, 0], reduction="none")


def test_a_step_computes_the_gradient_of_the_mean_over_the_characters_of_its_documents(
    lines: Corpus, model: CharRNN
) -> None:
    config = dataclasses.replace(CONFIG, seq_length=100)  # whole documents
    inputs = StepInputSource(lines.codes, model, config, slice(0, 4))
    step = TrainStep(model, config, slice(0, 4))
    for number in range(3):
        inputs.load(number, 0.0)
        window_TB = inputs.read().window_TB
        rows = [lines.vocabulary.decode(row[row != PADDING]) for row in window_TB[1:].T.numpy()]
        nats = torch.cat([compute_document_nats(model, row[:-1]) for row in rows if row])
        expected = torch.autograd.grad(nats.mean(), list(model.parameters()))
        step.reset_state()
        loss, _ = step(inputs.read, lambda loss: loss)
        assert loss.item() == pytest.approx(nats.mean().item(), rel=1e-5)
        for parameter, gradient in zip(model.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-7)


def test_a_long_document_is_read_in_windows_with_its_state(lines: Corpus, model: CharRNN) -> None:
    inputs = StepInputSource(lines.codes, model, CONFIG, slice(0, 4))
    step = TrainStep(model, CONFIG, slice(0, 4))
    total, characters = 0.0, 0
    for number in range(inputs.steps_per_epoch):
        if inputs.starts_from_initial_state(number):
            step.reset_state()
        inputs.load(number, 0.0)
        count = inputs.count_targets(number)
        total += step(inputs.read, lambda loss: loss)[0].item() * count
        characters += count
    documents = documents_of(lines.vocabulary.decode(lines.codes))
    nats = torch.cat([compute_document_nats(model, document) for document in documents])
    assert characters == len(nats)
    assert total / characters == pytest.approx(nats.mean().item(), rel=1e-5)


def test_processes_compute_the_gradient_of_one_process(lines: Corpus, model: CharRNN) -> None:
    """Their gradients are averaged, although they predict different numbers of characters."""
    config = dataclasses.replace(CONFIG, dropout=0.3, weight_drop=0.3, output_dropout=0.2)
    gradients: list[list[torch.Tensor]] = []
    for streams in (slice(0, 4), slice(0, 2), slice(2, 4)):
        inputs = StepInputSource(lines.codes, model, config, streams)
        step = TrainStep(model, config, streams)
        inputs.load(1, 0.0)
        step(inputs.read, lambda loss: loss)
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for whole, first, second in zip(*gradients, strict=True):
        torch.testing.assert_close((first + second) / 2, whole, rtol=1e-4, atol=1e-6)


def test_the_held_out_loss_is_the_mean_over_the_characters_of_whole_documents(
    lines: Corpus, model: CharRNN
) -> None:
    training, held_out = lines.split(0.2)
    documents = documents_of(lines.vocabulary.decode(held_out))
    assert documents_of(lines.vocabulary.decode(lines.codes))[-len(documents) :] == documents
    nats_N = torch.cat([compute_document_nats(model, document) for document in documents])
    loss = held_out_loss(model, held_out, threading.Event())
    assert loss == pytest.approx(nats_N.mean().item(), rel=1e-5)
    np.testing.assert_allclose(character_nats(model, held_out), nats_N.detach(), rtol=1e-4)
    assert len(training) + len(held_out) == len(lines.codes)


# 3: in a document; 10: an evaluation; the epochs have different orders.
@pytest.mark.parametrize("step", [0, 3, 10, 17, 25])
def test_resume_matches_the_uninterrupted_run(lines: Corpus, step: int) -> None:
    list(tiny("whole", lines))
    stop = threading.Event()
    stop_after(tiny("parts", lines, stop), stop, step)
    assert last_event(list(resume("parts"))).reason == "max_steps"
    assert_same_run_apart_from_kept_checkpoints(Path("parts"), Path("whole"))


def test_training_lowers_the_loss_below_that_of_the_frequencies(lines: Corpus) -> None:
    events = list(tiny("run", lines, max_steps=200, learning_rate=0.02, dropout=0.0))
    shares = np.array(lines.counts) / sum(lines.counts)
    entropy = -(shares * np.log(np.maximum(shares, 1e-9))).sum()
    best = last_event(events).best_val_loss
    assert best is not None
    assert best < 0.9 * entropy < 0.9 * math.log(len(lines.vocabulary))


def test_many_short_documents_are_recognized() -> None:
    Path("names.txt").write_text("\x1c".join(["Anna", "Bert"] * 100))
    assert open_new_text("names.txt", TextConfig(), None).config.documents
    assert not open_new_text("names.txt", TextConfig(documents=False), None).config.documents
    Path("few.txt").write_text("\x1c".join(["Anna", "Bert"] * 99))
    assert not open_new_text("few.txt", TextConfig(), None).config.documents
    assert open_new_text("few.txt", TextConfig(documents=True), None).config.documents
    assert open_new_text("few.txt", TextConfig(document_separator="n"), None).config.documents


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\n\n", "t contains only separators of documents"),
        ("one document\n", "the training part has no document"),
    ],
)
def test_a_text_needs_a_document_to_train_on(text: str, message: str) -> None:
    Path("t").write_text(text)
    with pytest.raises(CorpusError, match=message):
        list(train("t", TINY_TRAINING, TINY_MODEL, TextConfig(document_separator="\n")))
    assert not list(Path().glob("checkpoints/*"))


def test_two_documents_are_enough() -> None:
    Path("t").write_text("one\nxy")
    events = list(train("t", TINY_TRAINING, TINY_MODEL, TextConfig(document_separator="\n")))
    assert last_event(events).best_val_loss is not None


def test_without_a_separator_there_are_no_documents(text_file: Path) -> None:
    with pytest.raises(CorpusError, match=r"verse does not contain U\+001C, so it has no separate"):
        list(train(str(text_file), TINY_TRAINING, TINY_MODEL, TextConfig(documents=True)))
    assert not list(Path().glob("checkpoints/*"))


def test_files_are_separated_by_the_separator_of_their_documents() -> None:
    Path("d").mkdir()
    Path("d/1.txt").write_text("one\ntwo\n")
    Path("d/2.txt").write_text("three\nfour")
    corpus = Corpus.open("d", TextConfig(document_separator="\n"))
    assert corpus.vocabulary.decode(corpus.codes) == "one\ntwo\n\nthree\nfour"
    assert corpus.documents is not None
    assert corpus.documents.num_empty == 1
    stream = Corpus.open("d", TextConfig(documents=False))
    assert stream.vocabulary.decode(stream.codes) == "one\ntwo\n\x1cthree\nfour"


def test_documents_are_evaluated_as_often_as_their_characters_require(lines: Corpus) -> None:
    events = list(tiny("run", lines, eval_every=None, seq_length=64, batch_size=8, max_steps=60))
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert 10 <= len(evaluated) <= 20
    started = next(event for event in events if isinstance(event, Started))
    steps = started.steps_per_epoch
    plan = BudgetPlan.for_text(started.run.config.training, steps, started.training_characters, 90)
    assert plan.characters_per_step == math.ceil(started.training_characters / steps) < 8 * 64


def test_teachers_read_the_same_documents(lines: Corpus) -> None:
    list(tiny("whole", lines, teachers=1))
    stop, total = threading.Event(), 0
    for event in tiny("parts", lines, stop, teachers=1):
        total += isinstance(event, Step)
        if total == 37:
            stop.set()
    assert last_event(list(resume("parts"))).reason == "max_steps"
    for name in ("teacher-1", "."):
        assert_same_run_apart_from_kept_checkpoints(Path("parts", name), Path("whole", name))


def test_the_training_loss_of_a_row_is_the_mean_over_characters(lines: Corpus) -> None:
    events = list(tiny("run", lines, log_every=5, eval_every=5, learning_rate=1e-9, max_steps=5))
    losses = [event.train_loss for event in events if isinstance(event, Step)]
    config = Run.open(Path("run")).config.training
    model = CharRNN(TINY_MODEL, lines.vocabulary, separator="\n")
    inputs = StepInputSource(lines.split(0.1)[0], model, config, slice(0, config.batch_size))
    weights = [inputs.count_targets(step) for step in range(5)]
    assert len(set(weights)) > 1
    row = read_rows(Path("run/metrics.jsonl"))[-1]
    assert row["train_loss"] == pytest.approx(np.average(losses, weights=weights), rel=1e-6)
