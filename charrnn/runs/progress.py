"""How far a run is: all that a checkpoint keeps of training beside its arrays."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from charrnn.config.checks import CheckedFields, Range
from charrnn.config.training import Budget
from charrnn.data.corpus_record import CorpusRecord
from charrnn.errors import CheckpointError, ConfigError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import STATE_FILE
from charrnn.runs.stored_names import to_field_names, to_stored_names

MAX_ROLLBACKS = 3

_COUNT, _QUANTITY = Range(0, 10**15), Range(0, 1e15)


@dataclass(kw_only=True)
class Progress(CheckedFields):
    """How far a run is: what `state.json` holds. Losses are in nats, times in seconds.

    `horizon` is the step at which the learning rate is planned to end, None while a budget of time
    has not been measured yet. `evaluation_seconds` is how long the last evaluation
    took. `val_loss` is that of this very step, None if it was not evaluated.
    """

    budget: Budget
    horizon: Annotated[int | None, _COUNT] = None
    step: Annotated[int, _COUNT] = 0
    epoch: Annotated[float, _QUANTITY] = 0.0
    seconds: Annotated[float, _QUANTITY] = 0.0
    learning_rate: Annotated[float, _QUANTITY] = 0.0
    evaluation_seconds: Annotated[float, _QUANTITY] = 0.0
    loss_sum: Annotated[float, _QUANTITY] = 0.0
    loss_count: Annotated[int, _COUNT] = 0
    val_loss: Annotated[float | None, _QUANTITY] = None
    evaluated_step: Annotated[int | None, _COUNT] = None
    best_val_loss: Annotated[float | None, _QUANTITY] = None
    best_step: Annotated[int | None, _COUNT] = None
    stale_evaluations: Annotated[int, _COUNT] = 0
    rollbacks: Annotated[int, Range(0, MAX_ROLLBACKS)] = 0
    """How often training diverged and returned to a checkpoint; each halves the learning rate."""
    processes: Annotated[int, Range(1, 10**6)] = 1
    """How many trained it, the last time."""
    corpus: CorpusRecord | None = None
    """The text in force, where another one took the place of that in config.json."""

    def switch_corpus(self, corpus: CorpusRecord) -> None:
        """Go on with another text: what was best on the old one's held-out part counts no more."""
        self.corpus = corpus
        self.val_loss = self.evaluated_step = self.best_val_loss = self.best_step = None
        self.stale_evaluations = 0

    @property
    def mean_loss(self) -> float | None:
        """The mean training loss since the last row of metrics, None if no step was taken since."""
        return self.loss_sum / self.loss_count if self.loss_count else None

    def record_step(
        self, *, epoch: float, train_loss: float, learning_rate: float, seconds: float
    ) -> None:
        """Count one more step; `seconds` is the training time at its end."""
        self.step += 1
        self.epoch = epoch
        self.val_loss = None
        self.learning_rate = learning_rate
        self.loss_sum += train_loss
        self.loss_count += 1
        self.seconds = seconds

    def record_evaluation(self, val_loss: float) -> bool:
        """Record the held-out loss of this step; return whether it is the lowest so far."""
        is_best = self.best_val_loss is None or val_loss < self.best_val_loss
        if is_best:
            self.best_val_loss, self.best_step = val_loss, self.step
        self.stale_evaluations = 0 if is_best else self.stale_evaluations + 1
        self.val_loss, self.evaluated_step = val_loss, self.step
        return is_best

    def start_metrics_row(self) -> None:
        """Start a new row of metrics: the mean loss is that of the steps from here on."""
        self.loss_sum, self.loss_count = 0.0, 0

    def to_record(self) -> dict[str, Any]:
        """Return what `state.json` holds; `of` is the inverse."""
        return to_stored_names(dataclasses.asdict(self))

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "Progress":
        """Return the progress that a checkpoint holds; raise `CheckpointError` if it is damaged."""
        try:
            state = to_field_names(checkpoint.state)
            corpus = state.get("corpus")
            return cls(
                **{
                    **state,
                    "budget": Budget(**state["budget"]),
                    "corpus": CorpusRecord.from_json(corpus) if corpus else None,
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
            raise CheckpointError(f"{checkpoint.path / STATE_FILE} is damaged: {error}") from None
