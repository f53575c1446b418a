"""Measure how much each part of the sampling engines saves, compared with simpler code.

    python benchmarks/sampling_parts.py [RUN]

The simplest engine calls the network once per character (`eager`). For one text, it is compared
with 8-bit weights in numpy, the same loop compiled, with AVX2 products, and with half of the units
on a second core. For many texts, it is compared with packed weights. The search for copied text by
hashes is compared with Python's search in strings. The start of the program is timed in new
processes, with and without the numpy loop that generates text until the compiled loop is ready.
"""

import functools
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numba
import torch
from timing import compare

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

LENGTH, TEXTS, TEXTS_LENGTH, COPIED_LENGTH = 600, 64, 100, 2000
PROCESS_ROUNDS = 3  # rounds of new processes
PROGRAM = """
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
"""The `charrnn` command with one of three loops of the 8-bit engine: switching, compiled, numpy."""


def load_generic_loop(folder: str) -> ModuleType:
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


def generate_characters(engine: SamplingEngine, length: int, samples: int = 1) -> int:
    """Generate text; return the number of characters."""
    return sum(map(len, generate(engine, "a", length=length, num_samples=samples, seed=1)))


def compare_one_text(checkpoint: Checkpoint, folder: str) -> None:
    """Compare the engines for one text."""
    config = checkpoint.run.config
    arrays, vocabulary = checkpoint.load("model"), Vocabulary(config.vocabulary)

    def int8_engine(make_loop: Callable[[Any], Any]) -> SamplingEngine:
        line_start = config.corpus.line_start
        return Int8Engine(arrays, config.model, vocabulary, line_start, make_loop)

    generic = load_generic_loop(folder)
    engines: dict[str, SamplingEngine] = {
        "eager: the network, a call per character": EagerEngine(load_checkpoint(checkpoint, "cpu")),
        "packed float32 weights": PackedEngine(load_checkpoint(checkpoint, "cpu")),
        "8-bit weights, numpy": int8_engine(NumpyLoop),
        "compiled, products by LLVM, one core": int8_engine(
            lambda w: generic.CompiledLoop(w, False)
        ),
        "compiled, AVX2 products, one core": int8_engine(
            lambda w: compiled_loop.CompiledLoop(w, False)
        ),
        "compiled, products by LLVM, two cores": int8_engine(
            lambda w: generic.CompiledLoop(w, True)
        ),
        "compiled, AVX2 products, two cores": int8_engine(
            lambda w: compiled_loop.CompiledLoop(w, True)
        ),
    }
    runs = {
        name: functools.partial(generate_characters, engine, LENGTH)
        for name, engine in engines.items()
    }
    compare(f"One text of {LENGTH} characters", LENGTH, runs)


def compare_many_texts(checkpoint: Checkpoint) -> None:
    """Compare the engines for many texts."""
    engines: dict[str, SamplingEngine] = {
        "eager: the network": EagerEngine(load_checkpoint(checkpoint, "cpu")),
        "packed weights, compiled gates": PackedEngine(load_checkpoint(checkpoint, "cpu")),
    }
    runs = {
        name: functools.partial(generate_characters, engine, TEXTS_LENGTH, TEXTS)
        for name, engine in engines.items()
    }
    compare(f"{TEXTS} texts of {TEXTS_LENGTH} characters", TEXTS * TEXTS_LENGTH, runs)


def compare_searches() -> None:
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

    def run_search(search: Callable[[], int]) -> int:
        if search() != longest:
            raise RuntimeError("the searches have different results")
        return len(text)

    longest = search_hashes()
    searches = {"Python's search": search_strings, "hashes": search_hashes}
    runs = {name: functools.partial(run_search, search) for name, search in searches.items()}
    compare(f"Characters compared with {len(play):,}", len(text), runs, rounds=3)


def time_process(loop: str, run: str, cache: str) -> tuple[float, float]:
    """Run `charrnn sample` with a loop; return the seconds to its first and its last character."""
    command = [sys.executable, "-c", PROGRAM, loop, "sample", run, "-s", "1", "-n", "2000"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout
        process.stdout.read(1)
        first = time.perf_counter() - start
        process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the sample with the {loop} loop failed")
    return first, time.perf_counter() - start


def compare_starts(run: str) -> None:
    """Time new processes, with and without a compiled loop in the cache of numba."""
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as warm:
        time_process("compiled", run, warm)
        for _ in range(PROCESS_ROUNDS):
            for loop in ("switching", "compiled", "numpy"):
                times[f"{loop}, compiled before"].append(time_process(loop, run, warm))
                with tempfile.TemporaryDirectory() as cold:
                    times[f"{loop}, first use"].append(time_process(loop, run, cold))
                    wait_for_compiler()
    print("\n2,000 characters in a new process: seconds to the first and to the last one, medians")
    for name, measured in sorted(times.items()):
        first, last = (statistics.median(seconds) for seconds in zip(*measured, strict=True))
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
        compare_one_text(checkpoint, folder)
    compare_many_texts(checkpoint)
    compare_searches()
    compare_starts(run)


if __name__ == "__main__":
    main()
