import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.training.events import Finished

SCRIPT = """
import sys, time
if "{numba}" == "missing":
    sys.modules["numba"] = None
from charrnn.runs.find import find_run
from charrnn.sampling.loop import stream
from charrnn.sampling.engines.interface import writer_of
from charrnn.sampling.engines.numpy_loop import PlainLoop

writer = writer_of(find_run("verse").select("best"), device="cpu")
loop, text, first = writer._loop, "", None
pieces = stream(writer, length=100_000, seed=1)
while len(text) < 300 or not loop._settled:
    text += next(pieces)
    first = first or type(loop._loop).__name__
    time.sleep(0.002)
print(first, type(loop._loop).__name__, "torch" in sys.modules)
text += "".join(next(pieces) for _ in range(300))
plain = writer_of(find_run("verse").select("best"), device="cpu")
plain._loop = PlainLoop(loop._weights)
assert "".join(stream(plain, length=len(text), seed=1)) == text
"""

LOOPS_THAT_GO = """
from charrnn.runs.find import find_run
from charrnn.sampling.loop import stream
from charrnn.sampling.engines.interface import writer_of

compilers = []
for _ in range(2):
    writer = writer_of(find_run("verse").select("best"), device="cpu")
    pieces = stream(writer, length=100_000, seed=1)
    while not writer._loop._compiling:
        next(pieces)
    compilers.append(writer._loop._compiling)
    running = compilers[0].poll() is None
    del writer, pieces
print(running, compilers[0] is compilers[1], compilers[0].wait())
"""


def written(cache: Path, numba: str = "there") -> list[str]:
    """Return which loops wrote, first and last, where this folder keeps what is compiled."""
    return said(SCRIPT.replace("{numba}", numba), cache)


def said(script: str, cache: Path) -> list[str]:
    """Return what a script printed, which must not have warned of anything."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", script],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_nobody_waits_for_the_compiler(finished: Finished, tmp_path: Path) -> None:
    assert written(tmp_path) == ["PlainLoop", "CompiledLoop", "False"]
    kept = set(tmp_path.rglob("*"))
    assert kept
    assert written(tmp_path) == ["PlainLoop", "CompiledLoop", "False"]
    assert set(tmp_path.rglob("*")) == kept, "compiled again, though it was kept"


@pytest.mark.parametrize("numba", ["missing"])
def test_it_writes_where_nothing_can_be_compiled(
    finished: Finished, tmp_path: Path, numba: str
) -> None:
    assert written(tmp_path, numba) == ["PlainLoop", "PlainLoop", "False"]


def test_one_process_compiles_for_all_loops(finished: Finished, tmp_path: Path) -> None:
    assert said(LOOPS_THAT_GO, tmp_path) == ["True", "True", "0"]
