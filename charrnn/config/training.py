"""How a model is trained: every setting, its default, its range and its one explanation.

A field's annotation contains its range and the help of its command-line flag. `FROM_TEXT` marks a
field whose default is derived from the text (see `charrnn.training.setup.defaults`); the run
records the result. In other fields, the explanation says what None means.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from charrnn.config.checks import MAX_SEED, CheckedFields, Range
from charrnn.config.parsing import parse_duration

ResolvedDevice = Literal["cpu", "cuda", "mps"]
ResolvedPrecision = Literal["float32", "bfloat16", "float16"]
DeviceName = Literal["auto", ResolvedDevice]
Precision = Literal["auto", ResolvedPrecision]


@dataclass(frozen=True)
class DerivedFromText:
    """Marks a field whose default is derived from the text, in its annotation."""


FROM_TEXT = DerivedFromText()


@dataclass(frozen=True, kw_only=True)
class Budget(CheckedFields):
    """How long to train. The first limit reached ends the run; naming one lifts the others."""

    epochs: Annotated[
        int | None, Range(1, 10**9), "Passes through the training part of the text.", FROM_TEXT
    ] = None
    max_steps: Annotated[int | None, Range(1, 10**12), "Training steps, one batch each."] = None
    max_time: Annotated[
        float | None,
        Range(0.001, 10**9),
        "Training time, such as 90s, 10m or 1h30m.",
        parse_duration,
    ] = None

    @property
    def named(self) -> bool:
        """Whether any limit is set."""
        return self.limits != Budget()

    @property
    def limits(self) -> "Budget":
        """The three limits alone, without what a subclass adds."""
        return Budget(epochs=self.epochs, max_steps=self.max_steps, max_time=self.max_time)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Budget):
    """How a model is trained. Losses are in nats, times in seconds, lengths in characters."""

    batch_size: Annotated[
        int | None, Range(1, 2**20), "Parallel streams that the text is split into.", FROM_TEXT
    ] = None
    seq_length: Annotated[
        int | None,
        Range(1, 2**20),
        "Characters per stream in each step; gradients reach no further back.",
        FROM_TEXT,
    ] = None
    dropout: Annotated[
        float | None, Range(0, 0.95), "Share of units dropped between layers.", FROM_TEXT
    ] = None
    output_dropout: Annotated[
        float | None, Range(0, 0.95), "Share of units dropped before the output layer.", FROM_TEXT
    ] = None
    weight_drop: Annotated[
        float | None, Range(0, 0.95), "Share of recurrent weights dropped (DropConnect).", FROM_TEXT
    ] = None
    input_dropout: Annotated[
        float, Range(0, 0.95), "Share of the vocabulary hidden in each step."
    ] = 0.0
    state_drop: Annotated[
        float, Range(0, 0.95), "Share of streams whose state is reset in each step."
    ] = 0.01
    loss_temperature: Annotated[
        float | None,
        Range(0.1, 10),
        "Softmax temperature of the training loss; below 1: less confident predictions.",
        FROM_TEXT,
    ] = None
    learning_rate: Annotated[
        float, Range(1e-9, 10), "Highest learning rate, reached at the end of the warm-up."
    ] = 4e-3
    warmup_steps: Annotated[
        int, Range(0, 10**9), "Steps of the warm-up, in which the learning rate rises."
    ] = 100
    weight_decay: Annotated[
        float | None, Range(0, 10), "Weight decay of the weight matrices (AdamW).", FROM_TEXT
    ] = None
    clip_norm: Annotated[
        float, Range(1e-6, 1e6), "Largest norm of the gradient; larger gradients are scaled down."
    ] = 1.0
    average_decay: Annotated[
        float, Range(0, 0.999999), "Decay of the averaged weights, per step."
    ] = 0.995
    patience: Annotated[
        int,
        Range(0, 10**9),
        "Stop after this many evaluations without a lower held-out loss; 0: never stop early.",
    ] = 10
    val_fraction: Annotated[
        float, Range(0.001, 0.9), "Share of the text, at its end, that is held out for evaluation."
    ] = 0.1
    eval_every: Annotated[
        int | None, Range(1, 10**12), "Steps between evaluations on the held-out text.", FROM_TEXT
    ] = None
    save_every: Annotated[
        int | None, Range(1, 10**12), "Steps between checkpoints; default: one every 10 minutes."
    ] = None
    log_every: Annotated[int, Range(1, 10**12), "Steps between rows of metrics.jsonl."] = 10
    seed: Annotated[int, Range(0, MAX_SEED), "Seed of all random numbers of the run."] = 1
    device: Annotated[DeviceName, "Device to train on; auto: cuda if available, else cpu."] = "auto"
    precision: Annotated[
        Precision,
        "Number format of matrix products; auto: bfloat16 if the device supports it, else float32.",
    ] = "auto"
    threads: Annotated[int | None, Range(1, 4096), "CPU threads; default: one per core."] = None


@dataclass(frozen=True, kw_only=True)
class ResolvedTrainConfig(TrainConfig):
    """How a run is trained: no value is left to derive from the text or from the machine.

    `field()` removes the default that a field would inherit. The range is that in `TrainConfig`.
    """

    batch_size: int = field()
    seq_length: int = field()
    dropout: float = field()
    output_dropout: float = field()
    weight_drop: float = field()
    loss_temperature: float = field()
    weight_decay: float = field()
    eval_every: int = field()
    device: ResolvedDevice = field()
    precision: ResolvedPrecision = field()
    threads: int = field()

    @property
    def batch_characters(self) -> int:
        """The characters that a training step reads: streams times sequence length."""
        return self.batch_size * self.seq_length
