"""Training as an iterator of events. Training is a function of corpus, resolved config and step.

Nothing is printed. After a stop request, training saves and ends before the next step. A stop
request during an evaluation ends it at once; a resume then starts with that evaluation.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from charrnn.config.model import ModelConfig
from charrnn.config.text import ReadingConfig, TextConfig
from charrnn.config.training import Budget, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.progress import ProgressCallback
from charrnn.files import expand_path
from charrnn.numerics.devices import choose_device, idle_gpu_advice
from charrnn.runs.new_folder import reserve_run_folder
from charrnn.runs.run import Run
from charrnn.runs.saving import check_new_folder
from charrnn.training.distributed.group import Group
from charrnn.training.events import Event, Finished
from charrnn.training.setup.new_run import NewRun, prepare_new_run
from charrnn.training.setup.opening import open_new_text, open_unless_stopped
from charrnn.training.setup.reproducible import check_one_process, set_machine
from charrnn.training.setup.resumed_run import (
    ResumeRequest,
    check_same_run,
    find_run_before_restart,
    find_run_to_resume,
    prepare_resumed_run,
)
from charrnn.training.start import make_started_event
from charrnn.training.teacher_training import train_teachers


def train(
    corpus: Corpus | str | Path | Sequence[str | Path] | None = None,
    config: TrainConfig | None = None,
    model: ModelConfig | None = None,
    text_config: TextConfig | None = None,
    *,
    out_dir: str | Path | None = None,
    init_from: str | None = None,
    progress: ProgressCallback | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Event]:
    """Train a new model on a text until a limit or the patience is reached; yield events.

    `corpus` is by default the bundled text; `text_config` says how to read it; a `Corpus` is used
    as it is. `out_dir` is the folder of the run, by default the name of the text under
    `checkpoints/`. `init_from` names a run: training starts from its best model, the network has
    the shape of that model, and the text is read as the text of that run, except for what
    `text_config` says.
    `progress` is called with a `Reading` while a large text is downloaded or read. When `stop` is
    set, training saves and ends; while the text is read, it ends without an event. Raises
    `CharrnnError`.
    """
    stop = stop or threading.Event()
    config = set_machine(config or TrainConfig())
    choose_device(config.device)  # raises errors before a large text is read
    folder = None if out_dir is None else expand_path(out_dir)
    with Group.join() as group:
        check_one_process(config, group)
        restarted = group.on_rank_zero(lambda: find_run_before_restart(group.ranks, folder))
        if folder is not None and restarted is None:
            group.on_rank_zero(functools.partial(check_new_folder, folder))
        text_config = text_config or TextConfig()
        text = open_unless_stopped(
            lambda report: open_new_text(corpus, text_config, init_from, group, report),
            progress,
            stop,
            group,
        )
        if text is not None and restarted is not None:
            check = functools.partial(check_same_run, restarted, text, config, model, init_from)
            group.on_rank_zero(check)
            with group.rank_zero_context(restarted.lock_for_writing):
                request = ResumeRequest(text=text)
                yield from _resume(restarted, request, progress, stop, group)
        elif text is not None:
            prepare = functools.partial(
                prepare_new_run, text, config, model, init_from=init_from, group=group
            )
            yield from _train_new(prepare, text, folder, progress, stop, group)


def _train_new(
    prepare: Callable[..., NewRun],
    text: Corpus,
    folder: Path | None,
    progress: ProgressCallback | None,
    stop: threading.Event,
    group: Group,
) -> Iterator[Event]:
    """Train a new run in `folder`, by default in a folder that is reserved for the text's name."""
    with contextlib.ExitStack() as stack:
        if folder is None and group.ranks.is_rank_zero:
            folder = stack.enter_context(reserve_run_folder(text.name))
        new_run = prepare(out_dir=folder)
        run = new_run.trainer.run
        stack.enter_context(group.rank_zero_context(run.lock_for_writing))
        teachers = run.config.training.teachers
        new_run.trainer.create_folder()
        for number in range(1, teachers + 1):
            teacher = new_run.make_teacher(number)
            teacher.create_folder()
            teacher.save()
        new_run.trainer.save()  # from here on, the run can be resumed
        notes = (*new_run.notes, *idle_gpu_advice(new_run.trainer.model.device, group.ranks.size))
        yield make_started_event(
            new_run.trainer, added_characters=new_run.added_characters, notes=notes
        )
        if teachers:
            del new_run, teacher  # frees their memory
            yield from _resume(run, ResumeRequest(text=text), progress, stop, group)
        else:
            yield from new_run.trainer.train(stop)


def resume(
    run: str | None = None,
    budget: Budget | None = None,
    *,
    corpus: str | Path | None = None,
    device: str | None = None,
    threads: int | None = None,
    reading: ReadingConfig | None = None,
    progress: ProgressCallback | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Event]:
    """Continue a run exactly from its newest checkpoint; see `train` for the other arguments.

    `run` is by default the newest run. A `budget` that differs from that of the run replaces it,
    and the rest of the learning rate schedule is planned again. `corpus` is the current path of the
    text of the run, or another text, which replaces it. `reading` says how to read it, by default
    as before. Raises `CharrnnError`.
    """
    with Group.join() as group:
        resumed = group.on_rank_zero(lambda: find_run_to_resume(run))
        limits = None if budget is None else budget.limits  # not the fields of a `TrainConfig`
        request = ResumeRequest(limits, corpus, device, threads, reading)
        with group.rank_zero_context(resumed.lock_for_writing):
            yield from _resume(resumed, request, progress, stop or threading.Event(), group)


def _resume(
    run: Run,
    request: ResumeRequest,
    progress: ProgressCallback | None,
    stop: threading.Event,
    group: Group,
) -> Iterator[Event]:
    for event in train_teachers(run, request, progress, stop, group):
        yield event
        if isinstance(event, Finished):
            return
    resumed = prepare_resumed_run(run, request, progress, stop, group)
    if resumed is None:
        return
    yield make_started_event(
        resumed.trainer,
        replanned=resumed.replanned,
        other_text=resumed.other_text,
        notes=resumed.notes,
    )
    yield from resumed.trainer.train(stop)
