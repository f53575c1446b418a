"""What happens while a model is trained, as `charrnn.train` tells it.

Losses are in nats per character, times in seconds of training, earlier sittings included.
"""

from dataclasses import dataclass
from pathlib import Path

from charrnn.config.training import Budget
from charrnn.runs.run import Run


@dataclass(frozen=True)
class Started:
    """All is ready: the run, what it trains on, and what was made of the request."""

    run: Run
    step: int
    training_characters: int
    held_out_characters: int
    parameters: int
    steps_per_epoch: int
    budget: Budget
    horizon: int | None
    replanned: bool = False
    added_characters: tuple[str, ...] | None = None
    """With `init_from`: the characters that the earlier model did not know."""
    notes: tuple[str, ...] = ()
    """What is unusual about the text, a sentence each."""
    engine: str | None = None
    """On an NVIDIA GPU: the engine that computes the layers, and why; None elsewhere."""


@dataclass(frozen=True)
class Step:
    """One step was taken: `step` counts from 1, `train_loss` is that of its batch."""

    step: int
    epoch: float
    train_loss: float
    learning_rate: float
    characters_per_second: float
    seconds: float
    seconds_left: float | None
    horizon: int | None


@dataclass(frozen=True)
class Evaluated:
    """The averaged weights were judged on the held-out text, and wrote a few lines."""

    step: int
    epoch: float
    train_loss: float | None
    val_loss: float
    improved: bool
    seconds: float
    preview: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on the disk."""

    step: int
    path: Path


@dataclass(frozen=True)
class SteppedBack:
    """Training diverged, and goes on from an earlier step with half the learning rate."""

    why: str
    step: int
    """The step it goes on from."""
    setbacks: int
    """How often that has happened in this run."""
    learning_rate: float
    """The highest from here on."""


@dataclass(frozen=True)
class Finished:
    """Training is over; `reason` is the limit reached, `patience`, or `stopped` on request."""

    run: Run
    step: int
    reason: str
    best_step: int | None
    best_val_loss: float | None
    seconds: float


Event = Started | Step | Evaluated | Saved | SteppedBack | Finished
