import dataclasses
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.dropout import Masks
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.recurrence.cuda import check, launch, persistent
from charrnn.recurrence.cuda.check import Verdict
from charrnn.recurrence.cuda.wavefront import Plan
from charrnn.recurrence.dispatch import run_layers
from charrnn.recurrence.layer import LayerWeights
from tests.recurrence.cuda.emulator import (
    TOLERANCE,
    Emulator,
    Network,
    network,
    relative_differences,
    run_reference,
)
from tests.recurrence.cuda.stand_in import H100

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU")


A100 = SimpleNamespace(
    major=8, minor=0, multi_processor_count=108, shared_memory_per_block_optin=166912
)
RTX_4090 = SimpleNamespace(
    major=8, minor=9, multi_processor_count=128, shared_memory_per_block_optin=101376
)
T4 = SimpleNamespace(
    major=7, minor=5, multi_processor_count=40, shared_memory_per_block_optin=65536
)


@pytest.mark.parametrize(
    ("layers", "hidden", "gpu", "reason"),
    [
        (3, 512, H100, None),
        (3, 512, A100, None),
        (
            3,
            512,
            RTX_4090,
            "it does not fit on this GPU (needs 163,840 bytes of shared memory per block, "
            "has 101,376)",
        ),
        (2, 256, RTX_4090, None),
        (4, 512, H100, None),
        (4, 512, A100, "it does not fit on this GPU (needs 128 multiprocessors, has 108)"),
        (5, 512, H100, "it does not fit on this GPU (needs 160 multiprocessors, has 132)"),
        (3, 500, H100, "it cannot divide layers of 500 units (it needs a multiple of 32)"),
        (
            1,
            32,
            T4,
            "it needs a GPU of compute capability 8.0 or higher, and this one has 7.5",
        ),
    ],
)
def test_a_plan_that_does_not_fit_on_a_gpu_has_a_reason(
    layers: int, hidden: int, gpu: SimpleNamespace, reason: str | None
) -> None:
    plan = Plan(layers=layers, hidden=hidden, streams=128, dtype=torch.bfloat16)
    assert persistent.misfit_reason(plan, gpu) == reason


def test_the_kernel_does_not_support_cpus() -> None:
    case = network(2, 32, 16, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert not persistent.supports("lstm", case.x_TB, case.layers)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Simulate a GPU and autocast in bfloat16; return the plans that are checked."""
    plans: list[Plan] = []

    def check_kernel(plan: Plan, device: torch.device) -> Verdict:
        plans.append(plan)
        return Verdict(plan.streams != 48, "it is wrong")

    monkeypatch.setattr(persistent, "check_kernel", check_kernel)
    monkeypatch.setattr(persistent, "_VERDICTS", {})
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: H100)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: True)
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda device: torch.bfloat16)
    return plans


def on_a_gpu(
    steps: int = 20, streams: int = 32, width: int = 65
) -> tuple[Tensor, list[LayerWeights]]:
    with FakeTensorMode():
        shapes = ((2048, width), (2048, 512), (2048,), (2048,))
        layer = LayerWeights(*(torch.empty(shape, device="cuda") for shape in shapes))
        return torch.empty(steps, streams, dtype=torch.long, device="cuda"), [layer] * 3


def test_a_size_is_checked_once_and_supported_if_it_is_correct(checked: list[Plan]) -> None:
    for _ in range(2):
        assert persistent.supports("lstm", *on_a_gpu())
        assert not persistent.supports("lstm", *on_a_gpu(streams=48))
    assert [plan.streams for plan in checked] == [32, 48]


def test_unsupported_layers_are_not_checked(
    checked: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not persistent.supports("gru", *on_a_gpu())
    assert not persistent.supports("lstm", *on_a_gpu(steps=2))
    assert not persistent.supports("lstm", *on_a_gpu(streams=2))
    assert not persistent.supports("lstm", *on_a_gpu(width=5000))
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        assert not persistent.supports("lstm", *on_a_gpu())
    with monkeypatch.context() as patch:
        patch.setattr(torch, "is_autocast_enabled", lambda device: False)
        assert not persistent.supports("lstm", *on_a_gpu())
    assert checked == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"cell": "gru"}, "it computes LSTM layers, not gru"),
        ({"dtype": torch.float32}, "it computes in bfloat16 or float16 only"),
        ({"steps": 7}, "it needs 8 steps or more"),
        ({"streams": 15}, "it needs 16 streams or more"),
        ({"characters": 2049}, "it needs a vocabulary of at most 2,048 characters"),
        ({"streams": 48}, "it is wrong"),
        ({"layers": 5}, "it does not fit on this GPU (needs 160 multiprocessors, has 132)"),
    ],
)
def test_a_refusal_has_a_reason(
    checked: list[Plan], changed: dict[str, Any], reason: str | None
) -> None:
    device = torch.device("cuda", 0)
    workload = persistent.Workload(
        cell="lstm",
        layers=3,
        hidden=512,
        characters=65,
        steps=64,
        streams=32,
        dtype=torch.bfloat16,
        device=device,
    )
    assert persistent.refusal_reason(dataclasses.replace(workload, **changed)) == reason


def test_a_size_is_not_checked_during_a_capture(
    checked: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        assert not persistent.supports("lstm", *on_a_gpu())
        assert checked == []
    assert persistent.supports("lstm", *on_a_gpu())
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        assert persistent.supports("lstm", *on_a_gpu())


@pytest.mark.parametrize("value", ["off", "OFF"])
def test_the_kernel_can_be_turned_off(
    value: str, checked: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_CUDA_KERNEL", value)
    assert not persistent.supports("lstm", *on_a_gpu())
    monkeypatch.setenv("CHARRNN_CUDA_KERNEL", "on")
    assert persistent.supports("lstm", *on_a_gpu())


def test_a_network_gives_the_same_results_with_and_without_the_kernel(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "launch_kernel", emulator.launch())
    config = ModelConfig(num_layers=2, hidden_size=32)
    model = CharRNN(config, Vocabulary(["a", "b", "c"])).initialize(1)
    draws = torch.Generator().manual_seed(0)
    x_TB = torch.randint(3, (6, 16), generator=draws)
    state = State(tuple(part + 0.1 for part in model.initial_state(16).parts_LBH))

    def keep(*shape: int) -> Tensor:
        return (torch.rand(shape, generator=draws) < 0.8) / 0.8

    masks = Masks(
        inputs_V=keep(3),
        recurrent_LGH=keep(2, 128, 32),
        between_LBH=keep(1, 16, 32),
        output_BH=keep(16, 32),
        carried_B1=keep(16, 1).sign(),
    )
    results = []
    for is_supported in (False, True):
        monkeypatch.setattr(persistent, "supports", lambda *_, answer=is_supported: answer)
        logits_TBV, last = model(x_TB, state, masks)
        assert logits_TBV.dtype == torch.float32
        model.zero_grad()
        logits_TBV.square().sum().backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        results.append([logits_TBV.detach(), *(p.detach() for p in last.parts_LBH), *gradients])
    assert max(relative_differences(*results)) < TOLERANCE[torch.get_autocast_dtype("cuda")]


@pytest.fixture
def make_case(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, torch.dtype], Network]]:
    """Return a function that makes networks that fit on the GPU.

    The kernels are checked in this process only, which takes less time.
    """
    monkeypatch.setattr(check, "check_in_child", check.check_here)

    def make(streams: int, dtype: torch.dtype) -> Network:
        gpu = torch.device("cuda", torch.cuda.current_device())
        case = network(3, 512, streams, 40, dropout=True, width=65)
        assert case.between_MBH is not None
        case = Network(
            case.x_TB.to(gpu),
            tuple(part.detach().to(gpu).requires_grad_() for part in case.parts_LBH),
            [
                LayerWeights(*(weight.detach().to(gpu).requires_grad_() for weight in layer))
                for layer in case.layers
            ],
            case.between_MBH.to(gpu),
        )
        plan = Plan(layers=3, hidden=512, streams=streams, dtype=dtype)
        if persistent.misfit_reason(plan, torch.cuda.get_device_properties(gpu)):
            pytest.skip("3 layers of 512 units do not fit on this GPU")
        return case

    yield make
    persistent._VERDICTS.clear()


@pytest.mark.gpu
@CUDA
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("streams", [16, 50, 128, 300])
def test_results_on_a_gpu_equal_the_reference(
    make_case: Callable[[int, torch.dtype], Network], streams: int, dtype: torch.dtype
) -> None:
    case = make_case(streams, dtype)
    with torch.autocast("cuda", dtype):
        assert persistent.supports("lstm", case.x_TB, case.layers)
        results_of_kernel = run_layers("lstm", *case)
    expected = run_reference(case)
    factors = [torch.randn_like(tensor) for tensor in (expected[0], *expected[1])]
    results = []
    for outputs_TBH, last_LBH in (results_of_kernel, expected):
        tensors = [outputs_TBH.float(), *last_LBH]
        pairs = zip(tensors, factors, strict=True)
        loss = torch.stack([(tensor * factor).sum() for tensor, factor in pairs]).sum()
        results.append([*tensors, *torch.autograd.grad(loss, case.leaves)])
    assert max(relative_differences(*results)) < 3 * TOLERANCE[dtype]


@pytest.mark.gpu
@CUDA
def test_a_gpu_captures_the_kernel_in_a_graph(
    make_case: Callable[[int, torch.dtype], Network],
) -> None:
    case = make_case(128, torch.bfloat16)
    with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
        assert persistent.supports("lstm", case.x_TB, case.layers)
        expected, _ = run_layers("lstm", *case)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs_TBH, _ = run_layers("lstm", *case)
        for _ in range(3):
            graph.replay()
            assert outputs_TBH.equal(expected)
