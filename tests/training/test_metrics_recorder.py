from pathlib import Path

from charrnn.config.training import Budget
from charrnn.runs.metrics import read_rows
from charrnn.runs.progress import Progress
from charrnn.training.metrics_recorder import MetricsRecorder

PATH = Path("metrics.jsonl")


def after_two_steps(recorder: MetricsRecorder) -> Progress:
    progress = Progress(budget=Budget(max_steps=30))
    for loss, seconds in ((3.0, 0.5), (2.0, 2.0)):
        progress.record_step(epoch=0.1, train_loss=loss, learning_rate=0.01, seconds=seconds)
    assert recorder.add_step(characters=32, seconds=0.5) == 64
    assert recorder.add_step(characters=32, seconds=1.5) == 32
    return progress


def test_a_row_holds_means_over_the_steps_since_the_last_row() -> None:
    recorder = MetricsRecorder(PATH, is_writer=True)
    progress = after_two_steps(recorder)
    recorder.write_row(progress)
    progress.start_metrics_row()
    progress.record_evaluation(1.5)
    recorder.write_row(progress, preview="and so")
    first, second = read_rows(PATH)
    assert first == {
        "step": 2,
        "epoch": 0.1,
        "train_loss": 2.5,
        "val_loss": None,
        "learning_rate": 0.01,
        "characters_per_second": 32.0,
        "seconds": 2.0,
    }
    assert (second["train_loss"], second["characters_per_second"]) == (None, None)
    assert (second["val_loss"], second["preview"]) == (1.5, "and so")


def test_a_process_other_than_rank_zero_writes_no_file() -> None:
    recorder = MetricsRecorder(PATH, is_writer=False)
    progress = after_two_steps(recorder)
    recorder.write_row(progress)
    recorder.drop_rows_after(0)
    assert not PATH.exists()
    assert recorder.add_step(characters=10, seconds=1.0) == 10


def test_a_reset_discards_the_measured_steps() -> None:
    recorder = MetricsRecorder(PATH, is_writer=True)
    after_two_steps(recorder)
    recorder.reset()
    assert recorder.add_step(characters=10, seconds=2.0) == 5


def test_drop_rows_after_removes_the_rows_of_later_steps() -> None:
    recorder = MetricsRecorder(PATH, is_writer=True)
    progress = Progress(budget=Budget(max_steps=30))
    for _ in range(4):
        progress.record_step(epoch=0.1, train_loss=1.0, learning_rate=0.01, seconds=1.0)
        recorder.write_row(progress)
    recorder.drop_rows_after(2)
    assert [row["step"] for row in read_rows(PATH)] == [1, 2]
