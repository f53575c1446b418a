"""Compare training with stock PyTorch over networks and batches of many sizes.

    python benchmarks/training_sizes.py [SECONDS A SHAPE]

Each line is one run of what `charrnn bench` measures: streams x characters, layers x units, medians
in characters a second, and the median over rounds of the ratio to stock float32.
"""

import sys

from charrnn.config.benchmark import BenchConfig
from charrnn.numerics.allocator import keep_freed_memory
from charrnn.training.benchmark import run_benchmark

SHAPES = [  # streams, characters, layers, units
    (16, 64, 2, 128),
    (64, 128, 2, 128),
    (16, 64, 3, 512),
    (32, 64, 3, 512),
    (64, 64, 3, 512),
    (64, 128, 3, 512),
    (128, 128, 3, 512),
]


def main() -> None:
    """Measure and print, shape after shape."""
    keep_freed_memory()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    for batch_size, seq_length, num_layers, hidden_size in SHAPES:
        result = run_benchmark(
            BenchConfig(
                batch_size=batch_size,
                seq_length=seq_length,
                num_layers=num_layers,
                hidden_size=hidden_size,
                max_time=seconds,
            )
        )
        shape = f"{batch_size:3} x {seq_length:3}, {num_layers} x {hidden_size}"
        parts = [
            f"{each.name} {each.median:,.0f} ({each.times_stock:.2f})" for each in result.measured
        ]
        print(f"{shape:18} {result.rounds:4} rounds  {', '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
