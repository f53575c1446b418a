"""The event that describes a run when its training starts."""

from charrnn.runs.run import Run
from charrnn.training.events import Started
from charrnn.training.trainer import Trainer


def make_started_event(
    trainer: Trainer,
    *,
    replanned: bool = False,
    other_text: bool = False,
    added_characters: tuple[str, ...] | None = None,
    notes: tuple[str, ...] = (),
    teacher: int | None = None,
    student: Run | None = None,
) -> Started:
    """Return the event for a trainer at its current step; see `Started` for the arguments."""
    model, progress = trainer.model, trainer.progress
    return Started(
        run=trainer.run,
        config=progress.current_config(trainer.run.config),
        step=progress.step,
        training_characters=trainer.training_characters,
        held_out_characters=trainer.held_out_characters,
        parameters=model.config.count_parameters(len(model.vocabulary)),
        steps_per_epoch=trainer.plan.steps_per_epoch,
        budget=progress.budget,
        horizon=progress.horizon,
        replanned=replanned,
        other_text=other_text,
        added_characters=added_characters,
        notes=notes,
        teacher=teacher,
        student=student,
        engine=trainer.engine,
        device=model.device.type,
        eval_every=trainer.plan.known_eval_every(progress),
    )
