"""The events of training that `charrnn.train` and `charrnn.resume` yield.

Losses are in nats per character. Times are in seconds of training in the run, including the time
before a resume.
"""

from dataclasses import dataclass
from pathlib import Path

from charrnn.config.training import Budget
from charrnn.runs.run import Run
from charrnn.runs.run_config import RunConfig


@dataclass(frozen=True)
class Started:
    """Training starts: the run, its text, its network and its budget."""

    run: Run
    config: RunConfig
    """The settings of the run, with its current text; `run.config` has its first text."""
    step: int
    """The number of steps taken so far: 0 for a new run."""
    training_characters: int
    held_out_characters: int
    parameters: int
    steps_per_epoch: int
    budget: Budget
    horizon: int | None
    """The step at which the learning rate reaches its lowest value, None if it is not known yet."""
    replanned: bool = False
    """Whether another budget or another text has changed the horizon of a resumed run."""
    other_text: bool = False
    """Whether a resumed run continues with another text."""
    added_characters: tuple[str, ...] | None = None
    """With `init_from`: the characters that the earlier model did not contain."""
    notes: tuple[str, ...] = ()
    """What is unusual about the text or the machine, one sentence each."""
    device: str = "cpu"
    """The device that this process trains on."""
    eval_every: int | None = None
    """The number of steps between two evaluations, None if it depends on the measured speed."""
    teacher: int | None = None
    """The number of the teacher that is trained, from 1; None for the network of the run."""
    student: Run | None = None
    """The run that learns from this teacher; None for the network of the run."""
    engine: str | None = None
    """On an NVIDIA GPU: the engine that computes the layers, and the reason; None elsewhere."""


@dataclass(frozen=True)
class Step:
    """One training step has finished."""

    step: int
    """The number of the step, counted from 1."""
    epoch: float
    train_loss: float
    """The mean loss of the batch of this step."""
    learning_rate: float
    gradient_norm: float
    """The length of the gradient before it is scaled down to `clip_norm`."""
    characters_per_second: float
    seconds: float
    seconds_left: float | None
    """The estimated time to the end of the run, None if no limit or speed is known."""
    horizon: int | None


@dataclass(frozen=True)
class Evaluated:
    """The averaged weights were evaluated on the held-out text, if there is one."""

    step: int
    epoch: float
    train_loss: float | None
    """The mean training loss since the last row of metrics.jsonl, None without a step."""
    val_loss: float | None
    """None without a held-out text."""
    improved: bool
    """Whether `val_loss` is the lowest of the run so far."""
    seconds: float
    preview: str
    """A few lines of generated text."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint was saved in the folder `path`."""

    step: int
    path: Path


@dataclass(frozen=True)
class RolledBack:
    """Training diverged and continues from an earlier checkpoint, with half the learning rate."""

    cause: str
    """How training diverged: the message of the `DivergedError`."""
    step: int
    """The step of the checkpoint that training continues from."""
    rollbacks: int
    """The number of rollbacks in this run so far."""
    learning_rate: float
    """The highest learning rate of the steps that follow."""


@dataclass(frozen=True)
class TeacherFinished:
    """A teacher is trained; the next one or the network of the run follows."""

    run: Run
    """The run of the teacher."""
    teacher: int
    """The number of the teacher, from 1."""
    teachers: int
    best_step: int | None
    best_val_loss: float | None
    seconds: float


@dataclass(frozen=True)
class Finished:
    """Training has ended."""

    run: Run
    step: int
    reason: str
    """The limit that was reached, `patience`, `target_loss`, or `stopped` after a stop request."""
    best_step: int | None
    best_val_loss: float | None
    seconds: float


Event = Started | Step | Evaluated | Saved | RolledBack | TeacherFinished | Finished
