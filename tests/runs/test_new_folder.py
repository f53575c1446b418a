"""The folder of a new run: reserved for one process, and removed if no run was created."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charrnn.errors import CheckpointError
from charrnn.runs.new_folder import reserve_run_folder
from tests.cli.forked import ForkedProgram

TRAIN = ("train", "novel.txt", "--num-layers", "1", "--hidden-size", "8", "--max-steps", "3")


def test_the_folder_has_an_unused_name_and_is_removed_if_it_stays_empty() -> None:
    with reserve_run_folder("novel") as first, reserve_run_folder("novel") as second:
        assert (first, second) == (Path("checkpoints/novel"), Path("checkpoints/novel-2"))
        (second / "config.json").touch()
    assert not first.exists()
    assert second.exists()


def test_a_folder_of_runs_that_was_created_is_removed_too() -> None:
    with pytest.raises(KeyboardInterrupt), reserve_run_folder("novel"):
        raise KeyboardInterrupt
    assert not Path("checkpoints").exists()
    Path("checkpoints").mkdir()
    with reserve_run_folder("novel"):
        pass
    assert Path("checkpoints").exists()


def test_many_threads_get_different_folders() -> None:
    def reserve(_: int) -> Path:
        with reserve_run_folder("novel") as path:
            (path / "config.json").touch()
            return path

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(reserve, range(64)))) == 64


def test_a_name_of_a_broken_link_is_skipped() -> None:
    Path("checkpoints").mkdir()
    Path("checkpoints/novel").symlink_to("nowhere")
    with reserve_run_folder("novel") as path:
        assert path == Path("checkpoints/novel-2")


def test_a_folder_that_cannot_be_created_is_an_error() -> None:
    Path("checkpoints").touch()
    with (
        pytest.raises(CheckpointError, match=r"checkpoints/novel cannot be created .*--out-dir"),
        reserve_run_folder("novel"),
    ):
        pass


def test_runs_that_start_at_the_same_moment_get_different_folders() -> None:
    Path("novel.txt").write_text("a short novel\n" * 100)
    processes = [ForkedProgram(*TRAIN, "--threads", "1", "--device", "cpu") for _ in range(2)]
    outcomes = [process.wait() for process in processes]
    assert [code for code, _, _ in outcomes] == [0, 0], outcomes
    runs = {out.strip() for _, out, _ in outcomes}
    assert runs == {"checkpoints/novel", "checkpoints/novel-2"}
