import dataclasses
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.config.training import ModelConfig, TrainConfig
from charrnn.errors import CheckpointError, DamagedCheckpointWarning
from charrnn.runs.find import bundled_path, find_run, free_path, run_paths
from charrnn.runs.run import Checkpoint, Run
from charrnn.runs.run_config import CorpusRecord, RunConfig
from charrnn.training.events import Finished

CONFIG = RunConfig(
    model=ModelConfig(hidden_size=4),
    training=TrainConfig(
        batch_size=2,
        seq_length=4,
        eval_every=5,
        dropout=0.0,
        output_dropout=0.0,
        weight_drop=0.0,
        weight_decay=0.02,
        loss_temperature=1.0,
    ),
    vocabulary=("\n", "a", "é", "🙂"),
    corpus=CorpusRecord(name="t", path="/t.txt", sha256="0" * 64, characters=9, line_start="a"),
)
NUMBERS = np.arange(CONFIG.model.parameters(4))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "checkpoints" / "t", CONFIG)
    run.create()
    return run


def save(run: Run, step: int, val_loss: float | None = None) -> Checkpoint:
    size = run.checkpoint_bytes // 4 - len(NUMBERS)
    trainer = {"m": np.resize(2 * (NUMBERS + step), size).astype(np.float32)}
    return run.save(step, weights(step), trainer, {"step": step, "val_loss": val_loss})


def weights(add: float, dtype: type = np.float32) -> dict[str, NDArray[Any]]:
    shapes = CONFIG.model.shapes(4)
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
    pieces: list[NDArray[Any]] = np.split((NUMBERS + add).astype(dtype), ends[:-1])
    return {name: each.reshape(shapes[name]) for name, each in zip(shapes, pieces, strict=True)}


def test_what_was_saved_is_what_is_loaded(run: Run) -> None:
    save(run, 12, 1.25)
    loaded = Run.open(run.path).select("last")
    assert loaded.step == 12
    assert loaded.state == {"step": 12, "val_loss": 1.25}
    arrays = loaded.load("model")
    assert arrays.keys() == weights(12).keys()
    assert all(np.array_equal(arrays[name], each) for name, each in weights(12).items())
    assert np.array_equal(loaded.load("trainer")["m"][: len(NUMBERS)], 2 * (NUMBERS + 12))


def test_a_run_keeps_its_config(run: Run) -> None:
    assert Run.open(run.path).config == CONFIG
    record = json.loads((run.path / "config.json").read_text("utf-8"))
    assert record["vocabulary"] == ["\n", "a", "é", "🙂"]
    assert record["format"] == 1


def test_a_checkpoint_is_the_documented_files_and_nothing_else(run: Run) -> None:
    folder = save(run, 7).path
    assert folder.name == "step-00000007"
    names = ["manifest.json", "model.safetensors", "state.json", "trainer.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "step-00000007"]


def test_best_and_newest_are_worked_out_from_the_folders(run: Run) -> None:
    for step, loss in ((10, 2.0), (20, 1.5), (30, 1.7), (40, None)):
        save(run, step, loss)
    assert run.select("best").step == 20
    assert run.select("last").step == 40
    assert run.select("step-40").step == 40
    assert run.select("step-00000040").step == 40


def test_without_an_evaluation_the_best_is_the_newest(run: Run) -> None:
    save(run, 10)
    save(run, 20)
    assert run.select("best").step == 20


def test_two_newest_and_the_best_are_kept(run: Run) -> None:
    for step, loss in ((10, 2.0), (20, 1.5), (30, 1.7), (40, None), (50, 1.6), (60, None)):
        save(run, step, loss)
    assert [each.step for each in run.checkpoints()] == [20, 50, 60]


def test_a_checkpoint_saved_again_is_replaced(run: Run) -> None:
    save(run, 10, None)
    save(run, 10, 3.0)
    assert [each.val_loss for each in run.checkpoints()] == [3.0]
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "step-00000010"]


FILES = ("model.safetensors", "trainer.safetensors", "state.json", "manifest.json")


EVERY = pytest.mark.parametrize("stride", [97, pytest.param(1, marks=pytest.mark.slow)])


@EVERY
@pytest.mark.parametrize("name", FILES)
def test_any_damaged_byte_is_noticed_and_an_older_checkpoint_taken(
    run: Run, name: str, stride: int
) -> None:
    save(run, 10)
    path = save(run, 20).path / name
    whole = path.read_bytes()
    for place in range(0, len(whole), 1 if len(whole) < 2000 else stride):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.warns(DamagedCheckpointWarning, match="step-00000010 is used in its place"):
            assert run.select("last", ("model", "trainer")).step == 10
    path.write_bytes(whole)
    assert run.select("last", ("model", "trainer")).step == 20


@EVERY
@pytest.mark.parametrize("name", FILES)
def test_any_truncation_is_noticed(run: Run, name: str, stride: int) -> None:
    save(run, 10)
    path = save(run, 20).path / name
    whole = path.read_bytes()
    for length in range(0, len(whole), 1 if len(whole) < 2000 else stride):
        path.write_bytes(whole[:length])
        with pytest.warns(DamagedCheckpointWarning, match="is damaged or not whole; step-00000010"):
            assert run.select("last").step == 10
    path.unlink()
    with pytest.warns(DamagedCheckpointWarning, match="is damaged or not whole; step-00000010"):
        assert run.select("best").step == 10


def test_any_damaged_byte_of_the_config_is_noticed(run: Run) -> None:
    save(run, 10)
    path = run.path / "config.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        for data in (bytes(damaged), whole[:place]):
            path.write_bytes(data)
            with pytest.raises(CheckpointError):
                Run.open(run.path).select("last")


def test_a_damaged_checkpoint_asked_for_by_its_step_is_refused(run: Run) -> None:
    save(run, 10)
    path = save(run, 20).path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match="is damaged: expected SHA-256"):
        run.select("step-20")
    save(run, 10)
    for folder in run.path.glob("step-*"):
        (folder / "model.safetensors").write_bytes(path.read_bytes())
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* is sound"):
        run.select("best")


def test_the_second_best_takes_the_place_of_a_damaged_best(run: Run) -> None:
    best = save(run, 10, 1.0).path / "model.safetensors"
    for step, loss in ((20, 1.5), (30, 2.0)):
        save(run, step, loss)
    best.write_bytes(best.read_bytes()[:-1] + b"?")
    with pytest.warns(DamagedCheckpointWarning, match=r"damaged: .*step-00000020 is used"):
        assert run.select("best").step == 20


def test_links_and_files_of_another_size_are_refused(run: Run, tmp_path: Path) -> None:
    save(run, 10)
    path = save(run, 20).path / "model.safetensors"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.warns(DamagedCheckpointWarning, match="is used in its place"):
        assert run.select("last").step == 10
    large = Run(tmp_path / "large", dataclasses.replace(CONFIG, model=ModelConfig()))
    large.create()
    large.save(10, weights(0), {}, {"step": 10, "val_loss": None})
    with pytest.raises(CheckpointError, match=r"does not fit the network that config.json"):
        large.select("step-10")


def test_a_disk_without_room_is_named_before_a_run_and_before_a_save(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 900))
    with pytest.raises(CheckpointError, match=r"step 20 could not be saved .* 0.0 are free"):
        save(run, 20)
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "step-00000010"]
    with pytest.raises(CheckpointError, match=r"the run cannot be kept .* make room there"):
        Run(tmp_path / "new", CONFIG).create()


def test_two_writers_cannot_share_a_run(run: Run) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from charrnn.runs.run import Run\n"
        "with Run.open(pathlib.Path(sys.argv[1])).writing():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        named = rf"by another process \(number {other.pid}\)"
        with pytest.raises(CheckpointError, match=named), run.writing():
            pass
        save(run, 10)
        assert run.select("last").step == 10, "readers are not held up"
        other.kill()
    with run.writing():  # what a killed process leaves holds no one up
        pass


def test_a_changed_config_is_noticed(run: Run) -> None:
    save(run, 10)
    config = run.path / "config.json"
    config.write_text(config.read_text("utf-8").replace('"seed": 1', '"seed": 2'), "utf-8")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* is whole and fits its config"):
        Run.open(run.path).select("last")


def test_a_failed_save_leaves_the_older_checkpoints_and_no_litter(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"step 20 could not be saved .*No space left"):
        save(run, 20)
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "step-00000010"]
    assert run.select("last").step == 10


def test_a_failed_replacement_brings_back_what_was_there(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10, 1.0)
    plain = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name == ".saving":
            raise OSError(5, "Input/output error")
        return plain(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(CheckpointError, match=r"step 10 could not be saved .*Input/output error"):
        save(run, 10, 2.0)
    assert run.select("last").val_loss == 1.0


def test_what_a_crash_left_half_replaced_comes_back_at_the_next_save(run: Run) -> None:
    folder = save(run, 10, 1.0).path
    folder.rename(run.path / ".replaced-step-00000010")
    (run.path / ".saving").mkdir()
    assert run.select("last").step == 10, "until then it is read where it is"
    save(run, 20)
    assert [each.step for each in run.checkpoints()] == [10, 20]
    assert not (run.path / ".saving").exists()


def test_the_newest_run_is_one_that_was_saved(run: Run) -> None:
    save(run, 10)
    Run(run.path.with_name("unsaved"), CONFIG).create()
    assert find_run(None).path == Path("checkpoints/t")


def test_a_folder_that_holds_a_run_is_refused_with_both_ways_on(run: Run) -> None:
    with pytest.raises(CheckpointError, match=r"already holds a run: .*charrnn resume.*--out-dir"):
        Run(run.path, CONFIG).create()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be made"):
        Run(tmp_path / "file" / "run", CONFIG).create()


def test_a_newer_format_is_refused(run: Run) -> None:
    config = run.path / "config.json"
    config.write_text(config.read_text("utf-8").replace('"format": 1', '"format": 2'), "utf-8")
    with pytest.raises(
        CheckpointError, match=r"format number 2, .* reads up to 1: install a newer"
    ):
        Run.open(run.path)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1}', "[]", "null", '{"format": "x"}'])
def test_a_config_that_is_none_is_refused(run: Run, text: str) -> None:
    (run.path / "config.json").write_text(text, "utf-8")
    with pytest.raises(CheckpointError, match=r"config.json is damaged"):
        Run.open(run.path)


def test_a_run_is_found_by_folder_by_name_or_as_the_newest(run: Run) -> None:
    save(run, 10)
    other = Run(run.path.with_name("u"), dataclasses.replace(CONFIG))
    other.create()
    save(other, 10)
    os.utime(run.path, (1, 1))
    os.utime(run.path / "config.json", (1, 1))
    assert find_run(str(run.path)).path == run.path
    assert find_run("t").path == Path("checkpoints/t")
    assert find_run(None).path == Path("checkpoints/u")
    assert run_paths() == [Path("checkpoints/t"), Path("checkpoints/u")]


def test_a_missing_run_is_named(run: Run) -> None:
    with pytest.raises(CheckpointError, match="there is no run nobody, nor checkpoints/nobody"):
        find_run("nobody")
    with pytest.raises(CheckpointError, match="holds no complete checkpoint"):
        run.select()
    save(run, 10)
    with pytest.raises(CheckpointError, match="no checkpoint step-11: choose best, last, step-10"):
        run.select("step-11")


def test_without_runs_the_way_to_one_is_told() -> None:
    with pytest.raises(CheckpointError, match="make one with `charrnn train`"):
        find_run(None, or_bundled=False)


def test_without_runs_there_is_the_model_that_comes_with_charrnn(run: Run) -> None:
    assert find_run(None).path == find_run("bard").path == bundled_path()
    Path("checkpoints").mkdir(exist_ok=True)
    Path("checkpoints/bard").symlink_to(bundled_path())
    assert find_run(None).path == bundled_path(), "in a checkout it is no run of one's own"
    save(run, 10)
    assert find_run(None).path == Path("checkpoints/t")


def test_weights_of_16_bits_are_read_as_32(run: Run) -> None:
    kept = weights(0.1, np.float16)
    run.save(10, kept, {}, {"step": 10, "val_loss": 1.0})
    for name, array in run.select().load("model").items():
        assert array.dtype == np.float32
        assert array.tolist() == kept[name].tolist()


def test_weights_of_other_names_or_shapes_are_refused(run: Run) -> None:
    for other in ("output.bias", "a"):
        arrays = {**weights(0), other: np.zeros(3, np.float32)}
        run.save(10, arrays, {}, {"step": 10, "val_loss": 1.0})
        with pytest.raises(CheckpointError, match=rf"{other} should have the shape .*, not \(3,\)"):
            run.select().load("model")


def test_new_runs_get_the_next_free_name(run: Run) -> None:
    assert free_path("s") == Path("checkpoints/s")
    assert free_path("t") == Path("checkpoints/t-2")
    Path("checkpoints/t-2").mkdir()
    assert free_path("t") == Path("checkpoints/t-3")


def test_names_on_disk_are_those_of_a_finished_run(finished: Finished) -> None:
    assert sorted(path.name for path in finished.run.path.iterdir()) == [
        ".lock",
        "config.json",
        "metrics.jsonl",
        "step-00000020",
        "step-00000030",
    ]
