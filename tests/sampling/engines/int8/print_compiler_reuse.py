"""Delete two engines while a process compiles for them; print three facts about that process.

Whether it ran when the last engine was deleted, whether both engines shared it, its exit code.
"""

from typing import Any

from charrnn.runs.find import find_run
from charrnn.sampling.engines.selection import writer_of
from charrnn.sampling.loop import stream

compilers: list[Any] = []
running = False
for _ in range(2):
    writer: Any = writer_of(find_run("verse").select("best"), device="cpu")
    pieces = stream(writer, length=100_000, seed=1)
    while not writer._loop._compiling:
        next(pieces)
    compilers.append(writer._loop._compiling)
    running = compilers[0].poll() is None
    del writer, pieces
print(running, compilers[0] is compilers[1], compilers[0].wait())
