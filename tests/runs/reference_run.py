"""Makes a small run, and computes the results of this version for a run of an earlier version.

    python -m tests.runs.reference_run make FOLDER     trains the run and stores its results
    python -m tests.runs.reference_run digest FOLDER   prints the SHA-256 of every result, to
                                                       compare versions on one machine

The run is stopped between two evaluations. Its text consists of documents, its network learns from
a teacher, and it uses every kind of regularization. Never change the run of a released version.
"""

import dataclasses
import hashlib
import json
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

import charrnn
from charrnn.analysis.scoring import score
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.model.loading import load
from charrnn.numerics.cpu import cpu_name
from charrnn.numerics.precision import cpu_instructions
from charrnn.runs.metrics import TIMING_KEYS, read_rows
from charrnn.runs.run import Run
from charrnn.sampling.engines.selection import engine_for, engine_for_checkpoint
from charrnn.sampling.loop import generate_scored
from charrnn.training.events import Step, TeacherFinished
from charrnn.training.loop import resume, train
from tests.conftest import VERSE

STOP_AT = 13
SHAPE = ModelConfig(num_layers=2, hidden_size=6)
TEXT = TextConfig(document_separator="\x1c")
CONFIG = TrainConfig(
    batch_size=8,
    seq_length=8,
    dropout=0.2,
    output_dropout=0.3,
    weight_drop=0.25,
    input_dropout=0.1,
    state_drop=0.05,
    loss_temperature=0.9,
    weight_decay=0.1,
    warmup_steps=5,
    max_steps=20,
    eval_every=10,
    log_every=5,
    learning_rate=0.004,
    teachers=1,
    seed=3,
    device="cpu",
    precision="float32",  # the same on every CPU
    threads=1,
)
SAMPLE = SampleConfig(length=80, temperature=0.8, top_k=20, top_p=0.98, min_p=0.01, seed=5)
PROMPT = "SECOND MILLER:\n"
NOT_COMPARED = {*TIMING_KEYS, "preview"}
"""Keys of metrics rows. A preview is a text at the default settings, which may change."""
ARRAYS = ("weights", "trainer")
"""The endings of the keys of results that are arrays."""


def make(folder: Path) -> None:
    """Train the run until `STOP_AT`; store it with its text and its results."""
    (folder / "run").parent.mkdir(parents=True)
    path = folder / "corpus.txt"
    path.write_text("\n\x1c".join(VERSE.strip().split("\n\n") * 12) + "\n", encoding="utf-8")
    corpus = dataclasses.replace(Corpus.open(path, TEXT), path="")
    stop, finished_teachers = threading.Event(), 0
    for event in train(corpus, CONFIG, SHAPE, out_dir=folder / "run", stop=stop):
        finished_teachers += isinstance(event, TeacherFinished)
        if finished_teachers and isinstance(event, Step) and event.step == STOP_AT:
            stop.set()
    for lock in folder.glob("**/.lock"):
        lock.unlink()
    results = compute_results(folder)
    expected = {
        "charrnn": charrnn.__version__,
        "machine": describe_machine(),
        "digests": digest(results),
        **summarize(results),
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n", encoding="utf-8")


def compute_results(folder: Path) -> dict[str, Any]:
    """Load, sample, score and resume a copy of the run; return the results by name."""
    with tempfile.TemporaryDirectory() as parent:
        copy = Path(parent) / "run"
        shutil.copytree(folder / "run", copy)
        text = (folder / "corpus.txt").read_text("utf-8")
        newest = Run.open(copy).select("last")
        model = load(str(copy), "last", device="cpu")
        samples = {
            "float32": generate_scored(engine_for(model, "float32"), PROMPT, SAMPLE),
            "float32, several": generate_scored(
                engine_for(model, "float32"), PROMPT, dataclasses.replace(SAMPLE, num_samples=3)
            ),
            "int8": generate_scored(engine_for_checkpoint(newest, device="cpu"), PROMPT, SAMPLE),
        }
        results = {
            "step": newest.step,
            "weights": model.arrays(),
            "score": score(model, text).nats_per_char,
            "score, adapted": score(model, text[:400], adapt=AdaptConfig()).nats_per_char,
            "samples": {
                name: [
                    {"text": sample.text, "log_probability": sample.log_probability}
                    for sample in texts
                ]
                for name, texts in samples.items()
            },
        }
        if model.separator_code is None:  # else each document starts from the initial state
            results["score, context 20"] = score(model, text, context=20).nats_per_char
        for _ in resume(str(copy), corpus=folder / "corpus.txt"):
            pass
        resumed = Run.open(copy).select("last", ("model", "trainer"))
        rows = read_rows(copy / "metrics.jsonl")
        return {
            **results,
            "resumed step": resumed.step,
            "resumed weights": resumed.load("model"),
            "resumed trainer": resumed.load("trainer"),
            "rows": [{k: row[k] for k in row if k not in NOT_COMPARED} for row in rows],
        }


def describe_machine() -> dict[str, str]:
    """Return what decides the bits of the results, except charrnn."""
    return {
        "CPU": cpu_name(),
        "instructions": cpu_instructions(),
        **{module.__name__: module.__version__ for module in (torch, numba, np)},
    }


def summarize(results: dict[str, Any]) -> dict[str, Any]:
    """Return the results as JSON, with the norms of arrays, which differ little between CPUs."""
    return {
        key: {name: float(np.linalg.norm(array)) for name, array in sorted(value.items())}
        if key.endswith(ARRAYS)
        else value
        for key, value in results.items()
    }


def digest(results: dict[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the bytes of each result."""
    return {
        key: hashlib.sha256(
            b"".join(name.encode() + value[name].tobytes() for name in sorted(value))
            if key.endswith(ARRAYS)
            else json.dumps(value).encode()
        ).hexdigest()
        for key, value in results.items()
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    action, folder = sys.argv[1], Path(sys.argv[2])
    if action == "make":
        make(folder)
    else:
        print(json.dumps(digest(compute_results(folder)), indent=2))
