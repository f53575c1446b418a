"""Compare the speed of training with stock PyTorch for several sizes of batch and network.

    python benchmarks/training_sizes.py [SECONDS_PER_SIZE]

Each line is a run of `charrnn bench`: streams x characters, layers x units, the median speeds in
characters per second, and the median over rounds of the ratio to stock float32.
"""

import sys

from charrnn.config.benchmark import BenchConfig
from charrnn.numerics.allocator import keep_freed_memory
from charrnn.training.benchmark import run_benchmark

SIZES = [  # streams, characters, layers, units
    (16, 64, 2, 128),
    (64, 128, 2, 128),
    (16, 64, 3, 512),
    (32, 64, 3, 512),
    (64, 64, 3, 512),
    (64, 128, 3, 512),
    (128, 128, 3, 512),
]


def main() -> None:
    """Measure and print."""
    keep_freed_memory()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    for batch_size, seq_length, num_layers, hidden_size in SIZES:
        result = run_benchmark(
            BenchConfig(
                batch_size=batch_size,
                seq_length=seq_length,
                num_layers=num_layers,
                hidden_size=hidden_size,
                max_time=seconds,
            ),
            with_default_shape=False,
        )
        size = f"{batch_size:3} x {seq_length:3}, {num_layers} x {hidden_size}"
        speeds = [
            f"{contender.name} {contender.median:,.0f} ({contender.times_stock:.2f})"
            for contender in result.measured
        ]
        print(f"{size:18} {result.rounds:4} rounds  {', '.join(speeds)}", flush=True)


if __name__ == "__main__":
    main()
