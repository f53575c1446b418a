"""How far a run is: all that a checkpoint keeps of training beside its arrays."""

from dataclasses import dataclass

from charrnn.config.checks import check_integer, check_number
from charrnn.config.training import Budget
from charrnn.data.corpus_record import CorpusRecord
from charrnn.errors import CheckpointError, ConfigError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import STATE_FILE

MOST_SETBACKS = 3


@dataclass(kw_only=True)
class Progress:
    """How far a run is: what `state.json` holds. Losses are in nats, times in seconds.

    `horizon` is the step at which the learning rate is planned to end, None while a budget of time
    has not been measured yet. `evaluation_seconds` is how long the last evaluation
    took. `val_loss` is that of this very step, None if it was not evaluated.
    """

    budget: Budget
    horizon: int | None = None
    step: int = 0
    epoch: float = 0.0
    seconds: float = 0.0
    learning_rate: float = 0.0
    evaluation_seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    val_loss: float | None = None
    evaluated_step: int | None = None
    best_val_loss: float | None = None
    best_step: int | None = None
    stale_evaluations: int = 0
    setbacks: int = 0
    """How often training diverged and stepped back: each time, the learning rate is halved."""
    processes: int = 1
    """How many trained it, the last time."""
    corpus: CorpusRecord | None = None
    """The text in force, where another one took the place of that in config.json."""

    def __post_init__(self) -> None:
        for name in ("step", "loss_count", "stale_evaluations"):
            check_integer(name, getattr(self, name), 0, 10**15)
        for name in ("horizon", "evaluated_step", "best_step"):
            check_integer(name, getattr(self, name), 0, 10**15, optional=True)
        for name in ("epoch", "seconds", "learning_rate", "evaluation_seconds", "loss_sum"):
            check_number(name, getattr(self, name), 0, 1e15)
        for name in ("val_loss", "best_val_loss"):
            check_number(name, getattr(self, name), 0, 1e15, optional=True)
        check_integer("setbacks", self.setbacks, 0, MOST_SETBACKS)
        check_integer("processes", self.processes, 1, 10**6)

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
