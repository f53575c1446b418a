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
