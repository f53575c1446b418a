"""Delete two engines while a process compiles for them; print three facts about that process.

Whether it ran when the last engine was deleted, whether both engines shared it, its exit code.
"""

from typing import Any

from charrnn.runs.find import find_run
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.loop import stream

compilers: list[Any] = []
is_running = False
for _ in range(2):
    engine: Any = engine_for_checkpoint(find_run("verse").select("best"), device="cpu")
    pieces = stream(engine, length=100_000, seed=1)
    while not engine._loop._compiler_process:
        next(pieces)
    compilers.append(engine._loop._compiler_process)
    is_running = compilers[0].poll() is None
    del engine, pieces
print(is_running, compilers[0] is compilers[1], compilers[0].wait())
