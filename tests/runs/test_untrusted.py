"""Tests with untrusted checkpoints: mutated in any part, with a valid manifest."""

import copy
import json
import math
import random
import resource
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from charrnn.config.model import ModelConfig
from charrnn.data.corpus import Corpus
from charrnn.errors import CheckpointError, CorpusError
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.reports.tables.runs import print_run, print_runs
from charrnn.runs import manifest
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.summary import summarize_run
from charrnn.runs.verification import verify_run
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.training.loop import train
from charrnn.training.trainer import Trainer
from tests.conftest import TINY_TRAINING, VERSE, last_event

HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 7, 2**31, 2**63, 10**30, -(10**30), 0.5, 1e-300, 1e308),
    *(math.nan, math.inf, "", "x", "\0", "\x1b[2J", "[red]x[/red]", "../../etc", "\ud800"),
    *("9" * 5000, "x" * 70_000, [], {}, [[]], {"": None}, [1, 2], ["a", "a"], ["ab"], [0] * 1000),
]
PARTS = ("model.safetensors", "trainer.safetensors")
FILES = (*PARTS, "state.json")


class Mutator:
    """Makes mutated copies of an intact checkpoint."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        config = {**TINY_TRAINING.__dict__, "max_steps": 4, "eval_every": 2, "save_every": 2}
        corpus = Corpus.from_text(VERSE * 3, name="verse")
        training = type(TINY_TRAINING)(**config)
        shape = ModelConfig(num_layers=1, hidden_size=4)
        run = last_event(list(train(corpus, training, shape, out_dir="intact"))).run
        newest = run.select("last")
        self.corpus = corpus
        self.config = json.loads((run.path / "config.json").read_bytes())
        self.manifest = json.loads((newest.path / "manifest.json").read_bytes())
        self.contents = {name: (newest.path / name).read_bytes() for name in FILES}

    def write(self, path: Path) -> str:
        """Write a checkpoint with one or two mutations; return their names."""
        config, contents = copy.deepcopy(self.config), dict(self.contents)
        mutations: list[Callable[[Any, dict[str, bytes]], None]] = [
            self.mutate_config,
            self.mutate_state,
            self.mutate_header,
            self.mutate_bytes,
        ]
        chosen = self.random.sample(mutations, self.random.choice((1, 1, 2)))
        for mutation in sorted(chosen, key=mutations.index):  # bytes last: JSON becomes invalid
            mutation(config, contents)
        data = _json(config)
        body = {
            "format": 1,
            "files": {name: manifest.file_record(content) for name, content in contents.items()},
            "config": manifest.file_record(data),
        }
        if self.random.random() < 0.15:
            self.mutate(body)
        folder = path / "step-00000004"
        folder.mkdir(parents=True, exist_ok=True)
        (path / "config.json").write_bytes(data)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        manifest_record = (
            manifest.with_digest(body) if self.random.random() < 0.97 else {**body, "digest": 3}
        )
        (folder / "manifest.json").write_bytes(_json(manifest_record))
        return "+".join(mutation.__name__ for mutation in chosen)

    def mutate_config(self, config: Any, contents: dict[str, bytes]) -> None:
        self.mutate(config)

    def mutate_state(self, config: Any, contents: dict[str, bytes]) -> None:
        state = json.loads(contents["state.json"])
        self.mutate(state)
        contents["state.json"] = _json(state)

    def mutate_header(self, config: Any, contents: dict[str, bytes]) -> None:
        name = self.random.choice(PARTS)
        data = contents[name]
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        self.mutate(header)
        new_header = json.dumps(header).encode("utf-8", "surrogatepass")
        stored_length = self.random.choice((len(new_header), len(new_header), 0, 2**63, length))
        contents[name] = struct.pack("<Q", stored_length) + new_header + data[8 + length :]

    def mutate_bytes(self, config: Any, contents: dict[str, bytes]) -> None:
        name = self.random.choice(FILES)
        data = bytearray(contents[name])
        offset = self.random.randrange(len(data))
        match self.random.randrange(4):
            case 0:
                data[offset] ^= 1 << self.random.randrange(8)
            case 1:
                del data[offset:]
            case 2:
                data[offset:offset] = self.random.randbytes(self.random.choice((1, 8, 5000)))
            case 3:
                data[offset : offset + 8] = b"\xff" * 8
        contents[name] = bytes(data)

    def mutate(self, record: Any) -> None:
        """Change, remove or add one value somewhere in a record."""
        places = list(_places(record))
        holder, key = self.random.choice(places)
        match self.random.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[self.random.choice(("new", "__class__", "\x1b]0;x\x07"))] = None
            case 2:
                other_holder, other_key = self.random.choice(places)
                holder[key] = copy.deepcopy(other_holder[other_key])
            case _:
                holder[key] = copy.deepcopy(self.random.choice(HOSTILE))

    def use(self, path: Path) -> str:
        """Use a checkpoint in every way; return the outcome."""
        try:
            run = Run.open(path)
            checkpoint = run.select("last", ("model", "trainer"))
            verify_run(run)
            if self.random.random() < 0.1:  # this takes as long as all other steps
                print_runs([summarize_run(run)])
                print_run(run)
            progress = Progress.from_checkpoint(checkpoint)
            engine = engine_for_checkpoint(checkpoint)
            engine.read(engine.vocabulary.encode(engine.line_start))
            model = load_checkpoint(checkpoint, "cpu")
            if not checkpoint.weights_only:
                network = CharRNN(run.config.model, model.vocabulary, model.line_start)
                text = self.corpus.encode_with(model.vocabulary)
                Trainer(run, text, network, progress).restore(checkpoint)
        except CheckpointError as error:
            return "refused" if str(error) and "\n" not in str(error) else "several lines"
        except CorpusError:  # the vocabulary or the split does not fit the text
            return "another text"
        return "read"


def _json(record: Any) -> bytes:
    try:
        return manifest.to_json_bytes(record)
    except ValueError:
        return b"{"


def _places(record: Any) -> Any:
    pairs = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in list(pairs):
        yield record, key
        if isinstance(value, dict | list) and value:
            yield from _places(value)


def try_mutations(number: int, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    mutator = Mutator(seed)
    path, outcomes, kinds = Path("mutated"), dict[str, int](), set[str]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index in range(number):
            kind = mutator.write(path)
            kinds.add(kind)
            try:
                outcome = mutator.use(path)
            except Exception as error:
                raise AssertionError(f"number {index} of seed {seed}: {kind}") from error
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            assert not {"\x1b", "\x07"} & set(capsys.readouterr().out), (
                "control characters are escaped"
            )
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    growth = growth // 1024 if sys.platform == "darwin" else growth
    assert growth < 300 * 1024, "memory is allocated only for data that exists"
    assert set(outcomes) <= {"refused", "read", "another text"}
    assert outcomes["refused"] > 0.3 * number
    assert outcomes["read"] > 0, "harmless mutations are read"
    assert len(kinds) > 5
    with capsys.disabled():
        print(
            f"mutated checkpoints tried: {number:,} ({outcomes}), {growth / 1024:.0f} MiB of memory"
        )


def test_mutated_checkpoints_are_read_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    try_mutations(500, seed=1, capsys=capsys)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_mutated_checkpoints(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    try_mutations(10_000, seed=100 + seed, capsys=capsys)


def test_a_network_larger_than_its_file_is_an_error_before_memory_is_allocated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutator = Mutator(seed=1)
    mutator.config["model"]["hidden_size"] = 16_384
    monkeypatch.setattr(mutator.random, "sample", lambda *_, **__: [])
    monkeypatch.setattr(mutator.random, "random", lambda: 0.5)
    mutator.write(Path("large"))
    monkeypatch.setattr(
        torch.nn.Parameter, "__new__", lambda *_: pytest.fail("memory was allocated")
    )
    with pytest.raises(CheckpointError, match="does not fit the network"):
        load_checkpoint(Run.open(Path("large")).select("step-4"))
