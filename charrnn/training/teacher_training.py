"""Trains the teachers of a run, one after another."""

import dataclasses
import threading
from collections.abc import Iterator

from charrnn.config.training import Budget
from charrnn.data.progress import ProgressCallback
from charrnn.errors import ConfigError
from charrnn.files import quote_path
from charrnn.runs.run import Run
from charrnn.runs.teachers import is_trained, open_teachers
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
    teachers = group.on_rank_zero(lambda: _list_untrained(run))
    for number, teacher in teachers.items():
        with group.rank_zero_context(teacher.lock_for_writing):
            _check_limits(run, number, request.budget)
            request = dataclasses.replace(request, budget=None)
            resumed = prepare_resumed_run(teacher, request, progress, stop, group)
            if resumed is None:  # stopped while the text was read
                return
            if resumed.other_text:
                raise ConfigError(
                    f"teacher {number} of {run.path} is not finished, and the text of teachers "
                    "cannot be changed",
                    f"run `charrnn resume {quote_path(run.path)}` without another text",
                )
            yield make_started_event(
                resumed.trainer,
                notes=resumed.notes,
                teacher=number,
                student=run,
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
                        teachers=run.config.training.teachers,
                        best_step=event.best_step,
                        best_val_loss=event.best_val_loss,
                        seconds=event.seconds,
                    )


def _list_untrained(run: Run) -> dict[int, Run]:
    """Return the teachers that are not trained, by number; none if the network has started."""
    if any(checkpoint.state.get("teachers") for checkpoint in run.checkpoints()):
        return {}
    teachers = dict(enumerate(open_teachers(run), start=1))
    return {number: teacher for number, teacher in teachers.items() if not is_trained(teacher)}


def _check_limits(run: Run, number: int, budget: Budget | None) -> None:
    """Raise `ConfigError` if a resume changes the limits, but this teacher is not trained."""
    if budget is not None and budget.has_limit and budget != run.config.training.limits:
        raise ConfigError(
            f"teacher {number} of {run.path} is not finished, and the limits of teachers cannot be "
            "changed",
            f"run `charrnn resume {quote_path(run.path)}` without a limit",
        )
