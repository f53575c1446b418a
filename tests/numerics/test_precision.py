import pytest
import torch

from charrnn.errors import DeviceError
from charrnn.numerics import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("is_supported", [True, False])
def test_auto_precision_depends_on_the_cpu(
    is_supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda: is_supported)
    assert precision.choose_precision("auto", CPU, "lstm") == (
        "bfloat16" if is_supported else "float32"
    )
    assert precision.choose_precision("auto", CPU, "gru") == "float32"
    assert precision.choose_precision("float32", CPU, "lstm") == "float32"
    assert precision.choose_precision("bfloat16", CPU, "lstm") == "bfloat16"


def test_unsupported_precision_is_an_error() -> None:
    assert precision.choose_precision("auto", torch.device("mps"), "lstm") == "float32"
    with pytest.raises(DeviceError, match="use --precision float32"):
        precision.choose_precision("bfloat16", torch.device("mps"), "lstm")


@pytest.mark.parametrize(
    ("has_amx", "has_bfloat16", "capability", "machine", "expected"),
    [
        (True, True, "AVX512", "x86_64", "AMX"),
        (False, True, "AVX512", "x86_64", "AVX-512 BF16"),
        (False, False, "AVX512", "x86_64", "AVX-512"),
        (False, False, "AVX2", "x86_64", "AVX2"),
        (False, False, "DEFAULT", "arm64", "NEON"),
        (False, False, "DEFAULT", "x86_64", "unknown"),
    ],
)
def test_the_instructions_of_the_cpu_have_a_name(
    has_amx: bool,
    has_bfloat16: bool,
    capability: str,
    machine: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx, raising=False)
    monkeypatch.setattr(precision, "has_bfloat16", lambda: has_bfloat16)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert precision.cpu_instructions() == expected
