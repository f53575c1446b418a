import threading
from pathlib import Path

import pytest

from charrnn.data import encoded_cache, progress, sources
from charrnn.data.corpus import Corpus
from charrnn.data.progress import Reading
from charrnn.errors import ConfigError
from charrnn.runs.run import Run
from charrnn.training.distributed.group import Group
from charrnn.training.distributed.ranks import Ranks
from charrnn.training.events import Started
from charrnn.training.loop import resume, train
from charrnn.training.setup.opening import open_unless_stopped
from tests.conftest import TINY_MODEL, TINY_TRAINING

TASKS = ["reading verse", "encoding verse"]


@pytest.fixture
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every text as a large one."""
    monkeypatch.setattr(encoded_cache, "MIN_CACHED_BYTES", 0)
    for module in (sources, progress):
        monkeypatch.setattr(module, "CHUNK", 64)


def test_without_a_stop_request_the_text_is_returned(corpus: Corpus) -> None:
    assert open_unless_stopped(lambda report: corpus, None, threading.Event()) is corpus


def test_a_stop_request_of_another_process_counts_too(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group(Ranks(size=2))
    monkeypatch.setattr(Group, "is_true_in_any", lambda self, value: True)
    assert open_unless_stopped(lambda report: corpus, None, threading.Event(), group) is None


def test_a_stop_request_interrupts_the_opening(corpus: Corpus) -> None:
    stop, readings = threading.Event(), list[Reading]()

    def open_text(report: progress.ProgressCallback) -> Corpus:
        for done in range(1, 10):
            report(Reading("encoding verse", done, 10))
            if done == 3:
                stop.set()
        return corpus

    assert open_unless_stopped(open_text, readings.append, stop) is None
    assert [reading.done for reading in readings] == [1, 2, 3]


@pytest.mark.usefixtures("_small_chunks")
def test_train_and_resume_report_progress_by_the_callback_only(text_file: Path) -> None:
    readings = list[Reading]()
    events = list(
        train(str(text_file), TINY_TRAINING, TINY_MODEL, out_dir="run", progress=readings.append)
    )
    assert list(dict.fromkeys(reading.task for reading in readings)) == TASKS
    assert isinstance(events[0], Started)
    assert not any(isinstance(event, Reading) for event in events)

    readings.clear()
    with pytest.raises(ConfigError, match="run is finished"):
        list(resume("run", progress=readings.append))
    assert {reading.task for reading in readings} == {TASKS[0]}  # the encoded copy is found


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("task", TASKS)
def test_a_stop_interrupts_the_reading_of_a_text(text_file: Path, task: str) -> None:
    stop, readings = threading.Event(), list[Reading]()

    def stop_at_the_task(reading: Reading) -> None:
        readings.append(reading)
        if reading.task == task:
            stop.set()

    options = {"out_dir": "run", "progress": stop_at_the_task, "stop": stop}
    assert list(train(str(text_file), TINY_TRAINING, TINY_MODEL, **options)) == []  # type: ignore[arg-type]
    assert [reading.task for reading in readings].count(task) == 1
    assert not Path("run").exists()


@pytest.mark.usefixtures("_small_chunks")
def test_a_stop_request_interrupts_the_reading_of_a_resumed_run(text_file: Path) -> None:
    stop = threading.Event()
    list(train(str(text_file), TINY_TRAINING, TINY_MODEL, out_dir="run"))
    before = Run.open(Path("run")).checkpoints()
    stop.set()
    assert list(resume("run", stop=stop)) == []
    assert Run.open(Path("run")).checkpoints() == before
