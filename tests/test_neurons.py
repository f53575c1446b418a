"""Units are found by what they follow, read off right, and held where they are asked to be."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Outcome

from charrnn.analysis.clamping import effect, forced
from charrnn.analysis.units import Found, Unit, activity, find
from charrnn.config.training import Cell, ModelConfig, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.network import CharRNN, State, load
from charrnn.training.events import Finished
from charrnn.training.loop import train

SMALL = ModelConfig(num_layers=1, hidden_size=32)


def model_of(cell: Cell, layers: int = 2, units: int = 6) -> CharRNN:
    config = ModelConfig(num_layers=layers, hidden_size=units, cell=cell)
    return CharRNN(config, Vocabulary(tuple("\nabc"))).initialize(3).eval()


def bracketed(draws: random.Random, length: int) -> str:
    """Letters, some in brackets: to tell which bracket may come, a reader must remember one."""
    parts, written = [], 0
    while written < length:
        outside, inside = ("".join(draws.choices("ab", k=draws.randrange(1, 12))) for _ in "ab")
        parts.append(f"{outside}({inside})")
        written += len(parts[-1])
    return "".join(parts)


def follower_of_brackets(text: str, path: Path) -> Found:
    """Train on nine tenths of a text, and look for a unit that is on inside brackets."""
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
    learnt, held_out = Corpus.from_text(text, name="text").split(0.1)
    return next(each for each in find(model, learnt, held_out) if each.feature == "bracket")


def test_a_cell_that_follows_brackets_is_found_and_in_shuffled_text_none(tmp_path: Path) -> None:
    draws = random.Random(5)
    text = bracketed(draws, 40_000)
    found = follower_of_brackets(text, tmp_path / "ordered")
    assert abs(found.correlation) > 0.9
    assert found.holds
    shuffled = "".join(draws.sample(text, len(text)))
    assert not follower_of_brackets(shuffled, tmp_path / "shuffled").holds


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_the_activity_is_that_of_the_state_after_each_character(cell: Cell) -> None:
    model = model_of(cell)
    codes = np.array([1, 2, 3, 0, 1], np.uint8)
    columns = activity(model, codes, [Unit(1, 2), Unit(2, 6)])
    for end in range(1, 6):
        x_T1 = torch.from_numpy(codes[:end].astype(np.int64))[:, None]
        _, state = model(x_T1, model.initial_state(1))
        last_LBH = state.parts_LBH[-1].tanh() if cell == "lstm" else state.parts_LBH[0]
        expected = [float(last_LBH[0, 0, 1]), float(last_LBH[1, 0, 5])]
        assert columns[end - 1].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_correlation_is_numpys(tmp_path: Path) -> None:
    model = model_of("lstm")
    draws = np.random.default_rng(1)
    learnt, judged = draws.integers(0, 4, (2, 700)).astype(np.uint8)
    for found in find(model, learnt, judged):
        from charrnn.analysis.features import features_of

        follower = found.followers[0]
        values = features_of(model.vocabulary.decode(judged))[found.feature]
        # 700 characters are read as three streams; each but the first after 200 of what precedes.
        column_N = activity(model, judged, [follower.unit])[:, 0]
        assert np.corrcoef(column_N, values)[0, 1] == pytest.approx(follower.correlation, abs=0.02)


def test_texts_too_short_to_tell_are_refused() -> None:
    with pytest.raises(CorpusError, match="at least 500 are needed"):
        find(model_of("lstm"), np.zeros(499, np.uint8), np.zeros(600, np.uint8))


def test_a_unit_is_read_as_it_is_written_and_checked() -> None:
    model = model_of("lstm")
    unit = Unit.parse("2:6", model)
    assert str(unit) == "2:6"
    assert Unit.at(unit.place(model), model) == unit
    for wrong in ("3:1", "0:1", "1:7", "1:0", "x", "1", "1:2:3", "-1:2"):
        with pytest.raises(ConfigError, match="a layer from 1 to 2 and a number from 1 to 6"):
            Unit.parse(wrong, model)


def held_by_hand(
    model: CharRNN, codes: list[int], unit: Unit, value: float
) -> tuple[torch.Tensor, State]:
    """Read characters one by one, the unit set after each step of its layer."""
    from charrnn.recurrence.reference import run_layer

    state, logits = model.initial_state(1), []
    for code in codes:
        inputs, parts = torch.tensor([[code]]), []
        for layer in range(model.config.num_layers):
            weights = model.layer_weights(layer)
            before = state.layer(layer)
            inputs, after = run_layer(model.config.cell, inputs, before, weights)
            if layer + 1 == unit.layer:
                j = unit.number - 1
                hidden = after[0].clone()
                if model.config.cell == "lstm":  # o is what the old hidden unit was gated by
                    hidden[0, j] = hidden[0, j] / after[1][0, j].tanh() * value
                else:
                    hidden[0, j] = value
                after, inputs = (hidden, *after[1:]), hidden[None]
            parts.append(after)
        state = State(tuple(torch.stack(each) for each in zip(*parts, strict=True)))
        logits.append(model.output(inputs[0]))
    return torch.cat(logits), state


@pytest.mark.parametrize("unit", [Unit(1, 3), Unit(2, 1)])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_a_held_unit_is_at_its_activity_whatever_is_read(cell: Cell, unit: Unit) -> None:
    model = model_of(cell)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(
            parameter, std=0.7, generator=torch.Generator().manual_seed(len(name))
        )
    codes = [1, 2, 3, 0, 2, 2, 1]
    expected_TV, _ = held_by_hand(model, codes, unit, -0.6)
    held = forced(model, {unit: -0.6})
    logits_T1V, _ = held(torch.tensor(codes)[:, None], held.initial_state(1))
    torch.testing.assert_close(logits_T1V[:, 0], expected_TV, atol=1e-5, rtol=1e-5)
    free_T1V, _ = model(torch.tensor(codes)[:, None], model.initial_state(1))
    assert not torch.allclose(free_T1V[:, 0], expected_TV, atol=1e-3)


def test_an_activity_is_between_minus_one_and_one() -> None:
    with pytest.raises(ConfigError, match="between -1 and 1"):
        forced(model_of("lstm"), {Unit(1, 1): 1.5})


def test_the_effect_of_holding_nothing_is_none_and_of_a_unit_is_told() -> None:
    model = model_of("rnn")
    codes = np.array([1, 2, 3, 0] * 10, np.uint8)
    assert effect(model, forced(model, {}), codes).divergence == 0
    changed = effect(model, forced(model, {Unit(2, 1): 1.0}), codes, most=2)
    assert changed.divergence > 0
    assert len(changed.changes) == 2
    first, second = (abs(after - before) for _, before, after in changed.changes)
    assert first >= second > 0


@pytest.fixture
def long_text(tmp_path: Path) -> Path:
    path = tmp_path / "long.txt"
    verse = (tmp_path / "verse.txt").read_text()
    path.write_text(verse * 3)
    return path


def test_what_is_found_is_told_as_a_table_and_drawn(
    finished: Finished, long_text: Path, cli: Callable[..., Outcome]
) -> None:
    outcome = cli("neurons", "--text", long_text)
    assert outcome.code == 0
    assert "line position" in outcome.out
    assert "characters since the line began" in outcome.out
    drawn = cli("neurons", "--text", long_text, "--unit", "2:3", "-n", "30")
    assert "unit 2:3" in drawn.out
    assert "FIRST MILLER:↵\n" in drawn.out


def test_what_is_held_is_told_with_what_it_changes(
    finished: Finished, long_text: Path, cli: Callable[..., Outcome]
) -> None:
    import json

    command = ("neurons", "--text", long_text, "--force", "1:2=on", "--force", "capital=off", "-n")
    told = json.loads(cli(*command, 50, "--json").out)
    assert told["held"]["1:2"] == pytest.approx(0.99)
    assert len(told["held"]) == 2
    assert told["divergence_nats"] > 0
    assert len(told["texts"]["free"]) == len(told["texts"]["forced"]) == 50
    shown = cli(*command, 50)
    assert "1:2 at +0.99" in shown.out
    assert told["texts"]["forced"] in shown.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--unit", "9:1"), "'9:1' is no unit of this model"),
        (("--force", "1:2"), "'1:2' does not say how to hold it"),
        (("--force", "1:2=up"), "'up' is no activity: expected on, off or a number from -1 to 1"),
        (("--force", "1:2=2"), "'2' is no activity"),
        (("--force", "rhyme=on"), "'rhyme' is neither a unit nor a feature"),
        (("--force", "comment=on"), "the feature 'comment' does not vary in"),
    ],
)
def test_what_cannot_be_looked_at_is_one_sentence(
    arguments: tuple[str, str],
    sentence: str,
    finished: Finished,
    long_text: Path,
    cli: Callable[..., Outcome],
) -> None:
    outcome = cli("neurons", "--text", long_text, *arguments)
    assert outcome.code == 1
    assert sentence in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
