"""The name of the CPU, and the number of cores that this process may use."""

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
    """Return the CPU time that Linux allows this container, in cores (control groups v2)."""
    try:
        quota, period = limits.read_text("ascii").split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):  # there is no limit
        return os.cpu_count() or 1
