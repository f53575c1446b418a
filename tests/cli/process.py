"""The `charrnn` program as a process, and the flags of a tiny run."""

import subprocess
import sys

TINY = (
    *("--hidden-size", "16", "--num-layers", "2", "--batch-size", "4", "--seq-length", "8"),
    *("--max-steps", "20", "--eval-every", "10", "--threads", "1", "--device", "cpu"),
)


SIZES = TINY[4:]  # without the shape of the network


def program(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
