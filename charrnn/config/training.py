"""Every setting, its default, its range and its one explanation.

A field's annotation carries the explanation that is also the help of its command-line flag. `None`
means "chosen from the corpus": `resolve` fills it in, and the run records the result.
"""

import codecs
import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, cast

from charrnn.config.checks import (
    check_choice,
    check_integer,
    check_number,
    parse_duration,
    parse_temperatures,
)
from charrnn.errors import ConfigError

if TYPE_CHECKING:
    from charrnn.data.corpus import Corpus

Cell = Literal["lstm", "gru", "rnn"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Newline = Literal["keep", "lf"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

MAX_SEED = 2**63 - 1
MOST_COPIED = 1000  # characters of a text that are looked back on for what is copied


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of the network. The default is what made char-RNNs famous."""

    cell: Annotated[Cell, "Kind of recurrent unit."] = "lstm"
    num_layers: Annotated[int, "Recurrent layers."] = 3
    hidden_size: Annotated[int, "Units in each layer."] = 512
    forget_bias: Annotated[float, "Initial bias of the LSTM's forget gates."] = 1.0

    def __post_init__(self) -> None:
        check_choice("cell", self.cell, ("lstm", "gru", "rnn"))
        check_integer("num_layers", self.num_layers, 1, 64)
        check_integer("hidden_size", self.hidden_size, 1, 16_384)
        check_number("forget_bias", self.forget_bias, -100, 100)

    @property
    def gates(self) -> int:
        """How many products a unit adds up: 4 in an lstm, 3 in a gru, 1 in an rnn."""
        return {"lstm": 4, "gru": 3, "rnn": 1}[self.cell]

    def shapes(self, vocabulary_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each of the network's parameters, by torch's names."""
        hidden, rows = self.hidden_size, self.gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            shapes[f"weight_ih_l{layer}"] = (rows, hidden if layer else vocabulary_size)
            shapes[f"weight_hh_l{layer}"] = (rows, hidden)
            shapes[f"bias_ih_l{layer}"] = shapes[f"bias_hh_l{layer}"] = (rows,)
        return {
            **shapes,
            "output.weight": (vocabulary_size, hidden),
            "output.bias": (vocabulary_size,),
        }

    def parameters(self, vocabulary_size: int) -> int:
        """Return how many numbers a network of this shape learns."""
        return sum(math.prod(shape) for shape in self.shapes(vocabulary_size).values())


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How a text is read: from bytes to characters of the vocabulary."""

    encoding: Annotated[str, "Encoding of the text."] = "utf-8"
    newline: Annotated[Newline, "Line ends: as they are, or all made LF."] = "keep"
    min_count: Annotated[int, "Characters that occur less often become one unknown symbol."] = 1

    def __post_init__(self) -> None:
        try:
            "".encode(self.encoding)  # knows text encodings alone, not every codec
            codecs.getincrementaldecoder(self.encoding)
        except (LookupError, ValueError):
            raise ConfigError(
                f"encoding must be one that Python knows, such as utf-8, utf-16, cp1252 or "
                f"gb18030, not {self.encoding!r}"
            ) from None
        check_choice("newline", self.newline, ("keep", "lf"))
        check_integer("min_count", self.min_count, 1, 10**12)


PLAIN = TextConfig()
"""UTF-8, as it is."""


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


@dataclass(frozen=True, kw_only=True)
class AdaptConfig:
    """How a model learns while it reads a text (dynamic evaluation)."""

    segment: Annotated[int, "Characters foretold between two steps of adaptation."] = 20
    adapt_rate: Annotated[float, "Length of a step of adaptation, for each weight."] = 2e-4
    pull_back: Annotated[float, "Share of the way back to the trained weights, a step."] = 0.002

    def __post_init__(self) -> None:
        check_integer("segment", self.segment, 1, 2**20)
        check_number("adapt_rate", self.adapt_rate, 0, 1)
        check_number("pull_back", self.pull_back, 0, 1)


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """How text is drawn from a model: temperature, then top-k, top-p, min-p, then the draw."""

    temperature: Annotated[
        float | tuple[float, ...],
        "Below 1 safer, above 1 wilder; 0: always the likeliest. 0.5,0.8,1.1 writes with each.",
        parse_temperatures,
    ] = 0.8
    length: Annotated[int, "New characters to write."] = 2000
    top_k: Annotated[int | None, "Draw from the k likeliest characters only."] = None
    top_p: Annotated[
        float | None, "Draw from the likeliest characters that together hold this probability."
    ] = None
    min_p: Annotated[
        float | None, "Draw from characters at least this likely, relative to the likeliest."
    ] = None
    ban: Annotated[str | None, "Never write these characters."] = None
    only: Annotated[str | None, "Write these characters alone."] = None
    line_length: Annotated[int | None, "Most characters of a line."] = None
    acrostic: Annotated[
        str | None, "Begin each line with the next letter of this word; end with its last line."
    ] = None
    max_copy: Annotated[
        int | None, "Most characters in a row as they stand in the text learnt from, or --novelty."
    ] = None
    stop: Annotated[str | None, "Stop before this text."] = None
    seed: Annotated[int | None, "Same seed, same text; left out: chosen and shown."] = None
    num_samples: Annotated[int, "Texts to write."] = 1
    unknown: Annotated[
        Literal["error", "skip"], "What to do with characters the model does not know."
    ] = "error"

    def __post_init__(self) -> None:
        for each in self.temperatures:
            check_number("temperature", each, 0, 100)
        check_integer("length", self.length, 0, 10**12)
        check_integer("top_k", self.top_k, 1, 2**31, optional=True)
        check_number("top_p", self.top_p, 1e-9, 1, optional=True)
        check_number("min_p", self.min_p, 0, 1, optional=True)
        check_integer("seed", self.seed, 0, MAX_SEED, optional=True)
        check_integer("num_samples", self.num_samples, 1, 2**20)
        check_choice("unknown", self.unknown, ("error", "skip"))
        check_integer("line_length", self.line_length, 1, 10**9, optional=True)
        check_integer("max_copy", self.max_copy, 1, MOST_COPIED, optional=True)
        for name in ("stop", "only", "acrostic"):
            if getattr(self, name) == "":
                raise ConfigError(f"{name} must be at least one character, not an empty text")
        if self.acrostic and any(each.isspace() for each in self.acrostic):
            raise ConfigError(f"acrostic must be a word without spaces, not {self.acrostic!r}")

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperatures, one or several."""
        given = self.temperature
        return given if isinstance(given, tuple) else (given,)

    def at_each_temperature(self) -> "list[SampleConfig]":
        """Return this config for each temperature alone."""
        return [dataclasses.replace(self, temperature=each) for each in self.temperatures]


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What `charrnn bench` measures: a training step of these sizes."""

    num_layers: Annotated[int, "Recurrent layers."] = 3
    hidden_size: Annotated[int, "Units in each layer."] = 512
    batch_size: Annotated[int, "Parallel streams."] = 64
    seq_length: Annotated[int, "Characters a gradient reaches back."] = 128
    vocabulary_size: Annotated[int, "Distinct characters."] = 65
    device: Annotated[DeviceName, "What is measured; auto: cuda if it is there."] = "auto"
    threads: Annotated[int | None, "Processor threads; left out: one for each core."] = None
    max_time: Annotated[float, "Time after which no new round begins.", parse_duration] = 40.0

    def __post_init__(self) -> None:
        check_integer("num_layers", self.num_layers, 1, 64)
        check_integer("hidden_size", self.hidden_size, 1, 16_384)
        check_integer("batch_size", self.batch_size, 1, 2**20)
        check_integer("seq_length", self.seq_length, 2, 2**20)
        check_integer("vocabulary_size", self.vocabulary_size, 2, 2**20)
        check_choice("device", self.device, ("auto", "cpu", "cuda", "mps"))
        check_integer("threads", self.threads, 1, 4096, optional=True)
        check_number("max_time", self.max_time, 0.001, 10**9)


def resolve(
    config: TrainConfig, corpus: "Corpus", device: str, precision: str, threads: int
) -> TrainConfig:
    """Fill in all that was left to the corpus; what was given stays as it is.

    Small texts get few streams and short sequences, so that an epoch still holds enough updates,
    and more dropout, because they are soon learnt by heart; large ones the opposite.
    """
    characters = max(1, len(corpus.split(config.val_fraction)[0]))
    seq_length = config.seq_length or _seq_length(characters)
    batch_size = config.batch_size or _batch_size(characters, seq_length, device)
    budget = config.limits
    if not budget.named:
        budget = Budget(epochs=_epochs(characters, batch_size, seq_length))
    held_out = len(corpus.codes) - characters
    eval_every = config.eval_every
    if eval_every is None:
        steps = _characters_between_evaluations(held_out) // (batch_size * seq_length)
        whole_run = (budget.epochs or 10**9) * characters // (batch_size * seq_length)
        eval_every = max(1, min(steps, whole_run // 4))
    return dataclasses.replace(
        config,
        batch_size=batch_size,
        seq_length=seq_length,
        dropout=_unless(config.dropout, _dropout(characters)),
        output_dropout=_unless(config.output_dropout, _output_dropout(characters)),
        weight_drop=_unless(config.weight_drop, _weight_drop(characters)),
        weight_decay=_unless(config.weight_decay, _weight_decay(characters)),
        loss_temperature=_unless(config.loss_temperature, _loss_temperature(characters)),
        epochs=budget.epochs,
        eval_every=eval_every,
        device=cast(DeviceName, device),
        precision=cast(Precision, precision),
        threads=threads,
    )


def _unless(given: float | None, chosen: float) -> float:
    return chosen if given is None else given


def _learnt_long(characters: int) -> bool:
    """Whether a text is read so often that the network must be kept from learning it by heart."""
    return 500_000 <= characters < 5_000_000


def _seq_length(characters: int) -> int:
    return min(128 if characters >= 5_000_000 else 64, max(1, characters // 8))


def _batch_size(characters: int, seq_length: int, device: str) -> int:
    """Return a power of two: so many streams that an epoch holds enough updates if it can.

    In four passes through 0.9 million characters, 110, 220 and 440 updates a pass came to 1.71,
    1.55 and 1.49 nats on the text that follows. On a GPU, which computes few streams no faster,
    a hundred. At least 16, which a processor needs to compute at its speed, but for texts too short
    for them.
    """
    updates = 450 if device == "cpu" else 100
    wanted = max(16, characters // (seq_length * updates))
    possible = max(1, characters // (seq_length * 8))
    most = min(wanted, possible, 64 if device == "cpu" else 128)
    return 1 << (most.bit_length() - 1)


def _dropout(characters: int) -> float:
    return 0.3 if characters < 5_000_000 else 0.1 if characters < 100_000_000 else 0.0


def _output_dropout(characters: int) -> float:
    return 0.4 if _learnt_long(characters) else _dropout(characters)


def _weight_drop(characters: int) -> float:
    """Return DropConnect for texts that are read often enough to gain from it.

    On the play, it lost over 8 passes and gained over 12.
    """
    return 0.4 if _learnt_long(characters) else 0.0


def _weight_decay(characters: int) -> float:
    """Return the decay: over twelve passes through 0.9 million characters, 0.2 beat 0.02."""
    return 0.2 if _learnt_long(characters) else 0.02


def _loss_temperature(characters: int) -> float:
    """Return a temperature below 1 where a network that drops nothing would be too sure.

    Trained with DropConnect and dropout, it foretold new text best with its logits divided by 1.1
    (temperature scaling: Guo et al., 2017); trained at 0.9, it need not divide them.
    """
    return 0.9 if _learnt_long(characters) else 1.0


def _epochs(characters: int, batch_size: int, seq_length: int) -> int:
    """Return as many passes as a text bears before it is learnt by heart.

    Measured with the default network on slices of the bundled play's training part: 79,000
    characters were foretold best after 8 passes, 30,000 after 12 (350 updates). That larger texts
    bear more is measured on tinyshakespeare, which is given 18; the whole play keeps to 8, six
    minutes on two processor cores. At most 18.5 million characters are read, under two hours there.
    """
    passes = max(
        8.0,
        8.0 * math.sqrt(characters / 134_000),
        400 * batch_size * seq_length / characters,
    )
    return max(1, min(round(passes), 18_500_000 // characters))


def _characters_between_evaluations(held_out: int) -> int:
    """Return a stretch that takes ten seconds or more, and an evaluation a fifteenth of it."""
    return max(100_000, 5 * min(held_out, 1_000_000))
