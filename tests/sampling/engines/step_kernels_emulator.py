"""The kernels of the gates and of the draw, built for the CPU."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from charrnn.numerics.nvrtc import Kernels
from charrnn.sampling.engines import step_kernels
from tests.recurrence.cuda.emulator import EMULATION

_DRIVER = Path(__file__).with_name("emulation") / "driver.cpp"


def build_launch(folder: Path) -> step_kernels.Launch:
    """Return a function that launches the kernels on the CPU; skip the test without a compiler."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler to run the kernels on a CPU: install g++")
    library = folder / "step_kernels.so"
    folders = EMULATION, Path(step_kernels.__file__).parent
    command = [compiler, "-std=c++20", "-O1", "-pthread", "-shared", "-fPIC", "-w"]
    command += [option for path in folders for option in ("-I", str(path))]
    subprocess.run([*command, str(_DRIVER), "-o", str(library)], check=True)
    kernels = Kernels(b"code", step_kernels.NAMES, 0, str(library))

    def launch(
        name: str, device: torch.device, blocks: int, threads: int, fields: Sequence[int]
    ) -> None:
        kernels.launch_independent(name, blocks, threads, 0, fields)

    return launch
