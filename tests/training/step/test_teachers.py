import pytest
import torch

from charrnn.data.document_batches import PADDING
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.loss import TEACHER_WEIGHT, cross_entropy_loss, distillation_loss
from charrnn.model.network import CharRNN
from charrnn.training.step.teachers import Teachers
from tests.conftest import TINY_MODEL

STREAMS = 19


def make_teachers() -> Teachers:
    models = [CharRNN(TINY_MODEL, Vocabulary("abcde")).initialize(seed) for seed in (1, 2)]
    return Teachers(models, STREAMS, "float32")


@pytest.mark.parametrize("threads", [1, 2])
def test_the_prediction_is_the_mean_of_those_of_the_teachers(threads: int) -> None:
    torch.set_num_threads(threads)
    teachers = make_teachers()
    x_TB = torch.randint(5, (12, STREAMS), generator=torch.Generator().manual_seed(0))
    parts = [teachers.predict(x_TB[:7]), teachers.predict(x_TB[7:])]  # the state is carried
    logits = [model(x_TB, model.initial_state(STREAMS))[0] for model in teachers.models]
    expected_TBV = torch.stack([torch.softmax(logits_TBV, 2) for logits_TBV in logits]).mean(0)
    torch.testing.assert_close(torch.cat(parts), expected_TBV)
    assert not parts[0].requires_grad


def test_states_keep_their_addresses() -> None:
    teachers = make_teachers()
    addresses = [part.data_ptr() for state in teachers.states for part in state.parts_LBH]
    teachers.predict(torch.zeros((3, STREAMS), dtype=torch.int64))
    assert addresses == [part.data_ptr() for state in teachers.states for part in state.parts_LBH]
    assert all(part.any() for state in teachers.states for part in state.parts_LBH)


def test_the_distillation_loss_is_that_of_a_mixture_of_targets() -> None:
    generator = torch.Generator().manual_seed(0)
    logits_NV = torch.randn(6, 5, generator=generator, requires_grad=True)
    targets_N = torch.randint(5, (6,), generator=generator)
    teacher_NV = torch.softmax(torch.randn(6, 5, generator=generator), 1)
    loss, reported = distillation_loss(logits_NV, targets_N, teacher_NV, 0.9)
    one_hot_NV = torch.nn.functional.one_hot(targets_N, 5)
    mixture_NV = (1 - TEACHER_WEIGHT) * one_hot_NV + TEACHER_WEIGHT * teacher_NV
    expected = torch.nn.functional.cross_entropy(logits_NV / 0.9, mixture_NV)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(reported, cross_entropy_loss(logits_NV, targets_N, 0.9).detach())
    assert not reported.requires_grad
    padded_N = torch.where(torch.arange(6) > 1, targets_N, PADDING)
    kept = distillation_loss(logits_NV[2:], targets_N[2:], teacher_NV[2:], 0.9)
    torch.testing.assert_close(distillation_loss(logits_NV, padded_N, teacher_NV, 0.9, 4), kept)
