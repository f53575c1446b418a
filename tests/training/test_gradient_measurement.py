import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from charrnn.model.gradient_squares import GradientSquares, mean_squares
from charrnn.training import gradient_measurement
from charrnn.training.gradient_measurement import measure_gradient_squares
from tests.model.small_model import VOCABULARY, small_model


def test_squares_are_means_over_segments_of_the_whole_text() -> None:
    model = small_model()
    codes = np.random.default_rng(1).integers(0, len(VOCABULARY), 2000).astype(np.uint8)
    squares = measure_gradient_squares(model, codes)
    sums = {name: [0 * mean for mean in mean_squares(p)] for name, p in model.named_parameters()}
    for first in np.linspace(0, 2000 - 61, 4).astype(int):
        x_T1 = torch.from_numpy(codes[first : first + 61].astype(np.int64))[:, None]
        logits_T1V, _ = model(x_T1[40:-1], model(x_T1[:40], model.initial_state(1))[1].detach())
        cross_entropy(logits_T1V[:, 0], x_T1[41:, 0]).backward()  # type: ignore[no-untyped-call]
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            torch._foreach_add_(sums[name], mean_squares(parameter.grad), alpha=1 / 4)
        model.zero_grad()
    for name, expected in sums.items():
        for mean, total in zip(squares.means[name], expected, strict=True):
            np.testing.assert_allclose(mean, total.numpy(), rtol=1e-3, atol=1e-12)


def test_documents_are_measured_from_their_start() -> None:
    model, text = small_model(), "abc\nba\n\ncab\naabca"
    model.separator_code = 0
    assert VOCABULARY.characters[0] == "\n"
    squares = measure_gradient_squares(model, VOCABULARY.encode(text))
    expected = torch.zeros(1)
    documents = text.replace("\n\n", "\n").split("\n")
    for document in documents:
        x_T1 = torch.from_numpy(VOCABULARY.encode(f"\n{document}\n").astype(np.int64))[:, None]
        logits_T1V, _ = model(x_T1[:-1], model.initial_state(1))
        loss = cross_entropy(logits_T1V[:, 0], x_T1[1:, 0])
        (gradient,) = torch.autograd.grad(loss, [model.output.weight])
        expected = expected + torch.cat(list(mean_squares(gradient))) / len(documents)
    actual = np.concatenate(squares.means["output.weight"])
    np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-4)


def test_of_many_short_documents_as_many_characters_are_measured_as_of_a_text() -> None:
    codes = VOCABULARY.encode("abc\n" * 5_000)
    segments = gradient_measurement._choose_segments(codes, 0)
    assert len(segments) == 20
    assert {VOCABULARY.decode(segment) for segment in segments} == {"\nabc\n"}
    long = gradient_measurement._choose_segments(VOCABULARY.encode(f"{'ab' * 90}\n" * 9), 0)
    assert [VOCABULARY.decode(segment) for segment in long] == ["\n" + "ab" * 30] * 4


@pytest.mark.parametrize("length", [2, 3, 21, 30])
def test_a_text_shorter_than_a_segment_can_be_measured(length: int) -> None:
    model = small_model()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    squares = measure_gradient_squares(model, np.arange(length).astype(np.uint8) % 3)
    assert all(np.isfinite(m).all() and m.max() > 0 for m in squares.means["output.weight"])
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None


def test_squares_are_finite_if_gradients_are_not() -> None:
    model = small_model()
    with torch.no_grad():
        model.output.weight.fill_(1e30)
    codes = np.arange(200).astype(np.uint8) % 5
    squares = measure_gradient_squares(model, codes).to_arrays()
    shapes = model.config.parameter_shapes(len(VOCABULARY))
    assert GradientSquares.from_arrays(squares, shapes).means.keys() == shapes.keys()
