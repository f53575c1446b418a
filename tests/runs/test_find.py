import dataclasses
import os
from pathlib import Path

import pytest

from charrnn.errors import CheckpointError
from charrnn.runs.find import bundled_path, find_run, open_if_run, run_paths, unused_run_path
from charrnn.runs.run import Run
from tests.runs.small_run import CONFIG, save


def test_the_newest_run_is_one_with_a_checkpoint(run: Run) -> None:
    save(run, 10)
    Run(run.path.with_name("unsaved"), CONFIG).create()
    assert find_run(None).path == Path("checkpoints/t")


def test_a_run_is_found_by_folder_or_by_name_or_as_the_newest(run: Run) -> None:
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
    with pytest.raises(CheckpointError, match="there is no run missing or checkpoints/missing"):
        find_run("missing")
    with pytest.raises(CheckpointError, match="contains no complete checkpoint"):
        run.select()
    save(run, 10)
    with pytest.raises(CheckpointError, match="no checkpoint step-11: choose best, last, step-10"):
        run.select("step-11")


def test_an_argument_may_name_a_run_or_a_file(run: Run) -> None:
    save(run, 10)
    opened = open_if_run("t")
    assert opened
    assert opened.path == Path("checkpoints/t")
    assert open_if_run("-") is None
    with pytest.raises(CheckpointError, match="there is no run and no file missing"):
        open_if_run("missing")
    Path("t").write_text("a text", "utf-8")
    assert open_if_run("t") is None
    Path("config.json").write_text("{}", "utf-8")  # of another program
    assert open_if_run("t") is None


def test_the_error_without_runs_says_how_to_start_one() -> None:
    with pytest.raises(CheckpointError, match="start one with `charrnn train`"):
        find_run(None, allow_bundled=False)


def test_without_runs_the_bundled_model_is_used(run: Run) -> None:
    assert find_run(None).path == find_run("bard").path == bundled_path()
    Path("checkpoints").mkdir(exist_ok=True)
    Path("checkpoints/bard").symlink_to(bundled_path())
    assert find_run(None).path == bundled_path(), (
        "in a checkout, the bundled model is not a run of the user"
    )
    save(run, 10)
    assert find_run(None).path == Path("checkpoints/t")


def test_new_runs_get_the_next_unused_name(run: Run) -> None:
    assert unused_run_path("s") == Path("checkpoints/s")
    assert unused_run_path("t") == Path("checkpoints/t-2")
    Path("checkpoints/t-2").mkdir()
    assert unused_run_path("t") == Path("checkpoints/t-3")


@pytest.mark.parametrize("inside", ["step-00000010", "step-00000010/model.safetensors"])
def test_a_checkpoint_given_as_a_run_is_explained(run: Run, inside: str) -> None:
    save(run, 10)
    for find in (find_run, open_if_run):
        with pytest.raises(CheckpointError) as caught:
            find(f"checkpoints/t/{inside}")
        assert caught.value.explain({"--checkpoint"}).endswith(
            ": give the run checkpoints/t with --checkpoint step-10, or give the run checkpoints/t"
        )
        assert caught.value.explain({}).endswith(": give the run checkpoints/t")


def test_similar_names_are_suggested(run: Run) -> None:
    with pytest.raises(CheckpointError, match=r"there is no run brad .* \(did you mean bard\?\): "):
        find_run("brad")


def test_a_run_in_the_home_folder_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(run.path.parent.absolute()))
    assert find_run("~/t").path == run.path.absolute()


def test_a_text_given_as_a_run_is_explained() -> None:
    Path("novel.txt").write_text("a text", "utf-8")
    with pytest.raises(
        CheckpointError, match=r"is a file, not a run: .*`charrnn train novel\.txt`"
    ):
        find_run("novel.txt")
