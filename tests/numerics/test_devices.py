import numpy as np
import pytest
import torch

from charrnn.errors import DeviceError, DeviceWarning
from charrnn.numerics import devices
from charrnn.numerics.devices import choose_device, copy_if_small, free_memory

real_device = torch.device


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(DeviceError, match="the device must be auto, cpu, cuda, mps, not 'tpu'"):
        choose_device("tpu")


def test_cpu_passes_the_lstm_check() -> None:
    assert devices.computes_lstm_correctly(torch.device("cpu"))


@pytest.mark.parametrize("wrong", ["outputs", "gradients"])
def test_device_with_a_wrong_lstm_is_replaced_by_the_cpu_with_a_warning(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = torch.lstm, []

    def lstm(inputs: torch.Tensor, *arguments: object) -> tuple[torch.Tensor, ...]:
        outputs, *last = plain(inputs, *arguments)  # type: ignore[call-overload]
        calls.append(1)
        if len(calls) == 1:  # the first call is for the device
            constant = outputs.detach()
            outputs = outputs + 0.01 if wrong == "outputs" else 0.9 * outputs + 0.1 * constant
        return outputs, *last

    monkeypatch.setattr(torch, "lstm", lstm)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch, "device", lambda name: real_device("cpu"))
    devices.computes_lstm_correctly.cache_clear()
    with pytest.warns(DeviceWarning, match="charrnn uses the CPU"):
        assert devices.choose_device("mps").type == "cpu"
    devices.computes_lstm_correctly.cache_clear()


def test_idle_gpus_give_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    (sentence,) = devices.idle_gpu_advice(torch.device("cuda"), processes=1)
    assert "torchrun --nproc-per-node=4 -m charrnn train" in sentence
    assert devices.idle_gpu_advice(torch.device("cuda"), processes=4) == ()
    assert devices.idle_gpu_advice(torch.device("cpu"), processes=1) == ()


def test_text_over_a_quarter_of_the_memory_is_not_copied() -> None:
    codes, device = np.arange(100, dtype=np.uint16), torch.device("cpu")
    assert copy_if_small(codes, device, 1599) is None
    copy = copy_if_small(codes, device, 1600)
    assert copy is not None
    assert copy.tolist() == codes.tolist()
    assert copy_if_small(codes.astype(np.uint8), device, 400) is not None
    assert free_memory(device) == 0
