import json
from pathlib import Path

import pytest

from charrnn.errors import CheckpointError
from charrnn.runs.compatibility import FORMAT
from charrnn.runs.run import Run
from charrnn.version import __version__
from tests.runs.small_run import CONFIG, save


def test_a_run_keeps_its_config(run: Run) -> None:
    assert Run.open(run.path).config == CONFIG
    record = json.loads((run.path / "config.json").read_text("utf-8"))
    assert record["vocabulary"] == ["\n", "a", "é", "🙂"]
    assert (record["format"], record["charrnn"]) == (FORMAT, __version__)


def test_the_best_and_newest_checkpoints_are_computed_from_the_folders(run: Run) -> None:
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
    assert [checkpoint.step for checkpoint in run.checkpoints()] == [20, 50, 60]


def test_a_checkpoint_saved_again_is_replaced(run: Run) -> None:
    save(run, 10, None)
    save(run, 10, 3.0)
    assert [checkpoint.val_loss for checkpoint in run.checkpoints()] == [3.0]
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "step-00000010"]


def test_the_error_for_a_folder_with_a_run_names_both_ways_to_continue(run: Run) -> None:
    with pytest.raises(
        CheckpointError, match=r"already contains a run: .*charrnn resume.*--out-dir"
    ):
        Run(run.path, CONFIG).create()


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"no run can be created in .*Not a directory"):
        Run(tmp_path / "file" / "run", CONFIG).create()


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1}', "[]", "null", '{"format": "x"}'])
def test_an_invalid_config_is_an_error(run: Run, text: str) -> None:
    (run.path / "config.json").write_text(text, "utf-8")
    with pytest.raises(CheckpointError, match=r"config.json is damaged"):
        Run.open(run.path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", None),
        ("dropout", None),
        ("device", "auto"),
        pytest.param("learning_rate", 10**400, id="too large for a float"),
    ],
)
def test_a_config_with_an_unresolved_or_invalid_value_is_an_error(
    run: Run, name: str, value: object
) -> None:
    record = json.loads((run.path / "config.json").read_text("utf-8"))
    record["training"][name] = value
    (run.path / "config.json").write_text(json.dumps(record), "utf-8")
    with pytest.raises(CheckpointError, match=f"config.json is damaged: {name} must be"):
        Run.open(run.path)
