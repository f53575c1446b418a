"""Count the results of the C library that differ between CPUs with and without fused multiply-add.

    python benchmarks/c_library.py

glibc chooses its functions by the instructions of the CPU; its tunables turn the newer ones off.
Without glibc, nothing differs.
"""

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.numerics.reproducible import use_reproducible_kernels

_WITHOUT_FMA = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F"}
_COUNT, _COUNT_DOUBLE = 10_000_000, 300_000


def compute() -> dict[str, Any]:
    """Return the results for random arguments: float32 by torch, float64 by Python."""
    use_reproducible_kernels()
    import torch

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x = 20 * torch.rand(_COUNT, generator=generator) - 10
    doubles = np.random.default_rng(0).random(_COUNT_DOUBLE).tolist()
    return {
        "exp": (x - 10).exp().numpy(),
        "log": (x + 10.001).log().numpy(),
        "tanh": (0.3 * x).tanh().numpy(),
        "sigmoid": x.sigmoid().numpy(),
        "log-softmax": torch.log_softmax(x.view(-1, 50), 1).numpy(),
        "normal": torch.empty(_COUNT).normal_(generator=generator).numpy(),
        "float64 cos": np.array([math.cos(math.pi * number) for number in doubles]),
        "float64 log": np.array([math.log(number) for number in doubles]),
    }


def main() -> None:
    """Compute in two processes, compare and print."""
    if sys.argv[1:]:
        np.savez(sys.argv[1], **compute())
        return
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, "with.npz"), Path(folder, "without.npz")]
        for file, variables in zip(files, ({}, _WITHOUT_FMA), strict=True):
            command = [sys.executable, __file__, str(file)]
            subprocess.run(command, check=True, env={**os.environ, **variables})
        results, others = (np.load(file) for file in files)
        for name in results:
            differs = results[name] != others[name]
            print(f"{name:12} {int(differs.sum()):6,} of {differs.size:,} differ")


if __name__ == "__main__":
    main()
