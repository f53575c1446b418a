"""How far a run is: all that a checkpoint keeps of training beside its arrays."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import CheckedFields, Range
from charrnn.config.training import Budget
from charrnn.data.corpus_record import CorpusRecord
from charrnn.errors import CheckpointError, ConfigError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import STATE_FILE

MOST_SETBACKS = 3

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
    setbacks: Annotated[int, Range(0, MOST_SETBACKS)] = 0
    """How often training diverged and stepped back: each time, the learning rate is halved."""
    processes: Annotated[int, Range(1, 10**6)] = 1
    """How many trained it, the last time."""
    corpus: CorpusRecord | None = None
    """The text in force, where another one took the place of that in config.json."""

    def take(self, corpus: CorpusRecord) -> None:
        """Go on with another text: what was best on the old one's held-out part counts no more."""
        self.corpus = corpus
        self.val_loss = self.evaluated_step = self.best_val_loss = self.best_step = None
        self.stale_evaluations = 0

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Progress":
        """Return the progress that a checkpoint kept."""
        try:
            state = dict(checkpoint.state)
            corpus = state.get("corpus")
            return cls(
                **{
                    **state,
                    "budget": Budget(**state["budget"]),
                    "corpus": CorpusRecord.of(corpus) if corpus else None,
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
            raise CheckpointError(f"{checkpoint.path / STATE_FILE} is damaged: {error}") from None
