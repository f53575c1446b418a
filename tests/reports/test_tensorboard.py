import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CharrnnError
from charrnn.runs.metrics import read_rows
from charrnn.runs.removal import remove_run
from charrnn.runs.run import Run
from tests.cli.process import TINY
from tests.conftest import Cli

TRAIN = ("--report-to", "tensorboard", "--log-every", 5, "--seed", 3)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "tensorboard" or name.startswith("torch.utils.tensorboard"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "charrnn.reports.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(CharrnnError, match=r'run: pip install "charrnn\[tensorboard\]"'):
        importlib.import_module("charrnn.reports.tensorboard")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_what_training_reports(cli: Cli, text_file: Path) -> None:
    pytest.importorskip("tensorboard", reason="it is in the extra test-slow")
    assert cli("train", text_file, "-o", "run", *TINY, *TRAIN).code == 0
    assert cli("resume", "run", "--max-steps", 42, "--report-to", "tensorboard").code == 0
    shown = read(Path("run/tensorboard"))
    rows = read_rows(Path("run/metrics.jsonl"))
    steps = [row["step"] for row in rows]
    assert shown.steps("loss/train") == steps == [*range(5, 41, 5), 42]
    assert shown.values("learning_rate") == pytest.approx([row["learning_rate"] for row in rows])
    assert min(shown.values("gradient_norm")) > 0
    assert min(shown.values("characters_per_second")) > 0
    evaluated = [row for row in rows if row["val_loss"] is not None]
    assert shown.steps("loss/held out") == [row["step"] for row in evaluated]
    assert shown.values("loss/held out") == pytest.approx([row["val_loss"] for row in evaluated])
    assert shown.text("generated") == [
        "    " + row["preview"].replace("\n", "\n    ") for row in evaluated
    ]
    assert remove_run(Run.open(Path("run"))) == []


class Shown:
    """What TensorBoard shows of a folder."""

    def __init__(self, accumulator: Any) -> None:
        self._accumulator = accumulator

    def steps(self, tag: str) -> list[int]:
        return [event.step for event in self._accumulator.Scalars(tag)]

    def values(self, tag: str) -> list[float]:
        return [event.value for event in self._accumulator.Scalars(tag)]

    def text(self, tag: str) -> list[str]:
        events = self._accumulator.Tensors(f"{tag}/text_summary")
        return [event.tensor_proto.string_val[0].decode() for event in events]


def read(folder: Path) -> Shown:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return Shown(accumulator)
