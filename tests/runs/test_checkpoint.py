import dataclasses
from pathlib import Path

import numpy as np
import pytest

from charrnn.config.model import ModelConfig
from charrnn.errors import CheckpointError, DamagedCheckpointWarning
from charrnn.runs.run import Run
from charrnn.training.events import Finished
from tests.runs.small_run import CONFIG, NUMBERS, save, weights


def test_loaded_arrays_and_state_are_those_that_were_saved(run: Run) -> None:
    save(run, 12, 1.25)
    loaded = Run.open(run.path).select("last")
    assert loaded.step == 12
    assert loaded.state == {"step": 12, "val_loss": 1.25}
    arrays = loaded.load("model")
    assert arrays.keys() == weights(12).keys()
    assert all(np.array_equal(arrays[name], array) for name, array in weights(12).items())
    assert np.array_equal(loaded.load("trainer")["m"][: len(NUMBERS)], 2 * (NUMBERS + 12))


def test_a_checkpoint_consists_of_the_documented_files_only(run: Run) -> None:
    folder = save(run, 7).path
    assert folder.name == "step-00000007"
    names = [
        "gradient_squares.safetensors",
        *("manifest.json", "model.safetensors", "state.json", "trainer.safetensors"),
    ]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "step-00000007"]


FILES = (
    *("model.safetensors", "trainer.safetensors", "gradient_squares.safetensors"),
    *("state.json", "manifest.json"),
)

STRIDES = pytest.mark.parametrize("stride", [97, pytest.param(1, marks=pytest.mark.slow)])


@STRIDES
@pytest.mark.parametrize("name", FILES)
def test_any_damaged_byte_is_detected_and_an_older_checkpoint_is_used(
    run: Run, name: str, stride: int
) -> None:
    save(run, 10)
    path = save(run, 20).path / name
    content = path.read_bytes()
    for offset in range(0, len(content), 1 if len(content) < 2000 else stride):
        damaged = bytearray(content)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        with pytest.warns(DamagedCheckpointWarning, match="charrnn uses step-00000010 instead"):
            assert run.select("last", ("model", "trainer")).step == 10
    path.write_bytes(content)
    assert run.select("last", ("model", "trainer")).step == 20


@STRIDES
@pytest.mark.parametrize("name", FILES)
def test_any_truncation_is_detected(run: Run, name: str, stride: int) -> None:
    save(run, 10)
    path = save(run, 20).path / name
    content = path.read_bytes()
    for length in range(0, len(content), 1 if len(content) < 2000 else stride):
        path.write_bytes(content[:length])
        with pytest.warns(
            DamagedCheckpointWarning, match="is damaged or incomplete; charrnn uses step-00000010"
        ):
            assert run.select("last").step == 10
    path.unlink()
    with pytest.warns(
        DamagedCheckpointWarning, match="is damaged or incomplete; charrnn uses step-00000010"
    ):
        assert run.select("best").step == 10


def test_any_damaged_byte_of_the_config_is_detected(run: Run) -> None:
    save(run, 10)
    path = run.path / "config.json"
    content = path.read_bytes()
    for offset in range(len(content)):
        damaged = bytearray(content)
        damaged[offset] ^= 1 << offset % 8
        for data in (bytes(damaged), content[:offset]):
            path.write_bytes(data)
            with pytest.raises(CheckpointError):
                Run.open(run.path).select("last")


def test_a_damaged_checkpoint_that_is_selected_by_its_step_is_an_error(run: Run) -> None:
    save(run, 10)
    path = save(run, 20).path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match="is damaged: expected SHA-256"):
        run.select("step-20")
    save(run, 10)
    for folder in run.path.glob("step-*"):
        (folder / "model.safetensors").write_bytes(path.read_bytes())
    with pytest.raises(CheckpointError, match=r"all checkpoints in .* are damaged"):
        run.select("best")


def test_the_second_best_checkpoint_replaces_a_damaged_best_one(run: Run) -> None:
    best = save(run, 10, 1.0).path / "model.safetensors"
    for step, loss in ((20, 1.5), (30, 2.0)):
        save(run, step, loss)
    best.write_bytes(best.read_bytes()[:-1] + b"?")
    with pytest.warns(DamagedCheckpointWarning, match=r"damaged: .*charrnn uses step-00000020"):
        assert run.select("best").step == 20


def test_links_and_files_of_another_size_are_not_read(run: Run, tmp_path: Path) -> None:
    save(run, 10)
    path = save(run, 20).path / "model.safetensors"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.warns(DamagedCheckpointWarning, match="charrnn uses step-00000010 instead"):
        assert run.select("last").step == 10
    large = Run(tmp_path / "large", dataclasses.replace(CONFIG, model=ModelConfig()))
    large.create()
    large.save(10, weights(0), {}, {"step": 10, "val_loss": None})
    with pytest.raises(CheckpointError, match=r"does not fit the network that config.json"):
        large.select("step-10")


def test_a_changed_config_is_detected(run: Run) -> None:
    save(run, 10)
    config = run.path / "config.json"
    config.write_text(config.read_text("utf-8").replace('"seed": 1', '"seed": 2'), "utf-8")
    with pytest.raises(
        CheckpointError, match=r"no checkpoint in .* is complete and matches its config"
    ):
        Run.open(run.path).select("last")


def test_float16_weights_are_loaded_as_float32(run: Run) -> None:
    saved = weights(0.1, np.float16)
    run.save(10, saved, {}, {"step": 10, "val_loss": 1.0})
    for name, array in run.select().load("model").items():
        assert array.dtype == np.float32
        assert array.tolist() == saved[name].tolist()


def test_weights_with_other_names_or_shapes_are_an_error(run: Run) -> None:
    for other in ("output.bias", "a"):
        arrays = {**weights(0), other: np.zeros(3, np.float32)}
        run.save(10, arrays, {}, {"step": 10, "val_loss": 1.0})
        with pytest.raises(CheckpointError, match=rf"{other} should have the shape .*, not \(3,\)"):
            run.select().load("model")


def test_a_finished_run_has_the_documented_files(finished: Finished) -> None:
    assert sorted(path.name for path in finished.run.path.iterdir()) == [
        ".lock",
        "config.json",
        "metrics.jsonl",
        "step-00000020",
        "step-00000030",
    ]
