from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.dropout import Masks
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.recurrence.cuda import persistent
from charrnn.recurrence.cuda.nvrtc import CudaError
from charrnn.recurrence.cuda.wavefront import Plan
from charrnn.recurrence.dispatch import run_layers
from charrnn.recurrence.layer import LayerWeights
from tests.recurrence.cuda.emulator import (
    TOLERANCE,
    Emulator,
    Fields,
    Network,
    distances,
    network,
    plainly,
)

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here")
PLAN = Plan(layers=2, hidden=32, streams=16, dtype=torch.bfloat16)
PROCESSOR = torch.device("cpu")


def test_a_gpu_that_computes_the_same_is_trusted(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persistent, "_launch", emulator.launch())
    before = torch.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert persistent.works(PLAN, PROCESSOR)
    assert torch.get_rng_state().equal(before)


def nothing(kernel: str, plan: Plan, fields: Fields) -> None:
    for each in fields:
        if isinstance(each, Tensor) and each.is_floating_point():
            each.zero_()


def failing(kernel: str, plan: Plan, fields: Fields) -> None:
    raise CudaError("cuModuleLoadData: no kernel image is available")


def test_a_gpu_that_fails_or_computes_something_else_is_not(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_backward(kernel: str, plan: Plan, fields: Fields) -> None:
        (nothing if kernel == "backward" else emulator.launch())(kernel, plan, fields)

    spoiled = emulator.launch("-DSPINS=300", absent=1)
    for launch in (nothing, failing, without_backward, spoiled):
        monkeypatch.setattr(persistent, "_launch", launch)
        assert not persistent.works(PLAN, PROCESSOR)


H100 = SimpleNamespace(
    major=9, minor=0, multi_processor_count=132, shared_memory_per_block_optin=232448
)
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
    ("layers", "hidden", "gpu", "fitting"),
    [
        (3, 512, H100, True),
        (3, 512, A100, True),
        (3, 512, RTX_4090, False),  # too little shared memory
        (2, 256, RTX_4090, True),
        (4, 512, H100, True),
        (4, 512, A100, False),  # more blocks than multiprocessors
        (5, 512, H100, False),
        (3, 500, H100, False),  # cannot be cut
        (1, 32, T4, False),  # no bfloat16
    ],
)
def test_what_fits_on_which_gpu(
    layers: int, hidden: int, gpu: SimpleNamespace, fitting: bool
) -> None:
    plan = Plan(layers=layers, hidden=hidden, streams=128, dtype=torch.bfloat16)
    assert persistent.fits(plan, gpu) == fitting


def test_processors_are_served_by_their_own_engine() -> None:
    made = network(2, 32, 16, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert not persistent.serves("lstm", made.x_TB, made.layers)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Let a GPU be there as far as choosing goes, in bfloat16; return what was tried out on it."""
    plans: list[Plan] = []

    def works(plan: Plan, device: torch.device) -> bool:
        plans.append(plan)
        return plan.streams != 48

    monkeypatch.setattr(persistent, "works", works)
    monkeypatch.setattr(persistent, "_CHECKED", {})
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


def test_a_network_computes_with_it_what_it_does_layer_by_layer(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persistent, "_launch", emulator.launch())
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
def served() -> Iterator[Callable[[int, torch.dtype], Network]]:
    """Give networks on the GPU, all of whose layers fit on it."""

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
        if not persistent.fits(plan, torch.cuda.get_device_properties(gpu)):
            pytest.skip("3 layers of 512 units do not fit on this GPU")
        return found

    yield made
    persistent._CHECKED.clear()


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
