"""The settings of training, each with its default, its range and its one explanation.

The annotation of a field contains its range and the help of its command-line flag. `FROM_TEXT`
marks a field whose default is derived from the text (see `charrnn.training.setup.defaults`). The
run records the derived value. For other fields, the help says what None means.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from charrnn.config.checks import MAX_SEED, CheckedFields, Range
from charrnn.config.parsing import parse_duration
from charrnn.errors import ConfigError

ResolvedDevice = Literal["cpu", "cuda", "mps"]
ResolvedPrecision = Literal["float32", "bfloat16", "float16"]
DeviceName = Literal["auto", ResolvedDevice]
Precision = Literal["auto", ResolvedPrecision]


@dataclass(frozen=True)
class DerivedFromText:
    """Marks a field, in its annotation, whose default is derived from the text."""


FROM_TEXT = DerivedFromText()
LONG_RUN_LEARNING_RATE = 4e-3  # the default of runs that are not short
SHORT_RUN_LEARNING_RATE = 9e-3  # the highest default
DEFAULT_PATIENCE = 10  # evaluations without improvement, if there is a held-out text
_MIN_VAL_FRACTION = 0.001


@dataclass(frozen=True, kw_only=True)
class Budget(CheckedFields):
    """How long to train.

    The first limit that is reached ends the run. Setting one limit removes the defaults of the
    others.
    """

    epochs: Annotated[
        int | None,
        Range(1, 10**9),
        "Maximum number of passes through the training text, counted from the start of the run.",
        FROM_TEXT,
    ] = None
    max_steps: Annotated[
        int | None,
        Range(1, 10**12),
        "Maximum number of training steps (batches), counted from the start of the run.",
    ] = None
    max_time: Annotated[
        float | None,
        Range(0.001, 10**9),
        "Maximum training time of the whole run, including the time before a resume, such as 90s, "
        "10m or 1h30m.",
        parse_duration,
    ] = None

    @property
    def has_limit(self) -> bool:
        """Whether any limit is set."""
        return self.limits != Budget()

    @property
    def limits(self) -> "Budget":
        """The three limits as a `Budget`, without the fields of a subclass."""
        return Budget(epochs=self.epochs, max_steps=self.max_steps, max_time=self.max_time)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Budget):
    """How to train a model. Losses are in nats, times in seconds, lengths in characters."""

    batch_size: Annotated[
        int | None,
        Range(1, 2**20),
        "Number of parallel streams that the text is split into, or of documents in a step.",
        FROM_TEXT,
    ] = None
    seq_length: Annotated[
        int | None,
        Range(1, 2**20),
        "Characters of each stream, or at most so many of each document, in one training step.",
        FROM_TEXT,
    ] = None
    dropout: Annotated[
        float | None,
        Range(0, 0.95),
        "Fraction of the units between layers that are switched off at random in each training "
        "step, against memorizing.",
        FROM_TEXT,
    ] = None
    output_dropout: Annotated[
        float | None, Range(0, 0.95), "The same for the units of the last layer.", FROM_TEXT
    ] = None
    weight_drop: Annotated[
        float | None,
        Range(0, 0.95),
        "The same for the weights between a layer's state and its next state.",
        FROM_TEXT,
    ] = None
    input_dropout: Annotated[
        float,
        Range(0, 0.95),
        "Fraction of the vocabulary that is hidden from the input at random in each training step.",
    ] = 0.0
    state_drop: Annotated[
        float,
        Range(0, 0.95),
        "Fraction of the streams whose state is reset to zero at random in each training step, so "
        "that the model learns to start in the middle of a text.",
    ] = 0.01
    loss_temperature: Annotated[
        float | None,
        Range(0.1, 10),
        "Temperature of the training loss. Below 1, the trained model is less sure of its "
        "predictions.",
        FROM_TEXT,
    ] = None
    teachers: Annotated[
        int,
        Range(0, 100),
        "Number of networks to train first, with other seeds. The network of the run then learns "
        "from the mean of their predictions too.",
    ] = 0
    learning_rate: Annotated[
        float | None,
        Range(1e-9, 10),
        "How far one step changes the weights, at most; too high: training diverges.",
        FROM_TEXT,
    ] = None
    warmup_steps: Annotated[
        int,
        Range(0, 10**9),
        "Number of first steps, in which the learning rate rises to its maximum.",
    ] = 100
    weight_decay: Annotated[
        float | None,
        Range(0, 10),
        "How strongly each step shrinks the weights, against memorizing (AdamW).",
        FROM_TEXT,
    ] = None
    clip_norm: Annotated[
        float,
        Range(1e-6, 1e6),
        "Maximum length of one step's gradient (its proposed change); a longer one is scaled down.",
    ] = 1.0
    average_decay: Annotated[
        float,
        Range(0, 0.999999),
        "Evaluation and sampling use an average of recent weights; closer to 1: over more steps.",
    ] = 0.995
    patience: Annotated[
        int | None,
        Range(0, 10**9),
        "Stop after this many evaluations without improvement. 0: never. Default: 10.",
    ] = None
    val_fraction: Annotated[
        float,
        Range(0, 0.9),
        "Fraction of the text, at its end, to hold out for evaluation. 0: train on all of it.",
    ] = 0.1
    target_loss: Annotated[
        float | None,
        Range(0, 1e9),
        "Stop when the held-out loss is at most this number of nats per character.",
    ] = None
    eval_every: Annotated[
        int | None, Range(1, 10**12), "Steps between two evaluations.", FROM_TEXT
    ] = None
    eval_characters: Annotated[
        int | None,
        Range(1, 10**12),
        "Held-out characters that an evaluation reads, at most; always the first ones.",
        FROM_TEXT,
    ] = None
    save_every: Annotated[
        int | None, Range(1, 10**12), "Steps between two saves. Default: every 10 minutes."
    ] = None
    log_every: Annotated[int, Range(1, 10**12), "Steps between two rows of metrics.jsonl."] = 10
    seed: Annotated[int, Range(0, MAX_SEED), "Seed of all random numbers of the run."] = 1
    device: Annotated[
        DeviceName, "Device to train on. auto: the GPU (cuda) if there is one, else the CPU."
    ] = "auto"
    precision: Annotated[
        Precision,
        "Number format of the calculation; bfloat16 is faster and less exact. auto: bfloat16 if "
        "the device supports it in hardware.",
    ] = "auto"
    threads: Annotated[int | None, Range(1, 4096), "CPU threads. Default: one per core."] = None
    reproducible: Annotated[
        bool,
        "Give the same result, bit for bit, on all x86-64 CPUs since 2013: float32, one thread, "
        "only their common instructions. Over three times slower.",
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.val_fraction < _MIN_VAL_FRACTION:
            name = "val_fraction"
            raise ConfigError(
                f"{name} must be 0, or {_MIN_VAL_FRACTION:g} to 0.9, not {self.val_fraction:g}",
                setting=name,
            )
        for name in ("patience", "target_loss"):
            if not self.val_fraction and getattr(self, name):
                raise ConfigError(
                    f"{name} needs a held-out text, but all of the text is used for training",
                    "omit one of the two settings",
                    setting=name,
                )
        if self.teachers and self.max_time is not None:
            raise ConfigError(
                "teachers cannot be combined with a time limit, because each network is trained "
                "for the same number of steps",
                "give a number of epochs or steps as the limit instead",
                setting="teachers",
            )
        if self.reproducible:
            check_reproducible(self.device, self.precision, self.threads, self.max_time)


def check_reproducible(
    device: str, precision: str, threads: int | None, max_time: float | None
) -> None:
    """Raise `ConfigError` if a reproducible run cannot have these settings."""
    if max_time is not None:
        raise ConfigError(
            "a reproducible run cannot have a time limit, because how far it gets depends on the "
            "speed of the machine",
            "give a number of epochs or steps as the limit instead",
        )
    for name, value, allowed in (
        ("device", device, ("auto", "cpu")),
        ("precision", precision, ("auto", "float32")),
        ("threads", threads, (None, 1)),
    ):
        if value not in allowed:
            raise ConfigError(
                f"{name} cannot be {value} in a reproducible run, which computes in float32 with "
                "one thread on the CPU",
                "omit it",
                "give --no-reproducible",
                setting=name,
            )


@dataclass(frozen=True, kw_only=True)
class ResolvedTrainConfig(TrainConfig):
    """The settings of a run: every value that depends on the text or on the machine is set.

    `field()` removes the default that a field would inherit. The ranges are those of `TrainConfig`.
    """

    batch_size: int = field()
    seq_length: int = field()
    dropout: float = field()
    output_dropout: float = field()
    weight_drop: float = field()
    loss_temperature: float = field()
    learning_rate: float = field()
    weight_decay: float = field()
    patience: int = field()
    eval_every: int = field()
    eval_characters: int = field()
    device: ResolvedDevice = field()
    precision: ResolvedPrecision = field()
    threads: int = field()

    @property
    def characters_per_step(self) -> int:
        """The number of characters in a training step: streams times sequence length."""
        return self.batch_size * self.seq_length
