import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.training.events import Finished


def written(cache: Path, numba: str = "there") -> list[str]:
    """Return which loops wrote, first and last, where this folder keeps what is compiled."""
    return said("print_loops_used.py", cache, numba)


def said(script: str, cache: Path, *arguments: str) -> list[str]:
    """Return what a script printed, which must not have warned of anything."""
    done = subprocess.run(
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
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_sampling_does_not_wait_for_the_compiler(finished: Finished, tmp_path: Path) -> None:
    assert written(tmp_path) == ["NumpyLoop", "CompiledLoop", "False"]
    kept = set(tmp_path.rglob("*"))
    assert kept
    assert written(tmp_path) == ["NumpyLoop", "CompiledLoop", "False"]
    assert set(tmp_path.rglob("*")) == kept, "compiled again, though it was kept"


@pytest.mark.parametrize("numba", ["missing"])
def test_sampling_works_without_numba(finished: Finished, tmp_path: Path, numba: str) -> None:
    assert written(tmp_path, numba) == ["NumpyLoop", "NumpyLoop", "False"]


def test_loops_share_one_compiler_process(finished: Finished, tmp_path: Path) -> None:
    assert said("print_compiler_reuse.py", tmp_path) == ["True", "True", "0"]
