"""Print which loops generate text, first and last, and whether torch is loaded.

With the argument `missing`, numba cannot be imported. All loops must generate the same text.
"""

import sys
import time
from typing import Any

if sys.argv[1:] == ["missing"]:
    sys.modules["numba"] = None  # type: ignore[assignment]

from charrnn.runs.find import find_run
from charrnn.sampling.engines.int8.numpy_loop import NumpyLoop
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.loop import stream

engine: Any = engine_for_checkpoint(find_run("verse").select("best"), device="cpu")
loop, text, first = engine._loop, "", None
pieces = stream(engine, length=100_000, seed=1)
while len(text) < 300 or not loop._is_final:
    text += next(pieces)
    first = first or type(loop._loop).__name__
    time.sleep(0.002)
print(first, type(loop._loop).__name__, "torch" in sys.modules)
text += "".join(next(pieces) for _ in range(300))
plain: Any = engine_for_checkpoint(find_run("verse").select("best"), device="cpu")
plain._loop = NumpyLoop(loop._weights)
assert "".join(stream(plain, length=len(text), seed=1)) == text
