import dataclasses
import getpass
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from charrnn.analysis.scoring import score
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.data.corpus import Corpus
from charrnn.errors import CheckpointError, CorpusError
from charrnn.model.loading import load
from charrnn.runs.file_run import FileRun
from charrnn.runs.find import find_run, open_if_run
from charrnn.runs.model_file import add_digest, make_model_file, parse_header
from charrnn.runs.text_reader import TextReader
from charrnn.runs.verification import verify_run
from charrnn.sampling.loop import generate
from charrnn.training.events import Finished
from charrnn.training.loop import resume, train
from charrnn.version import __version__
from tests.conftest import TINY_MODEL, TINY_TRAINING, VERSE, last_event

OLD_FILE = Path(__file__).parents[1] / "data/export-0.1.0/model.safetensors"


@pytest.fixture
def model_file(finished: Finished) -> Path:
    path = Path("model.safetensors").absolute()
    path.write_bytes(make_model_file(finished.run.select("best"), "card"))
    return path


def test_a_model_file_gives_the_results_of_its_run(
    finished: Finished, model_file: Path, text_file: Path
) -> None:
    run, name = str(finished.run.path), str(model_file)
    assert generate(name, "The", length=60, seed=3) == generate(run, "The", length=60, seed=3)
    assert score(name, VERSE) == score(run, VERSE)
    assert score(name, VERSE, adapt=AdaptConfig()) == score(run, VERSE, adapt=AdaptConfig())
    parts = [TextReader(find_run(source).select()).split(text_file) for source in (name, run)]
    assert all(map(np.array_equal, *parts))
    checkpoint, original = find_run(name).select(), finished.run.select()
    assert checkpoint.run.name == "model"
    assert checkpoint.step == original.step
    assert checkpoint.state["val_loss"] == original.state["val_loss"]
    assert checkpoint.run.config.training == original.run.config.training
    assert [find_run(name).select(other).step for other in ("last", "step-30")] == [30, 30]
    again = make_model_file(checkpoint, "card")
    assert parse_header(again).metadata == parse_header(model_file.read_bytes()).metadata


def test_a_run_can_start_from_a_model_file_but_not_resume_it(model_file: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot be resumed: start .* `charrnn train --init"):
        next(iter(resume(str(model_file))))
    config = {**vars(TINY_TRAINING), "max_steps": 1}
    corpus = Corpus.from_text(VERSE * 3)
    events = list(train(corpus, type(TINY_TRAINING)(**config), init_from=str(model_file)))
    origin = last_event(events).run.config.init_from
    assert origin
    assert origin.sha256 == find_run(str(model_file)).select().origin.sha256


def test_a_model_file_has_no_path_and_no_user_name(
    finished: Finished, model_file: Path, text_file: Path
) -> None:
    corpus = finished.run.config.corpus
    assert corpus.path == str(text_file)
    data = model_file.read_bytes()
    assert corpus.sha256.encode() in data
    for secret in (*text_file.parts[:-1], str(Path.cwd()), "checkpoints", getpass.getuser()):
        assert len(secret) < 3 or secret.encode() not in data, secret


def test_every_changed_byte_is_detected(model_file: Path) -> None:
    data = model_file.read_bytes()
    size = parse_header(data).size
    places = random.Random(1).sample(range(size), 60) + random.Random(2).sample(
        range(size, len(data)), 20
    )
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1
        model_file.write_bytes(changed)
        with pytest.raises(CheckpointError):
            FileRun.open(model_file).select()
    model_file.write_bytes(data)
    assert [file.damage for file in verify_run(find_run(str(model_file)))] == [None]
    model_file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (verified,) = verify_run(find_run(str(model_file)))
    assert verified.damage
    assert "expected SHA-256" in verified.damage
    assert verified.bytes == len(data)


@pytest.mark.parametrize("length", [0, 5, 8, 200, -1])
def test_a_file_that_is_cut_off_is_damaged(model_file: Path, length: int) -> None:
    model_file.write_bytes(model_file.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        find_run(str(model_file)).select()


def test_a_file_that_grew_is_not_read(model_file: Path) -> None:
    with model_file.open("ab") as file:
        file.write(bytes(100))
    with pytest.raises(CheckpointError, match="too large"):
        find_run(str(model_file)).select()


def test_a_file_of_another_program_is_named() -> None:
    Path("other.safetensors").write_bytes(safetensors.numpy.save({"a": np.zeros(3)}))
    with pytest.raises(CheckpointError, match="has no vocabulary, so `charrnn export` did not"):
        find_run("other.safetensors")


def change_run(key: str, value: object) -> Callable[[dict[str, str]], None]:
    def change(metadata: dict[str, str]) -> None:
        record = json.loads(metadata["run"])
        record[key] = value
        metadata["run"] = json.dumps(record)

    return change


def change_metadata(key: str, value: str) -> Callable[[dict[str, str]], None]:
    return lambda metadata: metadata.update({key: value})


@pytest.mark.parametrize(
    "change",
    [
        change_metadata("run", "[]"),
        change_metadata("run", "{"),
        change_metadata("run", "[" * 100_000),
        change_metadata("vocabulary", "[1, 2]"),
        change_metadata("vocabulary", '["a", "b"]'),
        change_metadata("gradient_squares", "?"),
        change_metadata("gradient_squares", ""),
        *(change_run(key, None) for key in ("format", "model", "training", "corpus", "state")),
        change_run("model", {"cell": "lstm", "num_layers": 10**6, "hidden_size": 10**6}),
        change_run("format", 99),
        change_run("state", {}),
        change_run("state", {"step": "x", "val_loss": []}),
    ],
)
def test_a_file_with_other_metadata_and_a_valid_digest_is_refused(
    model_file: Path, change: Callable[[dict[str, str]], None]
) -> None:
    data = model_file.read_bytes()
    metadata = parse_header(data).metadata
    change(metadata)
    model_file.write_bytes(add_digest(safetensors.numpy.load(data), metadata))
    with pytest.raises(CheckpointError):
        load(str(model_file))


def test_a_text_file_and_a_file_inside_a_run_are_no_models(finished: Finished) -> None:
    inside = finished.run.select().path / "model.safetensors"
    with pytest.raises(CheckpointError, match="belongs to a checkpoint, but is not a run"):
        find_run(str(inside))
    Path("a.txt").write_text("text")
    assert open_if_run("a.txt") is None
    assert isinstance(open_if_run(str(OLD_FILE)), FileRun)


def test_a_file_of_version_0_1_0_can_be_used_without_its_text() -> None:
    folder = OLD_FILE.parents[1] / "run-0.1.0"
    shutil.copytree(folder / "run", "old")
    text = (folder / "corpus.txt").read_text("utf-8")
    assert generate(str(OLD_FILE), "The", length=40, seed=2) == generate(
        "old", "The", length=40, seed=2
    )
    assert score(str(OLD_FILE), text) == score("old", text)
    with pytest.raises(CorpusError, match="does not say which text it was trained on"):
        TextReader(find_run(str(OLD_FILE)).select()).split()
    (verified,) = verify_run(find_run(str(OLD_FILE)))
    assert verified.damage is None
    assert verified.note
    assert "has no digest" in verified.note
    again = Path("again.safetensors")
    again.write_bytes(make_model_file(find_run(str(OLD_FILE)).select(), "card"))
    metadata = parse_header(again.read_bytes()).metadata
    assert "run" not in metadata
    assert "digest" in metadata
    assert not find_run(str(again)).config.corpus.is_known


@pytest.mark.parametrize("header", ['"abc"', "[]", '{"__metadata__": ["x"]}', "{}", "3", "null"])
def test_a_header_of_another_kind_is_damaged(header: str) -> None:
    path = Path("model.safetensors")
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    with pytest.raises(CheckpointError, match=r"model\.safetensors (is damaged|has no vocabulary)"):
        find_run("model.safetensors")


def rewrite_run(model_file: Path, **values: object) -> None:
    data = model_file.read_bytes()
    metadata = parse_header(data).metadata
    metadata["run"] = json.dumps(json.loads(metadata["run"]) | values)
    model_file.write_bytes(add_digest(safetensors.numpy.load(data), metadata))


def test_values_that_progress_does_not_need_have_defaults(model_file: Path) -> None:
    rewrite_run(model_file, state={"budget": {"max_steps": 30}})
    checkpoint = find_run(str(model_file)).select()
    assert (checkpoint.step, checkpoint.val_loss) == (0, None)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"format": 99}, "its format number, 99, is not known"),
        ({"state": {"new": 1}}, "the entry 'new' is not known"),
    ],
)
def test_a_file_of_a_newer_version_is_not_called_damaged(
    values: dict[str, object], problem: str, model_file: Path
) -> None:
    rewrite_run(model_file, charrnn="99.0.0", **values)
    with pytest.raises(CheckpointError) as caught:
        find_run(str(model_file))
    assert str(caught.value) == (
        f"charrnn {__version__} cannot read {model_file}, which charrnn 99.0.0 wrote ({problem}): "
        "install charrnn 99.0.0 or newer"
    )


def test_the_suffix_may_be_in_capitals(model_file: Path) -> None:
    path = model_file.rename(model_file.with_name("model.SAFETENSORS"))
    assert find_run(str(path)).name == "model"
    assert isinstance(open_if_run(str(path)), FileRun)


def test_the_file_of_a_run_with_teachers_is_intact(text_file: Path) -> None:
    config = dataclasses.replace(TINY_TRAINING, teachers=1)
    run = last_event(list(train(str(text_file), config, TINY_MODEL))).run
    Path("model.safetensors").write_bytes(make_model_file(run.select("step-20"), "card"))
    (verified,) = verify_run(find_run("model.safetensors"))
    assert verified.damage is None
