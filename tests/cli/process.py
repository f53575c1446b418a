"""Start `charrnn` as a process; flags of tiny runs."""

import os
import subprocess
import sys

TINY = (
    *("--hidden-size", "16", "--num-layers", "2", "--batch-size", "4", "--seq-length", "8"),
    *("--max-steps", "20", "--eval-every", "10", "--threads", "1", "--device", "cpu"),
)
SIZES = TINY[4:]  # without the flags of the network
SMALL = ("--num-layers", "1", "--hidden-size", "8", "--batch-size", "4", "--seq-length", "8")


def start_program(*arguments: object, hash_seed: str = "0") -> "subprocess.Popen[str]":
    """Start `charrnn ARGUMENTS`."""
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
