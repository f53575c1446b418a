import subprocess
import sys

import pytest
import torch

from charrnn.errors import DeviceError, DeviceWarning
from charrnn.numerics import devices

CPU = torch.device("cpu")


@pytest.mark.parametrize("there", [True, False])
def test_precision_is_chosen_by_the_processor(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bfloat16", lambda: there)
    assert devices.choose_precision("auto", CPU, "lstm") == ("bfloat16" if there else "float32")
    assert devices.choose_precision("auto", CPU, "gru") == "float32"
    assert devices.choose_precision("float32", CPU, "lstm") == "float32"
    assert devices.choose_precision("bfloat16", CPU, "lstm") == "bfloat16"


def test_a_precision_that_the_device_does_not_serve_is_an_error() -> None:
    assert devices.choose_precision("auto", torch.device("mps"), "lstm") == "float32"
    with pytest.raises(DeviceError, match="use --precision float32"):
        devices.choose_precision("bfloat16", torch.device("mps"), "lstm")


def test_threads_are_set_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.set_threads(3) == 3
    assert torch.get_num_threads() == 3
    monkeypatch.setattr(devices, "cores_allowed", lambda: 2)
    assert devices.set_threads(None) == 2
    assert torch.get_num_threads() == 2


def test_threads_of_others_keep_their_number_beside_the_engine() -> None:
    script = (
        "import torch, threading; from charrnn.recurrence.cpu.threads import deal_out; "
        "torch.set_num_threads(2); deal_out(lambda some: None, 64); seen = []; "
        "other = threading.Thread(target=lambda: seen.append(torch.get_num_threads())); "
        "other.start(); other.join(); assert seen == [2], seen"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_keeping_freed_memory_is_harmless() -> None:
    devices.keep_freed_memory()
    assert torch.ones(1000, 1000).sum() == 1_000_000


real = torch.device


def test_the_processor_computes_as_it_does() -> None:
    assert devices.computes_rightly(torch.device("cpu"))


@pytest.mark.parametrize("wrong", ["outputs", "gradients"])
def test_a_device_that_computes_an_lstm_wrongly_is_left_with_a_sentence(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = torch.lstm, []

    def lstm(inputs: torch.Tensor, *arguments: object) -> tuple[torch.Tensor, ...]:
        outputs, *last = plain(inputs, *arguments)  # type: ignore[call-overload]
        calls.append(1)
        if len(calls) == 1:  # the device is asked first
            held = outputs.detach()
            outputs = outputs + 0.01 if wrong == "outputs" else 0.9 * outputs + 0.1 * held
        return outputs, *last

    monkeypatch.setattr(torch, "lstm", lstm)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch, "device", lambda name: real("cpu"))
    devices.computes_rightly.cache_clear()
    with pytest.warns(DeviceWarning, match="the processor computes instead"):
        assert devices.choose_device("mps").type == "cpu"
    devices.computes_rightly.cache_clear()


def test_gpus_that_would_be_idle_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    (sentence,) = devices.idle_gpus(torch.device("cuda"), processes=1)
    assert "torchrun --nproc-per-node=4 -m charrnn train" in sentence
    assert devices.idle_gpus(torch.device("cuda"), processes=4) == ()
    assert devices.idle_gpus(torch.device("cpu"), processes=1) == ()
