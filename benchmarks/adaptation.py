"""Measure dynamic evaluation and the reading of one text against simple implementations.

    python benchmarks/adaptation.py [RUN] [TEXT] [--busy]

Adapts the model of a run (default: the bundled model) to the first characters of a text (default:
the bundled corpus), compiled and with the operations of PyTorch, and prints both losses. Then the
model reads the text in one stream, with threads for the layers and with threads inside each layer.

`--busy` adds a process that occupies one core.
"""

import argparse
import copy
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from timing import busy_process, compare, replaced

from charrnn.analysis import compiled_adaptation, dynamic_evaluation
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.data.vocabulary import Codes
from charrnn.model.forward import forward_chunks
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.numerics.cpu import cpu_name
from charrnn.numerics.threads import set_threads
from charrnn.recurrence.cpu import layer_threads
from charrnn.runs.find import find_run
from charrnn.runs.text_reader import TextReader

Adapt = Callable[[CharRNN, Codes, AdaptConfig], NDArray[np.float32]]

ADAPTED, READ, LOSSES = 3_000, 8_192, 6_000  # characters
ROUNDS = 3


def compare_adaptation(model: CharRNN, codes_N: Codes) -> None:
    """Compare the implementations of dynamic evaluation: speed and loss."""
    autograd, compiled = dynamic_evaluation._adapt_with_autograd, compiled_adaptation.adapt

    def alone(model: CharRNN, codes_N: Codes, config: AdaptConfig) -> NDArray[np.float32]:
        with replaced(compiled_adaptation, available_cores=lambda: 1):
            return compiled(model, codes_N, config)

    def runner(adapt: Adapt, length: int) -> Callable[[], int]:
        def run() -> int:
            return 1 + len(adapt(copy.deepcopy(model), codes_N[:length], AdaptConfig()))

        return run

    contenders: dict[str, Adapt] = {
        "operations of PyTorch": autograd,
        "compiled": compiled,
        "compiled, without the second thread": alone,
    }
    runs = {name: runner(adapt, ADAPTED) for name, adapt in contenders.items()}
    compare("Dynamic evaluation, characters", ADAPTED, runs, ROUNDS)
    losses = [
        float(adapt(copy.deepcopy(model), codes_N[:LOSSES], AdaptConfig()).mean())
        for adapt in (autograd, compiled)
    ]
    print(f"  loss, {LOSSES:,} characters: PyTorch {losses[0]:.5f}, compiled {losses[1]:.5f} nats")


def compare_reading(model: CharRNN, codes_N: Codes) -> None:
    """Compare the ways to read one text in one stream."""

    def read() -> int:
        return sum(len(chunk.logits_TBV) for chunk in forward_chunks(model, codes_N[:, None], READ))

    def read_without() -> int:
        with replaced(layer_threads, is_preferred=lambda *_: False):
            return read()

    runs = {"threads inside each layer": read_without, "threads for the layers": read}
    compare("Reading in one stream, characters", len(codes_N), runs, ROUNDS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", nargs="?", default="bard")
    parser.add_argument("text", nargs="?", type=Path)
    parser.add_argument("--busy", action="store_true")
    arguments = parser.parse_args()
    checkpoint = find_run(arguments.run).select("best")
    path = arguments.text or Path(__file__).parents[1] / "corpora" / "low-hundreds.txt"
    codes_N = TextReader(checkpoint).read_known(str(path), "skip")[1][-READ:]
    model = load_checkpoint(checkpoint)
    print(f"{cpu_name()}, {os.cpu_count()} cores, {set_threads(None)} threads")
    with busy_process(arguments.busy):
        compare_adaptation(model, codes_N)
        compare_reading(model, codes_N[:READ])


if __name__ == "__main__":
    main()
