import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.training.events import Finished


def loops_used(cache: Path, numba: str = "installed") -> list[str]:
    """Return the first and the last loop that generated text, with this folder as numba's cache."""
    return run_script("print_loops_used.py", cache, numba)


def run_script(script: str, cache: Path, *arguments: str) -> list[str]:
    """Run a script, which must issue no warning; return the words that it printed."""
    process = subprocess.run(
        [
            sys.executable,
            *("-W", "error::ResourceWarning"),
            Path(__file__).with_name(script),
            *arguments,
        ],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout.split()


def test_sampling_does_not_wait_for_the_compiler(finished: Finished, tmp_path: Path) -> None:
    assert loops_used(tmp_path) == ["NumpyLoop", "CompiledLoop", "False"]
    cached = set(tmp_path.rglob("*"))
    assert cached
    assert loops_used(tmp_path) == ["NumpyLoop", "CompiledLoop", "False"]
    assert set(tmp_path.rglob("*")) == cached, "compiled again although it was cached"
    (marker,) = tmp_path.rglob("*.compiled")
    marker.unlink()  # as after another version of numba or on another CPU
    assert loops_used(tmp_path) == ["NumpyLoop", "CompiledLoop", "False"]
    assert marker.exists()


@pytest.mark.parametrize("numba", ["missing"])
def test_sampling_works_without_numba(finished: Finished, tmp_path: Path, numba: str) -> None:
    assert loops_used(tmp_path, numba) == ["NumpyLoop", "NumpyLoop", "False"]


def test_loops_share_one_compiler_process(finished: Finished, tmp_path: Path) -> None:
    assert run_script("print_compiler_reuse.py", tmp_path) == ["True", "True", "0"]
