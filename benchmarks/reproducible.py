"""Measure how much slower training is with `--reproducible`, with one thread.

    python benchmarks/reproducible.py tinyshakespeare.txt

Each round starts a process for each kind of run. Prints the characters per second of CPU time,
which other programs on the machine change less than the time on the clock.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import charrnn
from charrnn.numerics.cpu import cpu_name
from charrnn.numerics.reproducible import use_reproducible_kernels

_KINDS = {
    "default": charrnn.TrainConfig(batch_size=32, seq_length=64, device="cpu", threads=1),
    "float32": charrnn.TrainConfig(
        batch_size=32, seq_length=64, device="cpu", threads=1, precision="float32"
    ),
    "reproducible": charrnn.TrainConfig(batch_size=32, seq_length=64, reproducible=True),
}
_STEPS = 3  # after the first one, which also compiles and allocates memory


def measure(text: Path, kind: str) -> tuple[str, float]:
    """Take some steps; return the precision, and the characters per second of CPU time."""
    config = _KINDS[kind]
    if config.reproducible:
        use_reproducible_kernels()
    from charrnn.training.setup.new_run import prepare_new_run
    from charrnn.training.setup.reproducible import set_machine

    config = set_machine(config)
    trainer = prepare_new_run(charrnn.Corpus.open([text]), config, out_dir="not-written").trainer
    trainer.take_steps(write_rows=False)
    start = time.process_time()
    for _ in range(_STEPS):
        trainer.take_steps(write_rows=False)
    characters = _STEPS * trainer.plan.characters_per_step
    return trainer.run.config.training.precision, characters / (time.process_time() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kind", choices=_KINDS, help="measure only this kind, in this process")
    arguments = parser.parse_args()
    if arguments.kind:
        print(*measure(arguments.text, arguments.kind))
        return
    speeds: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    for _ in range(arguments.rounds):
        for kind, values in speeds.items():
            command = [sys.executable, __file__, str(arguments.text), "--kind", kind]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            precision, speed = output.split()
            values.append(float(speed))
            print(f"{kind} ({precision}): {float(speed):,.0f}", file=sys.stderr)
    print(cpu_name())
    for kind, values in speeds.items():
        pairs = zip(values, speeds["reproducible"], strict=True)
        print(
            f"{kind:12} {statistics.median(values):9,.0f} characters per second "
            f"({min(values):,.0f} to {max(values):,.0f}), "
            f"{statistics.median(a / b for a, b in pairs):.1f} times as fast as reproducible"
        )


if __name__ == "__main__":
    main()
