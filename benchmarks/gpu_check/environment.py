"""Stage 0: print the hardware and the versions, and import every program of the check."""

import argparse
import importlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

from gpu_check.results import print_fact

_PACKAGES = ("torch", "numpy", "numba", "safetensors", "typer", "rich", "pytest", "pytest-xdist")
_PROGRAMS = ("kernel", "resume", "sampling", "steps", "timed_command", "tools", "training")
_CPU_LINES = ("model name", "flags")
_COMMANDS = (
    ("nvidia-smi",),
    (sys.executable, "-m", "charrnn", "--version"),
)


def print_versions() -> None:
    """Print the versions of Python and of the packages that the check uses."""
    print_fact("python", platform.python_version())
    for name in _PACKAGES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        print(f"{name} {version}")


def print_gpu(rehearse: bool) -> None:
    """Print the GPU; raise `SystemExit` if torch finds none, except in a rehearsal."""
    import torch

    print_fact("torch", torch.__version__)
    print_fact("cores", os.cpu_count())
    if torch.cuda.is_available():
        print_fact("card", torch.cuda.get_device_name())
        print_fact("cuda", torch.version.cuda)
        print(torch.cuda.get_device_properties(0))
    else:
        print_fact("card", "none")
        if not rehearse:
            sys.exit("torch finds no NVIDIA GPU")


def main() -> None:
    """Print everything; exit with 1 if a program of the check cannot be loaded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    print_versions()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    print("\n".join(dict.fromkeys(line for line in lines if line.startswith(_CPU_LINES))))
    for command in _COMMANDS:
        if shutil.which(command[0]):
            subprocess.run(command, check=False)
    print_gpu(options.rehearse)
    is_complete = True
    for name in _PROGRAMS:
        try:
            importlib.import_module(f"gpu_check.{name}")
        except Exception:
            traceback.print_exc()
            is_complete = False
    sys.exit(not is_complete)


if __name__ == "__main__":
    main()
