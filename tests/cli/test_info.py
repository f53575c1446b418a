import dataclasses
import json
import re
import threading
from pathlib import Path

import pytest
import torch

from charrnn.recurrence.cuda import persistent
from charrnn.reports.tables.runs import print_run
from charrnn.runs.run import Run
from charrnn.training.events import Finished, Step
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING, Cli


def test_info_and_list_show_the_same_facts(cli: Cli, finished: Finished) -> None:
    facts = json.loads(cli("info", "verse", "--json").out)
    assert facts["run"] == "checkpoints/verse"
    assert facts["step"] == 30
    assert facts["epoch"] == pytest.approx(30 / 23, abs=1e-6)
    assert facts["val_loss"] == finished.best_val_loss
    assert facts["parameters"] == 6406
    assert facts["vocabulary_size"] == 38
    assert facts["characters"] == 820
    assert json.loads(cli("list", "--json").out) == [facts]
    listed = cli("list")
    assert "checkpoints/verse" in listed.out
    assert "2 x 16 lstm" in listed.out
    shown = cli("info")
    assert "step 30, epoch 1.30" in shown.out
    assert "step-00000020, step-00000030" in shown.out


@pytest.mark.parametrize("has_gpu", [True, False])
def test_info_shows_the_engine_for_a_gpu_run_on_a_machine_with_a_gpu(
    has_gpu: bool,
    finished: Finished,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = finished.run
    config = dataclasses.replace(
        run.config, training=dataclasses.replace(run.config.training, device="cuda")
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(persistent, "refusal_reason", lambda workload: f"{workload.streams} is few")
    print_run(Run(run.path, config))
    shown = capsys.readouterr().out
    engine = "cuDNN (the CUDA kernel is not used: 4 is few), on this machine"
    assert (engine in shown) == has_gpu
    print_run(run)
    assert "engine" not in capsys.readouterr().out


def test_info_shows_the_interval_of_evaluations_of_the_current_limit(
    cli: Cli, text_file: Path
) -> None:
    small = ("--hidden-size", 8, "--num-layers", 1, "--batch-size", 4, "--seq-length", 8)
    cli("train", text_file, *small, "--device", "cpu", "--threads", 1, "--max-steps", 3)
    assert "evaluated every step" in cli("info").out
    cli("resume", "--max-steps", 43)
    assert "evaluated every 4 steps" in cli("info").out  # a tenth of the 40 steps that were added
    cli("resume", "--max-time", "1h", "--max-steps", 45)
    assert "most recently evaluated every step" in cli("info").out


def test_info_list_and_plot_show_the_teachers(cli: Cli, text_file: Path) -> None:
    stop = threading.Event()
    config = dataclasses.replace(TINY_TRAINING, teachers=2)
    for event in train(str(text_file), config, TINY_MODEL, stop=stop):
        if isinstance(event, Step) and event.step == 20:
            stop.set()
    shown = " ".join(cli("info").out.split())
    assert "progress step 0, epoch 0.00" in shown
    assert re.search(r"teacher 1 step 20, epoch 0\.87, after \d+s; best ", shown)
    assert re.search(r"teacher 2 step 0, epoch 0\.00, after \d+s", shown)
    listed = [line.split()[0] for line in cli("list").out.splitlines() if "lstm" in line]
    runs = [f"checkpoints/verse{teacher}" for teacher in ("", "/teacher-1", "/teacher-2")]
    assert listed == runs
    facts = json.loads(cli("list", "--json").out)[0]
    assert [teacher["run"] for teacher in facts["teachers"]] == runs[1:]
    assert "━ teacher-1 train" in cli("plot").out
    list(resume("verse"))
    assert "teacher-1" not in cli("plot").out
