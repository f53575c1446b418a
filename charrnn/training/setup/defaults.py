"""Default training settings, which depend on the size of the text and on the device."""

import math
from typing import Any

from charrnn.config.training import ResolvedTrainConfig, TrainConfig
from charrnn.data.batches import count_steps_per_epoch
from charrnn.training.evaluation_plan import (
    MAX_CHARACTERS,
    device_factor,
    longest_interval,
    plan_characters,
    plan_interval,
)


def resolve_config(
    config: TrainConfig,
    training_characters: int,
    held_out_characters: int,
    *,
    device: str,
    precision: str,
    threads: int,
) -> ResolvedTrainConfig:
    """Replace the settings that are None by defaults for the text; keep the others.

    The run computes with `device`, `precision` and `threads`. A small text gets few streams and
    short sequences, so that an epoch has enough updates, and more dropout, because the network
    overfits sooner. A large text gets the opposite. The device affects only the number of
    characters that are read and the interval of evaluations: all other settings are the same on a
    CPU and a GPU.
    """
    characters = max(1, training_characters)
    seq_length = config.seq_length or _seq_length(characters)
    batch_size = config.batch_size or _batch_size(characters, seq_length)
    characters_per_step = batch_size * seq_length
    epochs = config.epochs
    if not config.has_limit:
        epochs = _epochs(characters, characters_per_step, device)
    defaults: dict[str, Any] = {
        "seq_length": seq_length,
        "batch_size": batch_size,
        "epochs": epochs,
        "dropout": _dropout(characters),
        "output_dropout": _output_dropout(characters),
        "weight_drop": _weight_drop(characters),
        "weight_decay": _weight_decay(characters),
        "loss_temperature": _loss_temperature(characters),
        **_evaluations(
            config, characters, held_out_characters, characters_per_step, epochs, device
        ),
    }
    specified = {name: value for name, value in vars(config).items() if value is not None}
    computed_with = {"device": device, "precision": precision, "threads": threads}
    return ResolvedTrainConfig(**{**defaults, **specified, **computed_with})


def _needs_strong_regularization(characters: int) -> bool:
    """Return whether a text has so many epochs that the network would overfit without it."""
    return 500_000 <= characters < 5_000_000


def _seq_length(characters: int) -> int:
    return min(128 if characters >= 5_000_000 else 64, max(1, characters // 8))


def _batch_size(characters: int, seq_length: int) -> int:
    """Return a power of two that gives an epoch about 450 updates, if possible.

    In four epochs on 0.9 million characters, 110, 220 and 440 updates per epoch gave a held-out
    loss of 1.71, 1.55 and 1.49 nats. The minimum is 16 streams, because a CPU is slow with fewer.
    Only texts that are too short for 16 streams get fewer.
    """
    preferred = max(16, characters // (seq_length * 450))
    possible = max(1, characters // (seq_length * 8))
    limit = min(preferred, possible, 64)
    return 1 << (limit.bit_length() - 1)


def _dropout(characters: int) -> float:
    return 0.3 if characters < 5_000_000 else 0.1 if characters < 100_000_000 else 0.0


def _output_dropout(characters: int) -> float:
    return 0.4 if _needs_strong_regularization(characters) else _dropout(characters)


def _weight_drop(characters: int) -> float:
    """Return the DropConnect rate: above zero for texts with enough epochs to benefit.

    On the bundled play it increased the held-out loss with 8 epochs and decreased it with 12.
    """
    return 0.4 if _needs_strong_regularization(characters) else 0.0


def _weight_decay(characters: int) -> float:
    """Return the weight decay: 0.2 was better than 0.02 in 12 epochs on 0.9 million characters."""
    return 0.2 if _needs_strong_regularization(characters) else 0.02


def _loss_temperature(characters: int) -> float:
    """Return a temperature below 1 if the network would be overconfident once dropout is off.

    After training with DropConnect and dropout, the held-out loss was lowest with the logits
    divided by 1.1 (temperature scaling: Guo et al., 2017). Training with a loss temperature of 0.9
    makes that division unnecessary.
    """
    return 0.9 if _needs_strong_regularization(characters) else 1.0


def _epochs(characters: int, characters_per_step: int, device: str) -> int:
    """Return the number of epochs after which the held-out loss is about lowest.

    Measured with the default network on parts of the bundled play: on 79,000 characters the
    held-out loss was lowest after 8 epochs, on 30,000 characters after 12 (350 updates). Larger
    texts need more epochs, as measured on tinyshakespeare (18). The whole play gets 8, which take
    about four minutes on an AMD EPYC CPU with AVX-512 BF16 (4m 18s with one thread). A CPU reads at
    most 18.5 million characters, in less than two hours. A GPU reads at most ten times as many, in
    about three minutes on an H100.
    """
    epochs = max(
        8.0,
        8.0 * math.sqrt(characters / 134_000),
        400 * characters_per_step / characters,
    )
    return max(1, min(round(epochs), device_factor(device) * 18_500_000 // characters))


def _evaluations(
    config: TrainConfig,
    characters: int,
    held_out_characters: int,
    characters_per_step: int,
    epochs: int | None,
    device: str,
) -> dict[str, int]:
    """Return the interval of evaluations, and how many characters an evaluation reads."""
    steps = [config.max_steps] if config.max_steps else []
    if epochs:
        steps.append(epochs * count_steps_per_epoch(characters, characters_per_step))
    interval = config.eval_every or plan_interval(
        longest_interval(
            characters,
            held_out_characters,
            characters_per_step=characters_per_step,
            eval_characters=config.eval_characters or MAX_CHARACTERS,
            device=device,
        ),
        min(steps, default=None),
        is_timed=config.max_time is not None,
    )
    eval_characters = plan_characters(
        held_out_characters,
        interval=interval,
        characters_per_step=characters_per_step,
        max_time=config.max_time,
        device=device,
    )
    return {"eval_every": interval, "eval_characters": eval_characters}
