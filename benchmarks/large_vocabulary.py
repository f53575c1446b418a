"""Measure what a large vocabulary costs in training: time and memory.

    python benchmarks/large_vocabulary.py [TEXT]

Compares the training steps of two texts of the same length, with the sizes that charrnn chooses:
TEXT, and TEXT with its characters reduced to 65 different ones. The default TEXT is random, with
5,000 characters whose frequencies follow Zipf's law. The expected ratio is that of the operations
of a step: 6 * (4 * H * H * (2 * L - 1) + H * V) for each character.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from step_parts import make_trainer
from timing import measure, replaced
from torch import Tensor
from torch.nn.functional import cross_entropy
from training_memory import peak_memory

from charrnn.config.training import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.model import loss
from charrnn.numerics.allocator import keep_freed_memory
from charrnn.training.trainer import Trainer

CHARACTERS, VOCABULARY, SMALL_VOCABULARY = 4_000_000, 5_000, 65
FIRST_CODE = 0x4E00  # of the Chinese characters in Unicode


def random_text() -> str:
    """Return a text of random characters, the n-th most frequent one with a weight of 1 / n."""
    weights = 1 / np.arange(1, VOCABULARY + 1)
    generator = np.random.default_rng(1)
    codes = generator.choice(VOCABULARY, CHARACTERS, p=weights / weights.sum())
    codes[:VOCABULARY] = np.arange(VOCABULARY)
    return "".join(chr(FIRST_CODE + code) for code in codes.tolist())


def reduced(text: str) -> str:
    """Return the text with at most 65 different characters."""
    return "".join(chr(ord("0") + ord(character) % SMALL_VOCABULARY) for character in text)


def operations(trainer: Trainer) -> float:
    """Return the operations of a training step per character."""
    model = trainer.model
    units, layers = model.config.hidden_size, model.config.num_layers
    return 6 * (4 * units * units * (2 * layers - 1) + units * len(model.vocabulary))


def stock_loss(logits_NV: Tensor, targets_N: Tensor, temperature: float, total: int) -> Tensor:
    """Compute the loss as for a small vocabulary."""
    scaled_NV = logits_NV.float() / temperature
    return cross_entropy(scaled_NV, targets_N, reduction="sum") / total


def without(trainer: Trainer, module: Any, **replacement: Any) -> Callable[[], None]:
    """Return the training step with a part of `charrnn.model.loss` replaced."""

    def run() -> None:
        with replaced(module, **replacement):
            trainer.take_steps()

    return run


def print_times(trainers: dict[str, Trainer], rounds: int) -> None:
    """Measure the steps of two trainers, and what each part gains; print the ratios."""
    (large, small), trainer = trainers, trainers["large"]
    contenders: dict[str, Callable[[], object]] = {
        name: other.take_steps for name, other in trainers.items()
    }
    contenders["bfloat16 products"] = without(trainer, loss, has_bfloat16=lambda: False)
    contenders["the loss in chunks"] = without(trainer, loss._ChunkedLoss, apply=stock_loss)
    seconds = measure(contenders, rounds)

    def ratio_to(other: str, name: str) -> float:
        pairs = zip(seconds[name], seconds[other], strict=True)
        return statistics.median(slow / fast for slow, fast in pairs)

    for name, other in trainers.items():
        config, times = other.run.config.training, seconds[name]
        print(
            f"{name}: {len(other.model.vocabulary):,} characters, {config.batch_size} streams x "
            f"{config.seq_length}, {config.precision}, {config.threads} threads: "
            f"{statistics.median(times) * 1e3:,.0f} ms per step "
            f"({min(times) * 1e3:,.0f} to {max(times) * 1e3:,.0f})"
        )
    ratio = ratio_to(small, large)
    expected = operations(trainer) / operations(trainers[small])
    print(
        f"ratio {ratio:.2f}; {expected:.2f} expected from the operations; "
        f"{ratio / expected:.2f} times the expected cost"
    )
    for name in list(contenders)[2:]:
        print(f"{name}: gain {ratio_to(large, name):.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    keep_freed_memory()
    config = TrainConfig(precision=arguments.precision)
    text = arguments.text.read_text("utf-8") if arguments.text else random_text()
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.txt" for name in ("large", "small")}
        for path, content in zip(paths.values(), (text, reduced(text)), strict=True):
            path.write_text(content, "utf-8")
        trainers = {}
        for name, path in paths.items():
            (run_folder := Path(folder) / f"{name}-run").mkdir()
            trainers[name] = make_trainer(Corpus.open(str(path)), config, str(run_folder))
        print(f"torch {torch.__version__}")
        print_times(trainers, arguments.rounds)
        memory = peak_memory(
            *("-m", "charrnn", "train", str(paths["large"]), "-o", str(Path(folder) / "run")),
            *("--max-steps", "3", "--precision", arguments.precision),
        )
    print(f"peak memory of `charrnn train`: {memory:,.0f} MB")


if __name__ == "__main__":
    main()
