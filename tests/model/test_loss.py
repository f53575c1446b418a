from threading import Thread

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from charrnn.data.document_batches import PADDING
from charrnn.model import loss
from charrnn.model.loss import LARGE_VOCABULARY, cross_entropy_loss, output_logits

# The rows do not fill the last chunk.
ROWS, LARGE = 301, LARGE_VOCABULARY + 88


def logits_and_targets(
    characters: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits_NV = 4 * torch.randn(ROWS, characters, generator=generator)
    targets_N = torch.randint(0, characters, (ROWS,), generator=generator)
    return logits_NV.to(dtype), targets_N


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "_CHUNK_SIZE", 64 * LARGE)


@pytest.mark.parametrize("characters", [7, LARGE])
@pytest.mark.parametrize("total", [None, 1000])
def test_loss_and_gradient_are_those_of_the_formula(characters: int, total: int | None) -> None:
    logits_NV, targets_N = logits_and_targets(characters)
    shares_NV = torch.softmax(logits_NV.double() / 0.9, 1)
    nats_N = -shares_NV[torch.arange(ROWS), targets_N].log()
    shares_NV[torch.arange(ROWS), targets_N] -= 1
    divisor = total or ROWS
    logits_NV.requires_grad_()
    value = cross_entropy_loss(logits_NV, targets_N, 0.9, total)
    (gradient_NV,) = torch.autograd.grad(3 * value, logits_NV)
    torch.testing.assert_close(value.double(), nats_N.sum() / divisor, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        gradient_NV.double(), 3 * shares_NV / (0.9 * divisor), rtol=1e-4, atol=1e-8
    )


@pytest.mark.parametrize("characters", [7, LARGE])
def test_padding_has_no_loss_and_no_gradient(characters: int) -> None:
    logits_NV, targets_N = logits_and_targets(characters)
    is_target_N = torch.arange(ROWS) % 3 > 0
    kept_NV, num_kept = logits_NV[is_target_N].requires_grad_(), int(is_target_N.sum())
    expected = cross_entropy_loss(kept_NV.clone(), targets_N[is_target_N], 0.9)
    (expected_gradient_NV,) = torch.autograd.grad(expected, kept_NV)
    logits_NV.requires_grad_()
    padded_N = torch.where(is_target_N, targets_N, PADDING)
    value = cross_entropy_loss(logits_NV.clone(), padded_N, 0.9, num_kept)
    (gradient_NV,) = torch.autograd.grad(value, logits_NV)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient_NV[is_target_N], expected_gradient_NV)
    assert not gradient_NV[~is_target_N].any()


def test_loss_of_bfloat16_logits_is_computed_in_float32() -> None:
    logits_NV, targets_N = logits_and_targets(LARGE, torch.bfloat16)
    exact_NV = logits_NV.float().requires_grad_()
    expected = cross_entropy(exact_NV, targets_N)
    expected.backward()  # type: ignore[no-untyped-call]
    assert exact_NV.grad is not None
    logits_NV.requires_grad_()
    value = cross_entropy_loss(logits_NV, targets_N)
    (gradient_NV,) = torch.autograd.grad(value, logits_NV)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient_NV.float(), exact_NV.grad, rtol=1 / 256, atol=1e-8)


def test_losses_in_threads_add_up_to_the_loss() -> None:
    logits_NV, targets_N = logits_and_targets(LARGE)
    expected = float(cross_entropy(logits_NV, targets_N))
    parts = [0.0, 0.0]

    def run(number: int) -> None:
        rows = slice(number, None, 2)
        parts[number] = float(cross_entropy_loss(logits_NV[rows], targets_N[rows], total=ROWS))

    threads = [Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(parts) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("characters", "has_bfloat16", "training", "evaluation"),
    [
        (LARGE, True, torch.bfloat16, torch.float32),
        (LARGE, False, torch.float32, torch.float32),
        (7, True, torch.float32, torch.float32),
    ],
)
def test_bfloat16_products_are_for_training_with_a_large_vocabulary(
    characters: int,
    has_bfloat16: bool,
    training: torch.dtype,
    evaluation: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loss, "has_bfloat16", lambda: has_bfloat16)
    outputs_TBH, weight_VH = torch.randn(3, 2, 8).bfloat16(), torch.randn(characters, 8)
    bias_V = torch.randn(characters)
    with torch.autocast("cpu", torch.bfloat16):
        logits_TBV = output_logits(outputs_TBH, weight_VH, bias_V)
        with torch.no_grad():
            evaluation_logits_TBV = output_logits(outputs_TBH, weight_VH, bias_V)
    assert logits_TBV.dtype == training
    assert evaluation_logits_TBV.dtype == evaluation
    expected_TBV = linear(outputs_TBH.float(), weight_VH, bias_V)
    tolerance = 1e-5 if training == torch.float32 else 0.1
    torch.testing.assert_close(logits_TBV.float(), expected_TBV, rtol=0.01, atol=tolerance)
    without_autocast_TBV = output_logits(outputs_TBH, weight_VH, bias_V)
    torch.testing.assert_close(without_autocast_TBV, expected_TBV, rtol=1e-5, atol=1e-5)
