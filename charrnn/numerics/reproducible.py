"""Calculations that give the same bits on every x86-64 CPU.

The libraries choose their instructions, and with them the order of sums and the rounding of
products, by the type of the CPU. Their own settings turn that off. They read these settings from
the environment when they are loaded.
"""

import os
import sys

from charrnn.errors import DeviceError

_SETTINGS = {
    "MKL_CBWR": "COMPATIBLE",  # "Conditional Numerical Reproducibility" in the manual of oneMKL
    "ATEN_CPU_CAPABILITY": "default",  # torch's functions without AVX2 and AVX-512
    "NUMBA_CPU_NAME": "generic",  # compiled functions without fused multiply-add ...
    "NUMBA_CPU_FEATURES": "",  # ... and other features of this CPU
}


def use_reproducible_kernels() -> None:
    """Make torch, MKL and numba compute the same bits on every x86-64 CPU, in this process.

    Call this before torch and numba are imported. It makes other calculations of the process slow,
    too. Raises `DeviceError` if one of them is already imported.
    """
    if not _is_set():
        if "torch" in sys.modules or "numba" in sys.modules:
            raise _too_late()
        os.environ.update(_SETTINGS)


def require_reproducible_kernels() -> None:
    """Raise `DeviceError` if `use_reproducible_kernels` was not called, or if torch lacks MKL.

    Turns oneDNN off in this process, because its order of sums depends on the CPU.
    """
    import torch

    if not _is_set() or torch.backends.cpu.get_cpu_capability() != "DEFAULT":
        raise _too_late()
    if not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        raise DeviceError(
            f"the installed torch ({torch.__version__}) has no MKL, which reproducible runs need",
            "use a machine with an x86-64 CPU",
            "give --no-reproducible",
        )
    torch.backends.mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]


def _is_set() -> bool:
    return all(os.environ.get(name) == value for name, value in _SETTINGS.items())


def _too_late() -> DeviceError:
    settings = " ".join(f"{name}={value}" for name, value in _SETTINGS.items())
    return DeviceError(
        "a reproducible run needs settings that torch and numba read when they are imported, and "
        "they were imported before",
        "call charrnn.use_reproducible_kernels first in the program",
        f"start Python with the environment variables {settings}",
    )
