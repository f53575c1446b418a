"""A restart of processes by torchrun."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from charrnn.config.text import TextConfig
from charrnn.data.corpus import Corpus
from charrnn.errors import CheckpointError, ConfigError
from charrnn.runs.run import Run
from charrnn.training.distributed.ranks import Ranks
from charrnn.training.events import Finished
from charrnn.training.setup.resumed_run import check_same_run, find_run_before_restart
from tests.conftest import TINY_MODEL, TINY_TRAINING, VERSE

RESTARTED = Ranks(size=2, restarts=1)


def test_only_the_folder_of_out_dir_is_continued(finished: Finished) -> None:
    assert find_run_before_restart(Ranks(size=2), None) is None
    assert find_run_before_restart(RESTARTED, Path("verse")) is None  # not checkpoints/verse
    found = find_run_before_restart(RESTARTED, Path("checkpoints/verse"))
    assert found is not None
    assert found.path == Path("checkpoints/verse")
    with pytest.raises(ConfigError, match="use --out-dir to name the folder of the run"):
        find_run_before_restart(RESTARTED, None)


def check(run: Run, text: Corpus, init_from: str | None = None, **settings: Any) -> None:
    """Check a run against the settings of `finished`, and others."""
    config = dataclasses.replace(TINY_TRAINING, **settings)
    check_same_run(run, text, config, TINY_MODEL, init_from)


def test_a_run_that_other_processes_have_made_is_not_continued(
    finished: Finished, text_file: Path
) -> None:
    run, text = finished.run, Corpus.open(text_file)
    check(run, text)
    check(run, text, dropout=None)  # charrnn chooses it
    refusal = pytest.raises(CheckpointError, match="already contains a run")
    for setting in ({"seed": 2}, {"batch_size": 8}, {"max_steps": 40}, {"init_from": "bard"}):
        with refusal:
            check(run, text, **setting)
    for other_text in (Corpus.from_text(VERSE), Corpus.open(text_file, TextConfig(min_count=2))):
        with refusal:
            check(run, other_text)
    with refusal:
        check_same_run(run, text, TINY_TRAINING, None, None)
