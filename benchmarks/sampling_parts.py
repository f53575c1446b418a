"""What each part of the sampling engines gains, compared with the simple implementation.

    python benchmarks/sampling_parts.py [RUN]

The simple implementation is the network itself, called once per character (`eager`). For one text:
8-bit weights in numpy, the same loop compiled, with AVX2 products, and with half of the units on a
second core. For many texts: packed weights. For copied text: hashes of passages, beside Python's
search in strings. For the start: whole processes, with and without the numpy loop that generates
text until the compiled loop is ready.
"""

import functools
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numba
import torch
from turns import compare

from charrnn.data import catalogue
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.cpu import cpu_name
from charrnn.numerics.threads import set_threads
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.find import BUNDLED, find_run
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.int8 import compiled_loop, matmul
from charrnn.sampling.engines.int8.engine import Int8Engine
from charrnn.sampling.engines.int8.numpy_loop import NumpyLoop
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.engines.packed import PackedEngine
from charrnn.sampling.loop import generate
from charrnn.sampling.novelty import MIN_COPIED_RUN, measure_novelty

LENGTH, MANY, MANY_LENGTH, COPIED_LENGTH = 600, 64, 100, 2000
STARTS = 3  # rounds of whole processes
START = """
import sys
from charrnn.sampling.engines.int8 import switching_loop
if sys.argv[1] == "compiled":
    from charrnn.sampling.engines.int8.compiled_loop import CompiledLoop
    switching_loop.SwitchingLoop = CompiledLoop
elif sys.argv[1] == "numpy":
    from charrnn.sampling.engines.int8.numpy_loop import NumpyLoop
    switching_loop.SwitchingLoop = NumpyLoop
from charrnn.cli.app import main
sys.argv[:2] = ["charrnn"]
main()
"""
"""`charrnn` with another loop of the 8-bit engine: switching, compiled or numpy."""


def with_generic_products(folder: str) -> ModuleType:
    """Return a copy of the module of the compiled loop that lets LLVM choose the instructions."""
    numba.config.CACHE_DIR = folder  # type: ignore[attr-defined] # not the cache of the other copy
    products = matmul.multiply_gates
    matmul.multiply_gates = matmul.multiply_gates_portable
    try:
        spec = importlib.util.spec_from_file_location("generic_loop", str(compiled_loop.__file__))
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        matmul.multiply_gates = products
        numba.config.CACHE_DIR = ""  # type: ignore[attr-defined]
    return module


def characters(engine: SamplingEngine, length: int, samples: int = 1) -> int:
    """Generate; return how many characters were generated."""
    return sum(map(len, generate(engine, "a", length=length, num_samples=samples, seed=1)))


def one_text(checkpoint: Checkpoint, folder: str) -> None:
    """Compare the engines for one text."""
    config = checkpoint.run.config
    arrays, vocabulary = checkpoint.load("model"), Vocabulary(config.vocabulary)

    def engine(make_loop: Callable[[Any], Any]) -> SamplingEngine:
        line_start = config.corpus.line_start
        return Int8Engine(arrays, config.model, vocabulary, line_start, make_loop)

    generic = with_generic_products(folder)
    engines: dict[str, SamplingEngine] = {
        "eager: the network, a call per character": EagerEngine(load_checkpoint(checkpoint, "cpu")),
        "packed float32 weights": PackedEngine(load_checkpoint(checkpoint, "cpu")),
        "8-bit weights, numpy": engine(NumpyLoop),
        "compiled, products by LLVM, one core": engine(lambda w: generic.CompiledLoop(w, False)),
        "compiled, AVX2 products, one core": engine(lambda w: compiled_loop.CompiledLoop(w, False)),
        "compiled, products by LLVM, two cores": engine(lambda w: generic.CompiledLoop(w, True)),
        "compiled, AVX2 products, two cores": engine(lambda w: compiled_loop.CompiledLoop(w, True)),
    }
    runs = {name: functools.partial(characters, each, LENGTH) for name, each in engines.items()}
    compare(f"One text of {LENGTH} characters", LENGTH, runs)


def many_texts(checkpoint: Checkpoint) -> None:
    """Compare the engines for many texts."""
    engines: dict[str, SamplingEngine] = {
        "eager: the network": EagerEngine(load_checkpoint(checkpoint, "cpu")),
        "packed weights, compiled gates": PackedEngine(load_checkpoint(checkpoint, "cpu")),
    }
    runs = {
        name: functools.partial(characters, each, MANY_LENGTH, MANY)
        for name, each in engines.items()
    }
    compare(f"{MANY} texts of {MANY_LENGTH} characters", MANY * MANY_LENGTH, runs)


def copied_text() -> None:
    """Compare the search for copied passages with Python's search in strings."""
    path = catalogue.bundled_path()
    corpus, play = Corpus.open(path), path.read_text(encoding="utf-8")
    text = play[100_000:100_200] + play[:COPIED_LENGTH][::-1] + play[200_000:200_100]

    def search_strings() -> int:
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            starts = range(len(text) - middle + 1)
            if any(text[start : start + middle] in play for start in starts):
                low = middle
            else:
                high = middle - 1
        sum(
            text[start : start + MIN_COPIED_RUN] in play
            for start in range(len(text) - MIN_COPIED_RUN + 1)
        )
        return low

    def search_hashes() -> int:
        return measure_novelty(text, corpus).longest

    def compared(search: Callable[[], int]) -> int:
        if search() != longest:
            raise RuntimeError("the searches differ")
        return len(text)

    longest = search_hashes()
    searches = {"Python's search": search_strings, "hashes": search_hashes}
    runs = {name: functools.partial(compared, search) for name, search in searches.items()}
    compare(f"Characters compared with {len(play):,}", len(text), runs, rounds=3)


def start(loop: str, run: str, cache: str) -> tuple[float, float]:
    """Run `charrnn sample` with a loop; return the seconds to its first and its last character."""
    command = [sys.executable, "-c", START, loop, "sample", run, "-s", "1", "-n", "2000"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    begin = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout
        process.stdout.read(1)
        first = time.perf_counter() - begin
        process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the sample with the {loop} loop failed")
    return first, time.perf_counter() - begin


def starts(run: str) -> None:
    """Time whole processes, with and without a compiled loop in numba's cache."""
    times: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as warm:
        start("compiled", run, warm)
        for _ in range(STARTS):
            for loop in ("switching", "compiled", "numpy"):
                times.setdefault(f"{loop}, compiled before", []).append(start(loop, run, warm))
                with tempfile.TemporaryDirectory() as cold:
                    times.setdefault(f"{loop}, first use", []).append(start(loop, run, cold))
                    wait_for_compiler()
    print("\n2,000 characters in a new process: seconds to the first and to the last, medians")
    for name, measured in sorted(times.items()):
        first, last = (statistics.median(each) for each in zip(*measured, strict=True))
        print(f"  {name:42} {first:8.2f} {last:8.2f}")


def wait_for_compiler() -> None:
    """Wait until no process compiles the loop in the background."""
    while (
        subprocess.run(
            ["pgrep", "-f", "compile_to_cache"], stdout=subprocess.DEVNULL, check=False
        ).returncode
        == 0
    ):
        time.sleep(0.2)


def main() -> None:
    """Measure and print."""
    run = sys.argv[1] if len(sys.argv) > 1 else BUNDLED
    checkpoint = find_run(run).select("best")
    threads = set_threads(None)
    print(f"{cpu_name()}, {threads} threads, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        one_text(checkpoint, folder)
    many_texts(checkpoint)
    copied_text()
    starts(run)


if __name__ == "__main__":
    main()
