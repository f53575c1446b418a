import dataclasses

import pytest
import torch

from charrnn.config.model import Cell, ModelConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.dropout import make_masks, random_mask_bytes
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.training.step.gradients import compute_gradients
from tests.conftest import UNREGULARIZED

STREAMS, STEPS = 19, 5
REGULARIZED = dataclasses.replace(
    UNREGULARIZED, dropout=0.3, output_dropout=0.4, weight_drop=0.4, input_dropout=0.1,
    state_drop=0.2, loss_temperature=0.9,
)  # fmt: skip
BFLOAT16 = dataclasses.replace(UNREGULARIZED, precision="bfloat16")


def compute(
    threads: int, config: ResolvedTrainConfig, cell: Cell = "lstm", *, with_teachers: bool = False
) -> tuple[list[torch.Tensor], torch.Tensor, State]:
    torch.set_num_threads(threads)
    config = dataclasses.replace(config, batch_size=STREAMS)
    shape = ModelConfig(num_layers=2, hidden_size=16, cell=cell)
    model = CharRNN(shape, Vocabulary("abcde")).initialize(1)
    masks = make_masks(random_mask_bytes(config, shape, 5, step=3), config)
    generator = torch.Generator().manual_seed(0)
    window_TB = torch.randint(5, (STEPS + 1, STREAMS), generator=generator)
    parts = model.initial_state(STREAMS).parts_LBH
    state = State(tuple(torch.randn(part.shape, generator=generator) for part in parts))
    teacher_TBV = None
    if with_teachers:
        teacher_TBV = torch.rand((STEPS, STREAMS, 5), generator=generator).softmax(2)
    loss, state = compute_gradients(
        model,
        window_TB,
        state,
        masks,
        precision=config.precision,
        temperature=config.loss_temperature,
        teacher_TBV=teacher_TBV,
    )
    gradients = [parameter.grad for parameter in model.parameters()]
    return [gradient for gradient in gradients if gradient is not None], loss, state


def test_gradients_of_the_engine_for_cpus_are_contiguous() -> None:
    gradients, loss, _ = compute(1, BFLOAT16)
    divided_gradients, divided_loss, _ = compute(2, BFLOAT16)
    assert divided_loss.item() == pytest.approx(loss.item(), rel=1e-3)
    for actual, expected in zip(divided_gradients, gradients, strict=True):
        assert actual.is_contiguous()
        assert (actual - expected).norm() < 0.02 * expected.norm()


@pytest.mark.parametrize("config", [UNREGULARIZED, REGULARIZED])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("with_teachers", [False, True])
def test_parts_of_the_streams_give_the_gradients_of_all_streams(
    config: ResolvedTrainConfig, cell: Cell, with_teachers: bool
) -> None:
    gradients, loss, state = compute(1, config, cell, with_teachers=with_teachers)
    divided_gradients, divided_loss, divided_state = compute(
        2, config, cell, with_teachers=with_teachers
    )
    assert len(gradients) == 2 * 4 + 2
    assert divided_loss.item() == pytest.approx(loss.item(), rel=1e-6)
    for actual, expected in zip(divided_gradients, gradients, strict=True):
        assert actual.is_contiguous()
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-7)
    for actual, expected in zip(divided_state.parts_LBH, state.parts_LBH, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_the_same_number_of_threads_gives_the_same_bits() -> None:
    first, second = (compute(2, REGULARIZED) for _ in range(2))
    assert all(map(torch.equal, first[0], second[0]))
    assert torch.equal(first[1], second[1])
