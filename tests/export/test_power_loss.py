"""Power losses while a model is exported; see `tests.runs.disk_states` for what they leave."""

import contextlib
from pathlib import Path

import pytest

from charrnn.export.targets import export_model
from charrnn.training.events import Finished
from tests.runs.power_loss import PowerLoss
from tests.runs.recorded_disk import recorded


@pytest.mark.parametrize("suffix", ["html", "onnx", "safetensors"])
def test_an_exported_file_is_the_old_or_the_new_one(finished: Finished, suffix: str) -> None:
    run = str(finished.run.path.absolute())

    def export(checkpoint: str) -> None:
        export_model(run, f"model.{suffix}", checkpoint=checkpoint, offer_units=False)

    def read() -> tuple[bytes, ...]:
        return tuple(path.read_bytes() for path in sorted(Path().glob("model.*")))

    Path("files").mkdir()
    with contextlib.chdir("files"):
        export("step-20")
        old = read()
        with recorded(Path()) as recorder:
            export("step-30")
            recorder.mark("exported")
        new = read()
    assert len(new) == (2 if suffix == "safetensors" else 1)
    assert all(before != after for before, after in zip(old, new, strict=True))

    def is_kept(found: tuple[bytes, ...], marks: set[str]) -> bool:
        if marks:
            return found == new
        return all(data in pair for data, *pair in zip(found, old, new, strict=True))

    power_loss = PowerLoss(read)
    assert not power_loss.find_violation(recorder.recording, is_kept)
    print(f"{suffix}: {power_loss.points} points, {power_loss.num_states} states")
