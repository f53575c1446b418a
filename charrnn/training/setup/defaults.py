"""Training settings that are derived from the corpus, where none were given."""

import math
from typing import Any

from charrnn.config.training import ResolvedTrainConfig, TrainConfig

_GPU_SPEED = 10
"""How many times the characters of a processor a GPU reads: by default in a run, and between two
evaluations. An H100 trains the default network on about a million characters a second, a hundred
times as many as two processor cores; other GPUs are slower."""


def resolve(
    config: TrainConfig,
    training_characters: int,
    held_out_characters: int,
    *,
    device: str,
    precision: str,
    threads: int,
) -> ResolvedTrainConfig:
    """Derive the settings that are None from the size of the text; keep the others.

    `device`, `precision` and `threads` are those that the run computes with.
    A small text gets few streams and short sequences, so that an epoch still has enough updates,
    and more dropout, because the network soon memorizes it. A large text gets the opposite. The
    device only decides how many characters are read, and how often the model is evaluated: a GPU
    trains the model that a processor trains.
    """
    characters = max(1, training_characters)
    seq_length = config.seq_length or _seq_length(characters)
    batch_size = config.batch_size or _batch_size(characters, seq_length)
    characters_per_step, speed = batch_size * seq_length, _GPU_SPEED if device == "cuda" else 1
    epochs = config.epochs if config.has_limit else _epochs(characters, characters_per_step, speed)
    defaults: dict[str, Any] = {
        "seq_length": seq_length,
        "batch_size": batch_size,
        "epochs": epochs,
        "dropout": _dropout(characters),
        "output_dropout": _output_dropout(characters),
        "weight_drop": _weight_drop(characters),
        "weight_decay": _weight_decay(characters),
        "loss_temperature": _loss_temperature(characters),
        "eval_every": _eval_every(
            characters, held_out_characters, characters_per_step, epochs, speed
        ),
    }
    given = {name: value for name, value in vars(config).items() if value is not None}
    computed_with = {"device": device, "precision": precision, "threads": threads}
    return ResolvedTrainConfig(**{**defaults, **given, **computed_with})


def _learnt_long(characters: int) -> bool:
    """Whether a text is read so often that the network must be kept from learning it by heart."""
    return 500_000 <= characters < 5_000_000


def _seq_length(characters: int) -> int:
    return min(128 if characters >= 5_000_000 else 64, max(1, characters // 8))


def _batch_size(characters: int, seq_length: int) -> int:
    """Return a power of two: so many streams that an epoch holds enough updates if it can.

    In four passes through 0.9 million characters, 110, 220 and 440 updates a pass came to 1.71,
    1.55 and 1.49 nats on the text that follows. At least 16, which a processor needs to compute at
    its speed, but for texts too short for them.
    """
    wanted = max(16, characters // (seq_length * 450))
    possible = max(1, characters // (seq_length * 8))
    most = min(wanted, possible, 64)
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


def _epochs(characters: int, characters_per_step: int, speed: int) -> int:
    """Return as many passes as a text bears before it is learnt by heart.

    Measured with the default network on slices of the bundled play's training part: 79,000
    characters were foretold best after 8 passes, 30,000 after 12 (350 updates). That larger texts
    bear more is measured on tinyshakespeare, with 18 passes; the whole play keeps to 8, six minutes
    on two processor cores. A processor reads at most 18.5 million characters, in under two hours; a
    GPU reads at most ten times as many, in about three minutes on an H100.
    """
    passes = max(
        8.0,
        8.0 * math.sqrt(characters / 134_000),
        400 * characters_per_step / characters,
    )
    return max(1, min(round(passes), speed * 18_500_000 // characters))


def _eval_every(
    characters: int,
    held_out_characters: int,
    characters_per_step: int,
    epochs: int | None,
    speed: int,
) -> int:
    """Return the steps between evaluations.

    The steps between two evaluations take at least ten seconds on a processor and one second on a
    fast GPU, and an evaluation takes at most a fifteenth of that. Where the number of epochs is
    known, a run has at least four evaluations, or one per step if it is shorter.
    """
    steps = max(100_000 * speed, 5 * min(held_out_characters, 1_000_000)) // characters_per_step
    if epochs:
        steps = min(steps, epochs * characters // characters_per_step // 4)
    return max(1, steps)
