"""The kernel of random bytes, built for the CPU."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from charrnn.numerics import philox
from charrnn.numerics.nvrtc import Kernels

_DRIVER = Path(__file__).with_name("emulation") / "philox.cpp"


def build_launch(folder: Path) -> philox.Launch:
    """Return a function that launches the kernel on the CPU; skip the test without a compiler."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler to run the kernel on a CPU: install g++")
    library = folder / "philox.so"
    include = str(Path(philox.__file__).parent)
    command = [compiler, "-O1", "-shared", "-fPIC", "-w", "-I", include, str(_DRIVER)]
    subprocess.run([*command, "-o", str(library)], check=True)
    kernels = Kernels(b"code", (philox.KERNEL,), 0, str(library))

    def launch(device: torch.device, blocks: int, fields: Sequence[int]) -> None:
        kernels.launch_independent(philox.KERNEL, blocks, philox.THREADS, 0, fields)

    return launch
