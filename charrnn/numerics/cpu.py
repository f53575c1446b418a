"""The name of the CPU, the cores that this process may use, and how its threads wait."""

import os
import platform
from pathlib import Path


def cpu_name() -> str:
    """Return the model name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def available_cores(limits: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return the number of cores that this process may use.

    On Linux, its CPU affinity and the CPU time of its container (control groups v2) limit it.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    try:
        quota, period = limits.read_text("ascii").split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # there is no limit of CPU time
        return cores


def limit_active_waiting() -> None:
    """Make the threads of OpenMP sleep soon while they wait for a late thread.

    GNU's and LLVM's libraries otherwise wait actively for milliseconds. If other programs run on
    the machine, the late thread then gets no core. Call this before torch is imported. Settings of
    the user have precedence.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # about 15 microseconds
        os.environ.setdefault("KMP_BLOCKTIME", "0")  # milliseconds
