import ctypes
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from charrnn.numerics import nvrtc
from charrnn.numerics.nvrtc import CudaError, Kernels, compile_source
from charrnn.recurrence.cuda import launch
from charrnn.recurrence.cuda.wavefront import Plan
from tests.recurrence.cuda.emulator import Emulator

PLAN = Plan(layers=2, hidden=32, streams=16, dtype=torch.bfloat16)


def test_an_error_of_the_driver_is_reported(emulator: Emulator) -> None:
    library = emulator.library(tuple(PLAN.definitions().items()), ())
    kernels = Kernels(b"code", ("forward",), PLAN.shared_bytes, library)
    with pytest.raises(CudaError, match=r"cuLaunchCooperativeKernel: invalid argument \(1\)"):
        kernels.launch("forward", PLAN.blocks, 1024, 0, [0])
    with pytest.raises(CudaError, match="cuModuleGetFunction"):
        Kernels(b"code", ("sideways",), PLAN.shared_bytes, library)


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_nvrtc_compiles_the_kernels(architecture: str) -> None:
    try:
        nvrtc._nvrtc()
    except OSError as error:
        pytest.skip(f"NVRTC is not installed: {error}")
    plan = Plan(layers=3, hidden=512, streams=128, dtype=torch.bfloat16)
    for dtype in (torch.bfloat16, torch.float16):
        definitions = replace(plan, dtype=dtype).definitions()
        assert compile_source(launch.source(), definitions, architecture).startswith(b"\x7fELF")
    with pytest.raises(CudaError, match="nvrtcCompileProgram"):
        compile_source("something else", {}, architecture)


@pytest.mark.parametrize(
    ("cuda", "folder", "builtins"),
    [("13.0", "cu13", "13.0"), ("12.8", "cuda_nvrtc", "12.8"), ("12.8", "cuda_nvrtc", None)],
)
def test_the_builtins_of_nvrtc_are_loaded_first(
    cuda: str,
    folder: str,
    builtins: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = tmp_path / "nvidia" / folder / "lib" / f"libnvrtc.so.{cuda.split('.', maxsplit=1)[0]}"
    expected = [library]
    if builtins:
        expected.insert(0, library.with_name(f"libnvrtc-builtins.so.{builtins}"))
    library.parent.mkdir(parents=True)
    for path in expected:
        path.touch()
    loaded: list[Path] = []
    monkeypatch.setattr(torch, "__file__", str(tmp_path / "torch" / "__init__.py"))
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(ctypes, "CDLL", lambda path: loaded.append(Path(path)))
    nvrtc._nvrtc.__wrapped__()
    assert loaded == expected


def test_without_nvrtc_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise OSError("libnvrtc.so.13: cannot open shared object file")

    monkeypatch.setattr(nvrtc, "_nvrtc", load)
    with pytest.raises(CudaError, match=r"NVRTC was not found \(libnvrtc.so.13: cannot open"):
        compile_source("", {}, "sm_90")
