import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from charrnn.config.model import Cell
from charrnn.errors import DeviceWarning
from charrnn.recurrence import native, reference
from charrnn.recurrence.layer import LayerWeights
from tests.recurrence.layers import CELLS, flatten, random_state, random_weights


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("characters", [7, 60])  # fewer and more than there are gate rows
def test_native_equals_reference_on_characters(cell: Cell, characters: int) -> None:
    weights = random_weights(cell, characters, 10, torch.float64)
    state = random_state(cell, 3, 10, torch.float64)
    x_TB = torch.randint(0, characters, (6, 3), generator=torch.Generator().manual_seed(5))
    results = []
    for engine in (native, reference):
        result = flatten(*engine.run_layer(cell, x_TB, state, weights))
        gradients = torch.autograd.grad(result.square().sum(), list(weights))
        results.append([result, *gradients])
    for native_part, reference_part in zip(*results, strict=True):
        torch.testing.assert_close(native_part, reference_part)


@pytest.mark.parametrize("cell", CELLS)
def test_native_equals_reference_on_vectors(cell: Cell) -> None:
    weights = random_weights(cell, 5, 10, torch.float64)
    state = random_state(cell, 3, 10, torch.float64)
    inputs_TBI = torch.randn(6, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(
        flatten(*native.run_layer(cell, inputs_TBI, state, weights)),
        flatten(*reference.run_layer(cell, inputs_TBI, state, weights)),
    )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_gradients_agree_with_finite_differences(cell: Cell, engine: str) -> None:
    run = {"native": native, "reference": reference}[engine].run_layer
    weights = random_weights(cell, 3, 4, torch.float64)
    state = tuple(part.requires_grad_() for part in random_state(cell, 2, 4, torch.float64))
    inputs_TBI = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)

    def result(inputs_TBI: Tensor, *parts: Tensor) -> Tensor:
        return flatten(*run(cell, inputs_TBI, parts[:-4], LayerWeights(*parts[-4:])))

    assert torch.autograd.gradcheck(result, (inputs_TBI, *state, *weights))


CPU = torch.device("cpu")
COMPACTION = (
    "RNN module weights are not part of single contiguous chunk of memory. This means they need to "
    "be compacted at every call, possibly greatly increasing memory usage."
)


class Call(NamedTuple):
    """The settings of one call of a kernel of torch."""

    dtypes: set[torch.dtype]
    autocast: bool
    tf32: bool


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Call]]:
    """Simulate a GPU; record the calls of kernels, which issue the warning of cuDNN."""
    recorded: list[Call] = []

    def kernel(inputs: Tensor, state: Any, weights: Sequence[Tensor], *_: Any) -> Any:
        states = list(state) if isinstance(state, list) else [state]
        tensors = [inputs, *states, *weights]
        recorded.append(
            Call(
                {tensor.dtype for tensor in tensors},
                torch.is_autocast_enabled("cuda"),
                torch.backends.cudnn.allow_tf32,
            )
        )
        warnings.warn(COMPACTION, stacklevel=1)
        outputs_TBH = inputs.new_ones(*inputs.shape[:2], states[0].shape[2])
        return outputs_TBH * torch.stack([tensor.sum() for tensor in tensors]).sum(), *states

    for name in ("lstm", "gru", "rnn_tanh"):
        monkeypatch.setattr(torch, name, kernel)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    with FakeTensorMode():
        yield recorded


@contextlib.contextmanager
def autocast(dtype: torch.dtype) -> Iterator[None]:
    """Do the same as `torch.autocast("cuda", dtype)`, also without a GPU."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", dtype)
    try:
        yield
    finally:
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])


def make_gpu_arguments(cell: Cell) -> tuple[Tensor, tuple[Tensor, ...], LayerWeights]:
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[cell] * 8
    shapes = ((gates, 5), (gates, 8), (gates,), (gates,))
    weights = LayerWeights(*(torch.ones(shape, device="cuda") for shape in shapes))
    state = tuple(torch.ones(3, 8, device="cuda") for _ in range(2 if cell == "lstm" else 1))
    return torch.zeros(6, 3, dtype=torch.long, device="cuda"), state, weights


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_gpu_computes_in_the_dtype_of_autocast(
    cell: Cell, dtype: torch.dtype, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "computes_in_bfloat16", lambda device: True)
    with autocast(dtype):
        outputs_TBH, last = native.run_layer(cell, *make_gpu_arguments(cell))
    assert [(call.dtypes, call.autocast) for call in calls] == [({dtype}, False)]
    assert outputs_TBH.dtype == dtype
    assert {part.dtype for part in last} == {torch.float32}


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_flow_through_the_rounding(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "computes_in_bfloat16", lambda device: True)
    weights = random_weights(cell, 5, 10, torch.float32)
    state = random_state(cell, 3, 10, torch.float32)
    inputs_TBI = torch.randn(6, 3, 5, generator=torch.Generator().manual_seed(5))
    results = []
    for run_layer in (native._call_in_autocast_dtype, native.run_layer):
        with autocast(torch.bfloat16):
            outputs_TBH, last = run_layer(cell, inputs_TBI, state, weights)
        result = torch.cat([part.float().flatten() for part in (outputs_TBH, *last)])
        results.append([result, *torch.autograd.grad(result.square().sum(), list(weights))])
    for rounded, exact in zip(*results, strict=True):
        assert rounded.dtype == torch.float32
        assert 0 < (rounded - exact).norm() < 0.1 * exact.norm()


@pytest.mark.parametrize("cell", CELLS)
def test_a_gpu_without_bfloat16_kernels_computes_in_tf32(
    cell: Cell, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "computes_in_bfloat16", lambda device: False)
    with autocast(torch.bfloat16):
        outputs_TBH, _ = native.run_layer(cell, *make_gpu_arguments(cell))
    assert calls == [Call({torch.float32}, autocast=False, tf32=True)]
    assert outputs_TBH.dtype == torch.float32
    assert not torch.backends.cudnn.allow_tf32


def test_a_gpu_computes_exactly_without_autocast(calls: list[Call]) -> None:
    native.run_layer("lstm", *make_gpu_arguments("lstm"))
    assert calls == [Call({torch.float32}, autocast=False, tf32=False)]


@pytest.fixture
def no_cached_checks() -> Iterator[None]:
    """Clear the cached checks of devices before and after a test."""
    native.computes_in_bfloat16.cache_clear()
    yield
    native.computes_in_bfloat16.cache_clear()


class CudnnRnn(torch.autograd.Function):
    """Replaces cuDNN's LSTM, whose gradient function has this name."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, hidden: Tensor, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(*weights)
        return inputs.new_ones(*inputs.shape[:2], hidden.shape[2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return None, None, *ctx.saved_tensors


def test_bfloat16_is_checked_once_per_device(
    no_cached_checks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    dtypes = []

    def lstm(inputs: Tensor, state: list[Tensor], weights: list[Tensor], *_: Any) -> Any:
        dtypes.append({tensor.dtype for tensor in (inputs, *state, *weights)})
        return CudnnRnn.apply(inputs, state[0], *weights), *state  # type: ignore[no-untyped-call]

    monkeypatch.setattr(torch, "lstm", lstm)
    with torch.inference_mode():
        assert all(native.computes_in_bfloat16(CPU) for _ in range(2))
    assert dtypes == [{torch.bfloat16}]


def test_torch_kernels_do_not_count_as_cudnn(no_cached_checks: None) -> None:
    with pytest.warns(DeviceWarning, match=r"in bfloat16 on this GPU \(torch .* does not use"):
        assert not native.computes_in_bfloat16(CPU)
    assert not native.computes_in_bfloat16(CPU)  # no second warning


def test_missing_bfloat16_warns_once(
    no_cached_checks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED\nat line 1")

    monkeypatch.setattr(torch, "lstm", refuse)
    with pytest.warns(DeviceWarning, match=r"\(cuDNN error: CUDNN_STATUS_NOT_SUPPORTED\): they"):
        assert not native.computes_in_bfloat16(CPU)
    assert not native.computes_in_bfloat16(CPU)


def test_out_of_memory_in_the_check_is_an_error(
    no_cached_checks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "lstm", full)
    with pytest.raises(torch.OutOfMemoryError):
        native.computes_in_bfloat16(CPU)


@pytest.mark.gpu
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_gpu_rounds_to_the_dtype_of_autocast(cell: Cell, dtype: torch.dtype) -> None:
    weights = LayerWeights(
        *(0.2 * weight.cuda() for weight in random_weights(cell, 60, 64, torch.float32))
    )
    state = tuple(part.cuda() for part in random_state(cell, 3, 64, torch.float32))
    x_TB = torch.randint(0, 60, (20, 3)).cuda()
    expected = flatten(*reference.run_layer(cell, x_TB, state, weights))
    with warnings.catch_warnings(), torch.autocast("cuda", dtype):
        warnings.simplefilter("ignore", DeviceWarning)
        outputs_TBH, last = native.run_layer(cell, x_TB, state, weights)
        exact = dtype == torch.bfloat16 and not native.computes_in_bfloat16(x_TB.device)
    assert outputs_TBH.dtype == (torch.float32 if exact else dtype)
    result = flatten(outputs_TBH.float(), last)
    assert (result - expected).norm() < 0.03 * expected.norm()
