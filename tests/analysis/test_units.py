"""Tests of the units that follow features, and of the activities of units."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from charrnn.analysis import units
from charrnn.analysis.features import compute_features
from charrnn.analysis.units import FeatureUnits, Unit, find_units, unit_activities
from charrnn.config.model import Cell, ModelConfig
from charrnn.config.training import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.progress import Reading
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.loading import load
from charrnn.training.loop import train
from tests.analysis.small_model import make_small_model

SMALL = ModelConfig(num_layers=1, hidden_size=32)


def make_bracketed_text(draws: random.Random, length: int) -> str:
    """Return letters, some in brackets: a model must remember whether a bracket is open."""
    parts, num_characters = [], 0
    while num_characters < length:
        outside, inside = ("".join(draws.choices("ab", k=draws.randrange(1, 12))) for _ in "ab")
        parts.append(f"{outside}({inside})")
        num_characters += len(parts[-1])
    return "".join(parts)


def find_bracket_unit(text: str, path: Path) -> FeatureUnits:
    """Train on nine tenths of a text, and find the unit that is active inside brackets."""
    path.mkdir()
    file = path / "text.txt"
    file.write_text(text)
    settings = TrainConfig(
        batch_size=16,
        seq_length=40,
        dropout=0.0,
        output_dropout=0.0,
        weight_drop=0.0,
        learning_rate=0.01,
        max_steps=500,
        eval_every=500,
        threads=1,
        device="cpu",
    )
    list(train(str(file), settings, SMALL, out_dir=path / "run"))
    model = load(str(path / "run"))
    selection, held_out = Corpus.from_text(text, name="text").split(0.1)
    return next(
        result for result in find_units(model, selection, held_out) if result.feature == "bracket"
    )


def test_bracket_unit_is_found_but_not_in_shuffled_text(tmp_path: Path) -> None:
    draws = random.Random(5)
    text = make_bracketed_text(draws, 40_000)
    result = find_bracket_unit(text, tmp_path / "ordered")
    assert abs(result.correlation) > 0.9
    assert result.is_significant
    shuffled = "".join(draws.sample(text, len(text)))
    assert not find_bracket_unit(shuffled, tmp_path / "shuffled").is_significant


@pytest.mark.parametrize("chunk_size", [1, 2, 5])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_activity_is_the_state_after_each_character(
    cell: Cell, chunk_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "_CHUNK", chunk_size)
    model = make_small_model(cell)
    codes = np.array([1, 2, 3, 0, 1], np.uint8)
    columns = unit_activities(model, codes, [Unit(1, 2), Unit(2, 6)])
    for end in range(1, 6):
        x_T1 = torch.from_numpy(codes[:end].astype(np.int64))[:, None]
        _, state = model(x_T1, model.initial_state(1))
        last_LBH = state.parts_LBH[-1].tanh() if cell == "lstm" else state.parts_LBH[0]
        expected = [float(last_LBH[0, 0, 1]), float(last_LBH[1, 0, 5])]
        assert columns[end - 1].tolist() == pytest.approx(expected, abs=1e-6)


def test_correlation_equals_numpy(tmp_path: Path) -> None:
    model = make_small_model("lstm")
    draws = np.random.default_rng(1)
    selection, test = draws.integers(0, 4, (2, 700)).astype(np.uint8)
    for result in find_units(model, selection, test):
        candidate = result.candidates[0]
        values = compute_features(model.vocabulary.decode(test))[result.feature]
        # 700 characters are read as three streams. All except the first warm up on 200 characters.
        column_N = unit_activities(model, test, [candidate.unit])[:, 0]
        assert np.corrcoef(column_N, values)[0, 1] == pytest.approx(candidate.correlation, abs=0.02)


def test_short_texts_are_errors() -> None:
    with pytest.raises(CorpusError, match="at least 500 are needed"):
        find_units(make_small_model("lstm"), np.zeros(499, np.uint8), np.zeros(600, np.uint8))


def test_unit_text_form_is_parsed_and_checked() -> None:
    model = make_small_model("lstm")
    unit = Unit.parse("2:6", model)
    assert str(unit) == "2:6"
    assert Unit.from_index(unit.index_in(model), model) == unit
    for invalid in ("3:1", "0:1", "1:7", "1:0", "x", "1", "1:2:3", "-1:2"):
        with pytest.raises(ConfigError, match="a layer from 1 to 2 and a number from 1 to 6"):
            Unit.parse(invalid, model)


def test_the_search_reports_its_progress() -> None:
    selection, test = np.random.default_rng(1).integers(0, 4, (2, 700)).astype(np.uint8)
    readings: list[Reading] = []
    find_units(make_small_model("lstm"), selection, test, readings.append)
    tasks = list(dict.fromkeys(reading.task for reading in readings))
    assert tasks == [
        "finding units that follow a feature",
        "testing these units on another text",
    ]
    for task in tasks:
        done = [reading.done for reading in readings if reading.task == task]
        assert done[0] == 0
        assert done[-1] == 700


def test_the_activities_of_documents_do_not_depend_on_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, text = make_small_model("lstm"), "ab\n\nbca\nc\n"
    model.separator_code = model.vocabulary.find_code("\n")
    chosen = [Unit(1, 3), Unit(2, 5)]
    for chunk in (2, 4096):
        monkeypatch.setattr(units, "_CHUNK", chunk)
        rows_NK = unit_activities(model, model.vocabulary.encode(text), chosen)
        assert len(rows_NK) == len(text)
        for start, document in ((0, "ab"), (4, "bca"), (8, "c")):
            alone_NK = unit_activities(model, model.vocabulary.encode(f"\n{document}"), chosen)
            first = max(start - 1, 0)  # the separator before it, except at the start of the text
            rows = rows_NK[first : start + len(document)]
            np.testing.assert_allclose(rows, alone_NK[-len(rows) :], atol=1e-6)
        assert not rows_NK[[2, 9]].any()  # no document follows these separators
