import json
import math
from pathlib import Path

import numpy as np
import pytest

from charrnn.config.model import ModelConfig
from charrnn.config.training import TrainConfig
from charrnn.data import catalogue
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, CorpusError
from charrnn.runs.find import bundled_path, find_run
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.loop import generate
from charrnn.training.loop import resume, train
from charrnn.training.setup.defaults import resolve_config
from tests.conftest import last_event

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n"


def test_it_is_small_and_of_the_default_shape() -> None:
    files = [path for path in bundled_path().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    config = find_run("bard").config
    assert config.model == ModelConfig()
    assert len(config.vocabulary) == 79
    assert config.corpus.path == ""


def test_its_settings_are_those_that_charrnn_chooses_for_its_text() -> None:
    config = find_run("bard").config
    held_out = config.corpus.characters // 10
    chosen = resolve_config(
        TrainConfig(epochs=16, seed=1, threads=1),
        config.corpus.characters - held_out,
        held_out,
        device="cpu",
        precision="bfloat16",
        threads=1,
    )
    assert chosen == config.training


def test_its_model_card_gives_the_recorded_figures() -> None:
    checkpoint = find_run("bard").select()
    card = bundled_path().joinpath("README.md").read_text("utf-8")
    assert checkpoint.val_loss
    assert f"{checkpoint.val_loss:.4f}" in card
    assert f"step {checkpoint.step:,}" in card
    assert checkpoint.run.config.corpus.sha256 in card
    rows = checkpoint.run.metrics_path.read_text("utf-8").splitlines()
    assert checkpoint.val_loss in [json.loads(row)["val_loss"] for row in rows]


def test_it_cannot_be_resumed_but_a_new_run_can_start_from_it(text_file: Path) -> None:
    with pytest.raises(
        CheckpointError, match="start a new run from these weights with `charrnn train --i"
    ):
        list(resume("bard"))
    config = TrainConfig(max_steps=1, batch_size=2, seq_length=4, device="cpu", threads=1)
    finished = last_event(list(train(str(text_file), config, init_from="bard")))
    assert finished.run.config.model == ModelConfig()


def test_its_text_is_searched_by_name_in_the_catalogue() -> None:
    record = find_run("bard").config.corpus
    assert record.name in catalogue.list_names()
    with pytest.raises(
        CorpusError,
        match="not on this machine: download it with `charrnn corpora fetch shakespeare-all`, give",
    ):
        Corpus.reopen(record, Vocabulary(find_run("bard").config.vocabulary))


def test_it_generates_text_and_predicts_shakespeare_well() -> None:
    checkpoint = find_run("bard").select()
    engine = engine_for_checkpoint(checkpoint, device="cpu")
    (text,) = generate(engine, "KING RICHARD", length=200, seed=1)
    assert len(text) == 200
    codes = Vocabulary(checkpoint.run.config.vocabulary).encode(TEXT)
    nats, (logits_1V, state) = [], engine.read(codes[:1])
    for code in codes[1:].astype(np.int64):
        shifted = logits_1V[0] - logits_1V.max()
        nats.append(float(np.log(np.exp(shifted).sum()) - shifted[code]))
        logits_1V, state = engine.step(state, code[None])
    assert np.mean(nats) / math.log(2) < 2.5
