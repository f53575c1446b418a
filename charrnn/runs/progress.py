"""The progress of a run: all data about training that a checkpoint stores besides arrays."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from charrnn.config.checks import CheckedFields, Range, check_names, create_from_record
from charrnn.config.text import ResolvedTextConfig
from charrnn.config.training import Budget, ResolvedTrainConfig
from charrnn.data.corpus_record import CorpusRecord
from charrnn.errors import ConfigError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.compatibility import make_read_error
from charrnn.runs.layout import STATE_FILE
from charrnn.runs.run_config import Origin, RunConfig
from charrnn.runs.stored_names import to_field_names, to_stored_names

MAX_ROLLBACKS = 3

_COUNT, _QUANTITY = Range(0, 10**15), Range(0, 1e15)


@dataclass(kw_only=True)
class Progress(CheckedFields):
    """The progress of a run, as stored in `state.json`. Losses are in nats, times in seconds.

    `horizon` is the planned last step of the learning rate schedule; it is None until the speed has
    been measured, if the budget is a time. `evaluation_seconds` is the duration of the last
    evaluation. `val_loss` is the held-out loss of this step; it is None if this step was not
    evaluated. `eval_every` is the number of steps between two evaluations, as planned from the
    budget; it is None if it is that of `config.json`. `budget_start` is the step at which the
    current budget was set.
    """

    budget: Budget
    horizon: Annotated[int | None, _COUNT] = None
    eval_every: Annotated[int | None, Range(1, 10**15)] = None
    budget_start: Annotated[int, _COUNT] = 0
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
    """How often training diverged and rolled back; each time halves the learning rate."""
    processes: Annotated[int, Range(1, 10**6)] = 1
    """The number of processes that most recently trained the run."""
    corpus: CorpusRecord | None = None
    """The current text, if it is not the one in config.json."""
    text: ResolvedTextConfig | None = None
    """How the current text is read, if it is not the text in config.json."""
    teachers: tuple[Origin, ...] = ()
    """The checkpoints of the teachers that the network learns from, once it has started to. Their
    paths are relative to the folder of the run."""

    def switch_corpus(self, corpus: CorpusRecord, text: ResolvedTextConfig) -> None:
        """Continue with another text; reset the best loss, which belongs to the old text."""
        self.corpus, self.text = corpus, text
        self.reset_losses()

    def reset_losses(self) -> None:
        """Forget the held-out losses, which belong to another text."""
        self.val_loss = self.evaluated_step = self.best_val_loss = self.best_step = None
        self.stale_evaluations = 0

    def current_config(self, config: RunConfig) -> RunConfig:
        """Return the config of the run with its current text.

        The baseline is that of the text in config.json, so it is left out for another text.
        """
        if self.corpus is None:
            return config
        text = self.text or config.text
        return dataclasses.replace(config, corpus=self.corpus, text=text, baseline=None)

    @property
    def mean_loss(self) -> float | None:
        """The mean training loss since the last row of metrics; None if there was no step since."""
        return self.loss_sum / self.loss_count if self.loss_count else None

    def record_step(
        self,
        *,
        epoch: float,
        train_loss: float,
        learning_rate: float,
        seconds: float,
        weight: int = 1,
    ) -> None:
        """Record a completed step; `seconds` is the training time at its end.

        `weight` is that of its loss in the mean: 1, or the number of characters that the step
        predicted, if it differs between steps.
        """
        self.step += 1
        self.epoch = epoch
        self.val_loss = None
        self.learning_rate = learning_rate
        self.loss_sum += train_loss * weight
        self.loss_count += weight
        self.seconds = seconds

    def record_evaluation(self, val_loss: float | None) -> bool:
        """Record the held-out loss of this step; return whether it is the lowest so far.

        None: there is no held-out text.
        """
        if val_loss is None:
            self.evaluated_step = self.step
            return False
        is_best = self.best_val_loss is None or val_loss < self.best_val_loss
        if is_best:
            self.best_val_loss, self.best_step = val_loss, self.step
        self.stale_evaluations = 0 if is_best else self.stale_evaluations + 1
        self.val_loss, self.evaluated_step = val_loss, self.step
        return is_best

    def has_reached(self, config: ResolvedTrainConfig) -> bool:
        """Return whether a held-out loss is as low as the target loss of the run."""
        target, best = config.target_loss, self.best_val_loss
        return target is not None and best is not None and best <= target

    def start_metrics_row(self) -> None:
        """Start a new row of metrics: reset the mean training loss."""
        self.loss_sum, self.loss_count = 0.0, 0

    def to_record(self) -> dict[str, Any]:
        """Return the contents of `state.json`; `from_checkpoint` is the inverse."""
        return to_stored_names(
            {**dataclasses.asdict(self), "teachers": [*map(vars, self.teachers)]}
        )

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "Progress":
        """Read the progress from a checkpoint; raise `CheckpointError` if that is not possible."""
        path = checkpoint.locate(STATE_FILE)
        return cls.from_record(checkpoint.state, path, checkpoint.version)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], path: Path, version: str | None) -> "Progress":
        """Return the progress in the contents of the `state.json` that `version` wrote to `path`.

        Raises `CheckpointError`.
        """
        try:
            return cls._from_fields(to_field_names(record))
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
            raise make_read_error(path, error, version) from None

    @classmethod
    def _from_fields(cls, state: Mapping[str, Any]) -> "Progress":
        check_names(cls, state, "entry")
        corpus, text = state.get("corpus"), state.get("text")
        return cls(
            **{
                **state,
                "budget": create_from_record(Budget, state["budget"]),
                "corpus": CorpusRecord.from_json(corpus) if corpus else None,
                "text": create_from_record(ResolvedTextConfig, text) if text else None,
                "teachers": tuple(
                    create_from_record(Origin, origin) for origin in state.get("teachers", ())
                ),
            }
        )
