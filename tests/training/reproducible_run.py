"""Trains tiny runs, and prints the SHA-256 of each of their results, and the last held-out loss.

    python -m tests.training.reproducible_run            with `reproducible`
    python -m tests.training.reproducible_run default    without it, in float32 with all threads

Compare the results of several machines: with `reproducible` they must be equal.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import charrnn

SETTINGS: dict[str, Any] = {
    **{"batch_size": 8, "seq_length": 16, "max_steps": 12, "eval_every": 6, "log_every": 3},
    **{"dropout": 0.2, "output_dropout": 0.3, "weight_drop": 0.25, "input_dropout": 0.1},
    **{"state_drop": 0.05, "loss_temperature": 0.9, "weight_decay": 0.1, "warmup_steps": 5},
    **{"learning_rate": 0.004},
    **{"device": "cpu", "precision": "float32", "seed": 3},
}


def train_and_digest(cell: Any, reproducible: bool) -> dict[str, str]:
    """Train on a short text; return the SHA-256 of each result, and the last held-out loss."""
    from charrnn.runs.metrics import TIMING_KEYS, read_rows
    from tests.conftest import VERSE

    config = charrnn.TrainConfig(**SETTINGS, reproducible=reproducible)
    network = charrnn.ModelConfig(num_layers=2, hidden_size=64, cell=cell)
    text = charrnn.Corpus.from_text(VERSE * 12, name="verse")
    with tempfile.TemporaryDirectory() as folder:
        for event in charrnn.train(text, config, network, out_dir=Path(folder, "run")):
            if isinstance(event, charrnn.Finished):
                run = event.run
        checkpoint = run.select("last", ("model", "trainer"))
        rows = read_rows(run.metrics_path)
        metrics = [{k: row[k] for k in row if k not in TIMING_KEYS} for row in rows]
        squares = checkpoint.path / "gradient_squares.safetensors"
        results = {
            "averaged weights": _join(checkpoint.load("model")),
            "weights, moments, state": _join(checkpoint.load("trainer")),
            "gradient squares": squares.read_bytes(),
            "metrics": json.dumps(metrics).encode(),
            "5-gram loss": str(run.config.baseline).encode(),
        }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in results.items()}
    return {**digests, "held-out loss": repr(rows[-1]["val_loss"])}


def _join(arrays: Mapping[str, Any]) -> bytes:
    return b"".join(name.encode() + arrays[name].tobytes() for name in sorted(arrays))


def main() -> None:
    """Print the results of an LSTM and of a GRU as JSON."""
    reproducible = sys.argv[1:] != ["default"]
    if reproducible:
        charrnn.use_reproducible_kernels()
    results = {cell: train_and_digest(cell, reproducible) for cell in ("lstm", "gru")}
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
