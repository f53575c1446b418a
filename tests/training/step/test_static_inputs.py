"""Inputs at fixed addresses of a GPU's memory. The CPU or the device `meta` replaces the GPU."""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DeviceWarning
from charrnn.model.dropout import make_masks
from charrnn.model.network import CharRNN
from charrnn.numerics import philox
from charrnn.numerics.philox import Launch
from charrnn.training.step import static_inputs
from charrnn.training.step.inputs import StepInputs, StepInputSource
from charrnn.training.step.static_inputs import StaticInputSource
from charrnn.training.step.train_step import TrainStep
from tests.conftest import TINY_MODEL, UNREGULARIZED
from tests.numerics.philox_emulator import build_launch

CONFIG: ResolvedTrainConfig = dataclasses.replace(
    UNREGULARIZED,
    batch_size=6,
    dropout=0.2,
    output_dropout=0.3,
    weight_drop=0.3,
    input_dropout=0.1,
    state_drop=0.2,
)
CODES = np.random.default_rng(0).integers(0, 5, 500, np.uint8)
STREAMS = slice(2, 5)
STEPS = [0, 1, 2, 3, 9, 10, 11, 12, 4, 5, 300]


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    return build_launch(tmp_path_factory.mktemp("philox"))


@pytest.fixture(params=["resident", "copied"])
def text(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the text into the memory of the device, or copy each window; return which."""
    free = 4 * len(CODES) if request.param == "resident" else 0
    monkeypatch.setattr(static_inputs, "free_memory", lambda device: free)
    return str(request.param)


def network(device: str = "cpu") -> CharRNN:
    return CharRNN(TINY_MODEL, Vocabulary("abcde")).to(device)


def refuse_launch(device: torch.device, blocks: int, fields: Sequence[int]) -> None:
    raise OSError("libnvrtc.so.13: cannot open shared object file")


def make_source(launch: Launch, masks: str) -> StaticInputSource:
    """Return inputs whose masks are `drawn` on the device, or `copied` to it."""
    if masks == "drawn":
        return StaticInputSource(CODES, network(), CONFIG, STREAMS, launch)
    with pytest.warns(DeviceWarning, match=r"dropout masks \(libnvrtc.so.13: cannot open"):
        return StaticInputSource(CODES, network(), CONFIG, STREAMS, refuse_launch)


@pytest.mark.parametrize("masks", ["drawn", "copied"])
def test_inputs_are_those_of_the_cpu_at_the_same_addresses(
    launch: Launch, text: str, masks: str
) -> None:
    source = make_source(launch, masks)
    expected_source = StepInputSource(CODES, network(), CONFIG, STREAMS)
    addresses = set()
    for step in STEPS:
        source.load(step, 0.001 * step)
        expected_source.load(step, 0.001 * step)
        inputs, expected = source.read(), expected_source.read()
        assert torch.equal(inputs.window_TB, expected.window_TB)
        assert inputs.mask_bytes.keys() == expected.mask_bytes.keys()
        for name, bytes_ in expected.mask_bytes.items():
            assert torch.equal(inputs.mask_bytes[name], bytes_)
        for name in ("learning_rate", "ema_weight"):
            number, expected_number = getattr(inputs, name), getattr(expected, name)
            assert number.dtype == torch.float32
            assert number.item() == np.float32(expected_number)
        addresses.add(fixed_addresses(inputs, text))
    assert len(addresses) == 1


def fixed_addresses(inputs: StepInputs, text: str) -> tuple[int, ...]:
    window = [inputs.window_TB] if text == "copied" else []
    tensors = [*window, *inputs.mask_bytes.values(), inputs.learning_rate, inputs.ema_weight]
    return tuple(tensor.data_ptr() for tensor in tensors if isinstance(tensor, torch.Tensor))


def test_without_masks_no_kernel_is_compiled() -> None:
    config = dataclasses.replace(UNREGULARIZED, batch_size=6)
    source = StaticInputSource(CODES, network(), config, STREAMS, refuse_launch)
    source.load(3, 0.1)
    assert source.read().mask_bytes == {}


class Transfers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the copies to `meta`; fails for synchronous copies and for copies to the CPU."""

    def __init__(self, is_pinned: Callable[[torch.Tensor], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._is_pinned = is_pinned
        self.count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        tensors = [value for value in (*arguments, result) if isinstance(value, torch.Tensor)]
        if len({tensor.device.type for tensor in tensors}) > 1:
            assert function is torch.ops.aten.copy_.default, f"{function} waits"
            target, source, non_blocking = arguments
            assert (target.device.type, source.device.type) == ("meta", "cpu")
            assert self._is_pinned(source)
            assert non_blocking
            self.count += 1
        return result


@pytest.mark.parametrize(("masks", "copies"), [("drawn", 1), ("copied", 6)])
def test_all_copies_of_a_step_are_asynchronous(
    text: str, masks: str, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned: list[torch.Tensor] = []

    def is_pinned(tensor: torch.Tensor) -> bool:
        return any(copy is tensor for copy in pinned)

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "is_pinned", is_pinned)
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    defect = None if masks == "drawn" else "there is no NVRTC"
    monkeypatch.setattr(philox, "find_defect", lambda device, launch: defect)
    with pytest.warns(DeviceWarning) if defect else contextlib.nullcontext():
        source = StaticInputSource(
            CODES, network("meta"), CONFIG, STREAMS, lambda device, blocks, fields: None
        )
    source.load(6, 0.1)
    with Transfers(is_pinned) as transfers:
        source.load(7, 0.1)
        make_masks(source.read().mask_bytes, CONFIG)
    assert transfers.count == copies + (text == "copied")


@pytest.mark.gpu
def test_a_gpu_gets_the_inputs_of_the_cpu_and_steps_are_asynchronous() -> None:
    model = network("cuda")
    source = StaticInputSource(CODES, model, CONFIG, STREAMS)
    expected_source = StepInputSource(CODES, network(), CONFIG, STREAMS)
    train_step = TrainStep(model, CONFIG, STREAMS)
    source.load(0, 0.1)
    train_step(source.read, lambda loss: loss)  # allocates memory
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this mode a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        for step in STEPS:
            source.load(step, 0.1)
            train_step(source.read, lambda loss: loss)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    inputs = source.read()
    expected_source.load(STEPS[-1], 0.1)
    expected = expected_source.read()
    assert torch.equal(inputs.window_TB.cpu(), expected.window_TB)
    for name, bytes_ in expected.mask_bytes.items():
        assert torch.equal(inputs.mask_bytes[name].cpu(), bytes_)
