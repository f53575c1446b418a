"""Measure how much each part of the training engine for CPUs saves.

    python benchmarks/training_parts.py [--precision bfloat16] [--busy] [--library]

Times the forward and backward pass of a training step of the default network. The first contender
uses the kernels of PyTorch. The others use the engine, with all parts or without one of them:
packed weights, reuse of buffers, a part of the streams for each thread. The compiled gates are
compared with gates in PyTorch.

`--busy` adds a process that occupies one core. `--library` omits the tuning of glibc's allocator,
which only the command line applies.
"""

import argparse
import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from timing import busy_process, compare, replaced
from torch import Tensor

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.numerics.allocator import keep_freed_memory
from charrnn.numerics.cpu import cpu_name
from charrnn.numerics.precision import choose_precision
from charrnn.numerics.threads import set_threads
from charrnn.recurrence.cpu import buffers, gates, lstm, matmul
from charrnn.training.step import gradients

SIZES = ((32, 64), (64, 128))  # streams x characters: the defaults for small and large texts
CHARACTERS = 65
GATE_STEPS = 500


class FreshBuffers(buffers.BufferLease):
    """Allocates a new buffer for each use."""

    def acquire(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return a new buffer."""
        return torch.empty(shape, dtype=dtype)


def training_step(streams: int, length: int, precision: str) -> Callable[[], int]:
    """Return the forward and backward pass of a step; it returns the number of characters."""
    vocabulary = Vocabulary(map(chr, range(0x4E00, 0x4E00 + CHARACTERS)))
    model = CharRNN(ModelConfig(), vocabulary).initialize(seed=0)
    window_TB = torch.randint(CHARACTERS, (length + 1, streams))
    state = model.initial_state(streams)

    def step() -> int:
        model.zero_grad()
        gradients.compute_gradients(model, window_TB, state, precision=precision)
        return streams * length

    return step


def contenders(step: Callable[[], int]) -> dict[str, Callable[[], int]]:
    """Return the step with all parts of the engine, and without each part."""
    replacements: dict[str, tuple[Any, dict[str, Any]]] = {
        "PyTorch kernels": (lstm, {"is_preferred": lambda streams, weights: False}),
        "all parts": (lstm, {}),
        "without packed weights": (matmul, {"_MIN_PACKED_SIZE": sys.maxsize}),
        "without reuse of buffers": (lstm, {"BufferLease": FreshBuffers}),
        "without a part of the streams per thread": (
            gradients,
            {"count_parts": lambda streams: 1},
        ),
    }

    def run(module: Any, names: dict[str, Any]) -> int:
        with replaced(module, **names):
            return step()

    return {
        name: functools.partial(run, *replacement) for name, replacement in replacements.items()
    }


def compare_gates(streams: int) -> None:
    """Compare the compiled gates of one step of a layer with the same gates in PyTorch."""
    units = ModelConfig().hidden_size
    sources_BG, recurrent_BG, activations_BG = torch.randn(3, streams, 4 * units)
    bias_G = torch.randn(4 * units)
    before_BH, cell_BH, hidden_BH = torch.randn(3, streams, units)
    rows_B = torch.arange(streams)
    tensors = (rows_B, sources_BG, bias_G, recurrent_BG, activations_BG, before_BH, cell_BH)
    arrays = [matmul.as_array(tensor) for tensor in (*tensors, hidden_BH)]

    def compiled() -> int:
        for _ in range(GATE_STEPS):
            gates.forward(*arrays)
        return GATE_STEPS

    def eager() -> int:
        i_f_BG, g_BH, o_BH = activations_BG.split([2 * units, units, units], dim=1)
        for _ in range(GATE_STEPS):
            torch.add(sources_BG, recurrent_BG, out=activations_BG).add_(bias_G)
            i_f_BG.sigmoid_()
            g_BH.tanh_()
            o_BH.sigmoid_()
            torch.mul(i_f_BG[:, units:], before_BH, out=cell_BH)
            cell_BH.addcmul_(i_f_BG[:, :units], g_BH)
            torch.tanh(cell_BH, out=hidden_BH).mul_(o_BH)
        return GATE_STEPS

    title = f"Gates of a step of {streams} streams, forward, float32"
    runs = {"PyTorch, in place, all cores": eager, "compiled, one core": compiled}
    compare(title, GATE_STEPS, runs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--busy", action="store_true", help="run another process on one core")
    parser.add_argument(
        "--library",
        action="store_true",
        help="do not tune the allocator, like an import of charrnn",
    )
    options = parser.parse_args()
    if not options.library:
        keep_freed_memory()  # as `charrnn train` does
    threads = set_threads(None)
    precision = choose_precision(options.precision, torch.device("cpu"), "lstm")
    print(f"{cpu_name()}, {threads} threads, torch {torch.__version__}, {precision}")
    with busy_process(options.busy):
        for streams, length in SIZES:
            step = training_step(streams, length, precision)
            load = ", one core busy" if options.busy else ""
            title = f"{streams} streams x {length} characters{load}"
            compare(title, streams * length, contenders(step))
            compare_gates(streams)


if __name__ == "__main__":
    main()
