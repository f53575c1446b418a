"""How a model is trained: every setting, its default, its range and its one explanation.

A field's annotation carries the explanation that is also the help of its command-line flag. `None`
means: chosen from the corpus by `charrnn.training.defaults.resolve`, if it is listed there, and the
run records the result; else what its explanation says.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import MAX_SEED, check_choice, check_integer, check_number
from charrnn.config.parsing import parse_duration

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long to train. The first limit reached ends the run; naming one lifts the others."""

    epochs: Annotated[int | None, "Passes through the training part of the text."] = None
    max_steps: Annotated[int | None, "Training steps (batches)."] = None
    max_time: Annotated[
        float | None, "Training time, such as 90s, 10m or 1h30m.", parse_duration
    ] = None

    def __post_init__(self) -> None:
        check_integer("epochs", self.epochs, 1, 10**9, optional=True)
        check_integer("max_steps", self.max_steps, 1, 10**12, optional=True)
        check_number("max_time", self.max_time, 0.001, 10**9, optional=True)

    @property
    def named(self) -> bool:
        """Whether any limit is set."""
        return (self.epochs, self.max_steps, self.max_time) != (None, None, None)

    @property
    def limits(self) -> "Budget":
        """The three limits alone, without what a subclass adds."""
        return Budget(epochs=self.epochs, max_steps=self.max_steps, max_time=self.max_time)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Budget):
    """How a model is trained. Losses are in nats, times in seconds, lengths in characters."""

    batch_size: Annotated[int | None, "Parallel streams the text is cut into."] = None
    seq_length: Annotated[int | None, "Characters a gradient reaches back."] = None
    dropout: Annotated[float | None, "Share of the units dropped between layers."] = None
    output_dropout: Annotated[float | None, "Share of the last layer's units dropped."] = None
    weight_drop: Annotated[float | None, "Share of the recurrent weights dropped."] = None
    input_dropout: Annotated[float, "Share of the vocabulary not seen, a step."] = 0.0
    state_drop: Annotated[float, "Share of the streams that forget, a step."] = 0.01
    loss_temperature: Annotated[
        float | None, "Softmax temperature of the training loss; below 1: less sure afterwards."
    ] = None
    learning_rate: Annotated[float, "Highest learning rate, reached after the warm-up."] = 4e-3
    warmup_steps: Annotated[int, "Steps over which the learning rate rises."] = 100
    weight_decay: Annotated[float | None, "Decay of the weight matrices (AdamW)."] = None
    clip_norm: Annotated[float, "Largest norm of the gradient."] = 1.0
    average_decay: Annotated[float, "Decay of the averaged weights, a step."] = 0.995
    patience: Annotated[int, "Evaluations without a gain before stopping; 0: never stop."] = 10
    val_fraction: Annotated[float, "Share of the text held out at its end."] = 0.1
    eval_every: Annotated[int | None, "Steps between evaluations."] = None
    save_every: Annotated[int | None, "Steps between saves; left out: 10 minutes."] = None
    log_every: Annotated[int, "Steps between rows of metrics.jsonl."] = 10
    seed: Annotated[int, "Seed of everything random in the run."] = 1
    device: Annotated[DeviceName, "Where to compute; auto: cuda if there is one, else cpu."] = (
        "auto"
    )
    precision: Annotated[
        Precision, "Of the products; auto: bfloat16 where the device has instructions for it."
    ] = "auto"
    threads: Annotated[int | None, "Processor threads; left out: one for each core."] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("batch_size", self.batch_size, 1, 2**20, optional=True)
        check_integer("seq_length", self.seq_length, 1, 2**20, optional=True)
        check_number("dropout", self.dropout, 0, 0.95, optional=True)
        check_number("output_dropout", self.output_dropout, 0, 0.95, optional=True)
        check_number("weight_drop", self.weight_drop, 0, 0.95, optional=True)
        check_number("input_dropout", self.input_dropout, 0, 0.95)
        check_number("state_drop", self.state_drop, 0, 0.95)
        check_number("loss_temperature", self.loss_temperature, 0.1, 10, optional=True)
        check_number("learning_rate", self.learning_rate, 1e-9, 10)
        check_integer("warmup_steps", self.warmup_steps, 0, 10**9)
        check_number("weight_decay", self.weight_decay, 0, 10, optional=True)
        check_number("clip_norm", self.clip_norm, 1e-6, 1e6)
        check_number("average_decay", self.average_decay, 0, 0.999999)
        check_integer("patience", self.patience, 0, 10**9)
        check_number("val_fraction", self.val_fraction, 0.001, 0.9)
        check_integer("eval_every", self.eval_every, 1, 10**12, optional=True)
        check_integer("save_every", self.save_every, 1, 10**12, optional=True)
        check_integer("log_every", self.log_every, 1, 10**12)
        check_integer("seed", self.seed, 0, MAX_SEED)
        check_choice("device", self.device, ("auto", "cpu", "cuda", "mps"))
        check_choice("precision", self.precision, ("auto", "float32", "bfloat16", "float16"))
        check_integer("threads", self.threads, 1, 4096, optional=True)
