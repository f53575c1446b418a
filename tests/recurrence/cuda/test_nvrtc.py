from dataclasses import replace

import pytest
import torch

from charrnn.recurrence.cuda import nvrtc, persistent
from charrnn.recurrence.cuda.nvrtc import CudaError, Kernels, compile_source
from charrnn.recurrence.cuda.wavefront import Plan
from tests.recurrence.cuda.emulator import Emulator

PLAN = Plan(layers=2, hidden=32, streams=16, dtype=torch.bfloat16)


def test_the_driver_s_complaint_is_told(emulator: Emulator) -> None:
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
        pytest.skip(f"there is no NVRTC here: {error}")
    plan = Plan(layers=3, hidden=512, streams=128, dtype=torch.bfloat16)
    for dtype in (torch.bfloat16, torch.float16):
        definitions = replace(plan, dtype=dtype).definitions()
        assert compile_source(persistent.source(), definitions, architecture).startswith(b"\x7fELF")
    with pytest.raises(CudaError, match="nvrtcCompileProgram"):
        compile_source("something else", {}, architecture)
