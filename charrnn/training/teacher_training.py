"""Trains the teachers of a run, one after another."""

import dataclasses
import threading
from collections.abc import Iterator

from charrnn.data.progress import ProgressCallback
from charrnn.errors import ConfigError, RunFinishedError
from charrnn.files import quote_path
from charrnn.runs.run import Run
from charrnn.runs.teachers import open_teachers
from charrnn.training.distributed.group import Group
from charrnn.training.events import Event, Finished, TeacherFinished
from charrnn.training.setup.resumed_run import ResumeRequest, prepare_resumed_run
from charrnn.training.start import make_started_event


def train_teachers(
    run: Run,
    request: ResumeRequest,
    progress: ProgressCallback | None,
    stop: threading.Event,
    group: Group,
) -> Iterator[Event]:
    """Train each teacher that is not finished from its newest checkpoint; yield its events.

    The last event is `Finished` only after a stop request. Raises `CharrnnError`.
    """
    teachers = group.on_rank_zero(lambda: open_teachers(run))
    given, request = request.budget, dataclasses.replace(request, budget=None)
    for number, teacher in enumerate(teachers, start=1):
        with group.rank_zero_context(teacher.lock_for_writing):
            try:
                resumed = prepare_resumed_run(teacher, request, progress, stop, group)
            except RunFinishedError:
                continue
            if resumed is None:  # stopped while the text was read
                return
            if given is not None and given.has_limit and given != run.config.training.limits:
                raise ConfigError(
                    f"teacher {number} of {run.path} is not finished, and the limits of teachers "
                    "cannot be changed",
                    f"run `charrnn resume {quote_path(run.path)}` without a limit",
                )
            yield make_started_event(
                resumed.trainer,
                other_text=resumed.other_text,
                notes=resumed.notes,
                teacher=number,
                teachers=len(teachers),
            )
            for event in resumed.trainer.train(stop):
                if not isinstance(event, Finished):
                    yield event
                elif event.reason == "stopped":
                    yield dataclasses.replace(event, run=run)
                    return
                else:
                    yield TeacherFinished(
                        run=teacher,
                        teacher=number,
                        teachers=len(teachers),
                        best_step=event.best_step,
                        best_val_loss=event.best_val_loss,
                        seconds=event.seconds,
                    )
