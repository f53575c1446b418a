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
    distances,
    network,
    plainly,
)
from tests.recurrence.cuda.stand_in import H100

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here")


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
def test_what_fits_on_which_gpu(
    layers: int, hidden: int, gpu: SimpleNamespace, reason: str | None
) -> None:
    plan = Plan(layers=layers, hidden=hidden, streams=128, dtype=torch.bfloat16)
    assert persistent.misfit_reason(plan, gpu) == reason


def test_processors_are_served_by_their_own_engine() -> None:
    made = network(2, 32, 16, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert not persistent.serves("lstm", made.x_TB, made.layers)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Let a GPU be there as far as choosing goes, in bfloat16; return what was tried out on it."""
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


def test_a_size_is_tried_once_and_served_if_it_computes_the_same(tried: list[Plan]) -> None:
    for _ in range(2):
        assert persistent.serves("lstm", *on_a_gpu())
        assert not persistent.serves("lstm", *on_a_gpu(streams=48))
    assert [plan.streams for plan in tried] == [32, 48]


def test_what_it_does_not_compute_is_not_even_tried(
    tried: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not persistent.serves("gru", *on_a_gpu())
    assert not persistent.serves("lstm", *on_a_gpu(steps=2))
    assert not persistent.serves("lstm", *on_a_gpu(streams=2))
    assert not persistent.serves("lstm", *on_a_gpu(width=5000))
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        assert not persistent.serves("lstm", *on_a_gpu())
    with monkeypatch.context() as patch:
        patch.setattr(torch, "is_autocast_enabled", lambda device: False)
        assert not persistent.serves("lstm", *on_a_gpu())
    assert tried == []


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
    tried: list[Plan], changed: dict[str, Any], reason: str | None
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


def test_a_size_that_is_first_met_in_a_capture_is_checked_later(
    tried: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        assert not persistent.serves("lstm", *on_a_gpu())
        assert tried == []
    assert persistent.serves("lstm", *on_a_gpu())
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        assert persistent.serves("lstm", *on_a_gpu())


@pytest.mark.parametrize("value", ["off", "OFF"])
def test_the_kernel_can_be_turned_off(
    value: str, tried: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_CUDA_KERNEL", value)
    assert not persistent.serves("lstm", *on_a_gpu())
    monkeypatch.setenv("CHARRNN_CUDA_KERNEL", "on")
    assert persistent.serves("lstm", *on_a_gpu())


def test_a_network_computes_with_it_what_it_does_layer_by_layer(
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
    for serves in (False, True):
        monkeypatch.setattr(persistent, "serves", lambda *_, answer=serves: answer)
        logits_TBV, after = model(x_TB, state, masks)
        assert logits_TBV.dtype == torch.float32
        model.zero_grad()
        logits_TBV.square().sum().backward()
        gradients = [each.grad.clone() for each in model.parameters() if each.grad is not None]
        results.append([logits_TBV.detach(), *(p.detach() for p in after.parts_LBH), *gradients])
    assert max(distances(*results)) < TOLERANCE[torch.get_autocast_dtype("cuda")]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, torch.dtype], Network]]:
    """Give networks on the GPU, all of whose layers fit on it.

    The kernels are checked in this process alone, which takes less time.
    """
    monkeypatch.setattr(check, "check_in_child", check.check_here)

    def made(streams: int, dtype: torch.dtype) -> Network:
        gpu = torch.device("cuda", torch.cuda.current_device())
        found = network(3, 512, streams, 40, dropout=True, width=65)
        assert found.between_MBH is not None
        found = Network(
            found.x_TB.to(gpu),
            tuple(part.detach().to(gpu).requires_grad_() for part in found.parts_LBH),
            [
                LayerWeights(*(each.detach().to(gpu).requires_grad_() for each in layer))
                for layer in found.layers
            ],
            found.between_MBH.to(gpu),
        )
        plan = Plan(layers=3, hidden=512, streams=streams, dtype=dtype)
        if persistent.misfit_reason(plan, torch.cuda.get_device_properties(gpu)):
            pytest.skip("3 layers of 512 units do not fit on this GPU")
        return found

    yield made
    persistent._VERDICTS.clear()


@pytest.mark.gpu
@CUDA
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("streams", [16, 50, 128, 300])
def test_on_a_gpu_it_is_the_plain_loop_too(
    served: Callable[[int, torch.dtype], Network], streams: int, dtype: torch.dtype
) -> None:
    made = served(streams, dtype)
    with torch.autocast("cuda", dtype):
        assert persistent.serves("lstm", made.x_TB, made.layers)
        found = run_layers("lstm", *made)
    expected = plainly(made)
    factors = [torch.randn_like(each) for each in (expected[0], *expected[1])]
    results = []
    for outputs_TBH, last_LBH in (found, expected):
        everything = [outputs_TBH.float(), *last_LBH]
        pairs = zip(everything, factors, strict=True)
        loss = torch.stack([(each * by).sum() for each, by in pairs]).sum()
        results.append([*everything, *torch.autograd.grad(loss, made.leaves)])
    assert max(distances(*results)) < 3 * TOLERANCE[dtype]


@pytest.mark.gpu
@CUDA
def test_on_a_gpu_it_can_be_captured_in_a_graph(
    served: Callable[[int, torch.dtype], Network],
) -> None:
    made = served(128, torch.bfloat16)
    with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
        assert persistent.serves("lstm", made.x_TB, made.layers)
        expected, _ = run_layers("lstm", *made)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found, _ = run_layers("lstm", *made)
        for _ in range(3):
            graph.replay()
            assert found.equal(expected)
