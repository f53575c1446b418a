"""The lesson of a web page computes what torch and charrnn compute."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from charrnn.analysis import dynamic_evaluation
from charrnn.analysis.clamping import clamp_units
from charrnn.analysis.dynamic_evaluation import adapt_copy
from charrnn.analysis.units import Unit
from charrnn.config.sampling import SampleConfig
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.runs.checkpoint import Checkpoint
from charrnn.sampling.engines.int8.weights import quantize_lstm
from charrnn.sampling.filters import Filters, distribution
from tests.export.lesson_page import OpenPage, open_lesson
from tests.export.small_models import train_checkpoint


@pytest.fixture
def checkpoint(text_file: Path) -> Checkpoint:
    return train_checkpoint(text_file)


def restore_weights(model: CharRNN) -> CharRNN:
    """Return a copy of a model with the weights of its page: those in 8 bits, as float32."""
    restored = copy.deepcopy(model)
    arrays = dict(restored.arrays())
    weights = quantize_lstm(arrays, restored.config)
    for n in range(restored.config.num_layers):
        scales_G1 = weights.recurrent_scales_LG[n][:, None] * weights.hidden_scale
        arrays[f"weight_hh_l{n}"] = (weights.recurrent_LGH[n] * scales_G1).astype(np.float32)
        if n:
            scales_G1 = weights.between_scales_LG[n - 1][:, None] * weights.hidden_scale
            arrays[f"weight_ih_l{n}"] = (weights.between_LGH[n - 1] * scales_G1).astype(np.float32)
    restored.set_arrays(arrays)
    restored.gradient_squares = model.gradient_squares
    return restored


def relative_error(actual: Any, expected: torch.Tensor) -> float:
    difference = torch.as_tensor(np.array(actual, np.float32)).reshape(expected.shape) - expected
    return float(difference.norm() / expected.norm())


def test_gradients_of_all_weights_equal_those_of_torch(
    checkpoint: Checkpoint, text_file: Path, open_page: OpenPage
) -> None:
    model = restore_weights(load_checkpoint(checkpoint, "cpu")).requires_grad_(True)
    codes_T = model.vocabulary.encode(text_file.read_text()[:18]).tolist()
    page = open_lesson(checkpoint, open_page)
    losses, gates, hidden, logits = page.evaluate(
        """(codes) => {
            const T = codes.length - 1, net = lessonNet, { width, numGates } = net;
            const read = (address, size) => Array.from(net.floats(address, size));
            net.reset();
            net.forward(codes.slice(0, -1));
            const losses = net.backward(codes.slice(1));
            return [losses, net.gradients_L.map((address) => read(address, T * numGates)),
                net.hidden_L.map((address) => read(address, (T + 1) * width)),
                read(net.logitGradients, T * net.outputRows)];
        }""",
        codes_T,
    )
    window_T1 = torch.tensor(codes_T)[:, None]
    logits_T1V, _ = model(window_T1[:-1], model.initial_state(1))
    nats_T = cross_entropy(logits_T1V[:, 0], window_T1[1:, 0], reduction="none")
    gradients = torch.autograd.grad(nats_T.mean(), list(model.parameters()))
    np.testing.assert_allclose(losses, nats_T.detach(), rtol=1e-4)
    T = len(nats_T)
    inputs_TV = one_hot(window_T1[:-1, 0], len(model.vocabulary)).float().numpy()
    gates_TG = [np.reshape(values, (T, -1)) for values in gates]
    hidden_TH = [np.reshape(values, (T + 1, -1))[:, :20] for values in hidden]
    logits_TV = np.reshape(logits, (T, -1))[:, : len(model.vocabulary)]
    expected: dict[str, Any] = {
        "weight_ih_l0": gates_TG[0].T @ inputs_TV,
        "weight_ih_l1": gates_TG[1].T @ hidden_TH[0][1:],
        "output.weight": logits_TV.T @ hidden_TH[1][1:],
        "output.bias": logits_TV.sum(0),
    }
    for n in (0, 1):
        expected[f"weight_hh_l{n}"] = gates_TG[n].T @ hidden_TH[n][:-1]
        expected[f"bias_ih_l{n}"] = expected[f"bias_hh_l{n}"] = gates_TG[n].sum(0)
    for (name, _), gradient in zip(model.named_parameters(), gradients, strict=True):
        assert relative_error(expected[name], gradient) < 1e-3, name


@pytest.mark.parametrize("has_squares", [True, False])
def test_learning_equals_adaptation(
    has_squares: bool, text_file: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = train_checkpoint(text_file)
    if not has_squares:  # as in runs of charrnn 0.1.0
        monkeypatch.setattr(Checkpoint, "load_gradient_squares", lambda self: None)
    page = open_lesson(checkpoint, open_page)
    model = restore_weights(load_checkpoint(checkpoint, "cpu"))
    codes_N = model.vocabulary.encode(text_file.read_text()[:700])
    losses = page.evaluate(
        """(codes) => {
            const losses = [], { segment } = learner.settings;
            learner.forget();
            for (let first = 0; first < codes.length - 1; first += segment) {
                losses.push(...learner.learn(codes.slice(first, first + segment + 1)));
            }
            return losses;
        }""",
        codes_N.tolist(),
    )
    # The compiled engine has other rounding errors: it multiplies in bfloat16 on some processors.
    monkeypatch.setattr(dynamic_evaluation, "_compiled_engine", lambda: None)
    adapted, expected = adapt_copy(model, codes_N)
    assert np.mean(losses) == pytest.approx(expected.mean(), abs=1e-4)
    np.testing.assert_allclose(losses, expected, atol=1e-3)
    table = page.evaluate("() => Array.from(lessonNet.learned.table_VG)")
    change = adapted.arrays()["weight_ih_l0"] - model.arrays()["weight_ih_l0"]
    learned = np.reshape(table, change.T.shape).T - model.arrays()["weight_ih_l0"]
    assert relative_error(learned, torch.from_numpy(change)) < 0.01
    before, after = page.evaluate(
        """() => {
            const weights = () => lessonNet.matrices.map(({ learned, rows, columns }) =>
                lessonNet.floats(learned, rows * columns).reduce((sum, value) => sum + value, 0));
            const before = weights();
            learner.forget();
            return [before, weights()];
        }"""
    )
    assert before != after


def test_influence_is_the_norm_of_the_gradient_by_the_input(
    checkpoint: Checkpoint, text_file: Path, open_page: OpenPage
) -> None:
    page = open_lesson(checkpoint, open_page)
    model = restore_weights(load_checkpoint(checkpoint, "cpu"))
    codes_T = model.vocabulary.encode(text_file.read_text()[:15]).tolist()
    influences = page.evaluate(
        """async ([codes, target]) => {
            const { steps } = await readCodes(codes, startJob("test"));
            return [...lessonNet.influences(steps, target)];
        }""",
        [codes_T, 3],
    )
    inputs_T1V = one_hot(torch.tensor(codes_T)[:, None], len(model.vocabulary)).float()
    inputs_T1V.requires_grad_()
    lstm = torch.nn.LSTM(len(model.vocabulary), 20, num_layers=2)
    with torch.no_grad():
        for name, parameter in lstm.named_parameters():
            parameter.copy_(torch.from_numpy(model.arrays()[name]))
    logits_V = model.output(lstm(inputs_T1V)[0][-1, 0])
    (gradient_T1V,) = torch.autograd.grad(logits_V.log_softmax(-1)[3], inputs_T1V)
    expected = gradient_T1V[:, 0].norm(dim=1).flip(0)
    np.testing.assert_allclose(influences, expected, rtol=1e-3)


@pytest.mark.parametrize(("temperature", "top_p", "min_p"), [(0.8, 0.6, 0.0), (1.3, 1.0, 0.4)])
def test_the_lesson_filters_probabilities_like_a_sample(
    temperature: float,
    top_p: float,
    min_p: float,
    checkpoint: Checkpoint,
    open_page: OpenPage,
) -> None:
    page = open_lesson(checkpoint, open_page)
    logits = [2.0, -1.0, 0.5, 1.0, -1.2]
    filtered = page.evaluate(
        "([logits, ...settings]) => filterProbabilities(logits, ...settings).filtered",
        [logits, temperature, top_p, min_p],
    )
    config = SampleConfig(temperature=temperature, top_p=top_p, min_p=min_p)
    expected = distribution(np.array([logits]), Filters.from_config(config))[0]
    np.testing.assert_allclose(filtered, expected)


def test_a_clamped_unit_changes_the_predictions_as_in_charrnn(
    checkpoint: Checkpoint, text_file: Path, open_page: OpenPage
) -> None:
    page = open_lesson(checkpoint, open_page)
    page.fill("#inside-number", "1:4")
    model = restore_weights(load_checkpoint(checkpoint, "cpu"))
    codes_T = model.vocabulary.encode(text_file.read_text()[:15])
    logits = page.evaluate(
        """async (codes) => {
            const change = clampUnit(findLessonUnit(), -0.6);
            const { steps } = await readCodes(codes, startJob("test"), { change });
            return Array.from(steps.at(-1).logits);
        }""",
        codes_T.tolist(),
    )
    clamped = clamp_units(model, {Unit(1, 4): -0.6})
    window_T1 = torch.from_numpy(codes_T.astype(np.int64))[:, None]
    with torch.no_grad():
        expected, plain = (m(window_T1, m.initial_state(1))[0][-1, 0] for m in (clamped, model))
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert not np.allclose(logits, plain, atol=1e-3)
