import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.events import Finished

SCRIPT = """
import sys, time
if "{numba}" == "missing":
    sys.modules["numba"] = None
from charrnn.runs import find_run
from charrnn.sampling import stream
from charrnn.writers import writer_of
from charrnn.writers.plain_loop import PlainLoop

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


def written(cache: Path, numba: str = "there") -> list[str]:
    """Return which loops wrote, first and last, where this folder keeps what is compiled."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("{numba}", numba)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
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
