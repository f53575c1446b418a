"""Default training settings, which depend on the size of the text and on the device."""

import math
from typing import Any, NamedTuple

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
    timed_passes: float | None = None,
) -> ResolvedTrainConfig:
    """Replace the settings that are None by defaults for the text and the budget; keep the others.

    The run computes with `device`, `precision` and `threads`. A small text gets few streams and
    short sequences, so that an epoch has enough updates. The regularization grows with the number
    of passes through the text, because the network overfits more. `timed_passes` is the number of
    passes that the time limit allows; None if it is not known. The device affects only the number
    of characters that are read, what depends on it, and the interval of evaluations.
    """
    characters = max(1, training_characters)
    seq_length = config.seq_length or _seq_length(characters)
    batch_size = config.batch_size or _batch_size(characters, seq_length)
    characters_per_step = batch_size * seq_length
    default_epochs = _epochs(characters, characters_per_step, device)
    epochs = config.epochs if config.has_limit else default_epochs
    defaults: dict[str, Any] = {
        "seq_length": seq_length,
        "batch_size": batch_size,
        "epochs": epochs,
        **choose_regularization(
            characters,
            _count_passes(config, characters, characters_per_step, timed_passes) or default_epochs,
        )._asdict(),
        **_evaluations(
            config, characters, held_out_characters, characters_per_step, epochs, device
        ),
    }
    specified = {name: value for name, value in vars(config).items() if value is not None}
    computed_with = {"device": device, "precision": precision, "threads": threads}
    return ResolvedTrainConfig(**{**defaults, **specified, **computed_with})


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


class Regularization(NamedTuple):
    """The settings that keep a network from overfitting; see `TrainConfig`."""

    dropout: float
    output_dropout: float
    weight_drop: float
    weight_decay: float
    loss_temperature: float


_NONE = Regularization(0.0, 0.0, 0.0, 0.02, 1.0)
_WEAK = Regularization(0.1, 0.1, 0.0, 0.02, 1.0)
_MODERATE = Regularization(0.3, 0.3, 0.0, 0.02, 1.0)
_STRONG = Regularization(0.3, 0.4, 0.4, 0.2, 0.9)
"""For many passes through a text of 0.5 million characters or more. DropConnect increased the loss
in 8 epochs on the bundled play and decreased it in 12. A weight decay of 0.2 was better than 0.02
in 12 epochs on 0.9 million characters. Then the network is overconfident once dropout is off: the
held-out loss was lowest with the logits divided by 1.1 (temperature scaling: Guo et al., 2017), and
training with a loss temperature of 0.9 makes that division unnecessary."""
_FEW_PASSES = 3  # up to which weak regularization is best


def choose_regularization(characters: int, passes: float) -> Regularization:
    """Return the regularization for a number of passes through a text.

    Between few and many passes, the settings are interpolated in the logarithm of their number.
    """
    if characters >= 100_000_000:
        return _NONE
    strongest, many_passes = (_STRONG, 18) if characters >= 500_000 else (_MODERATE, 8)
    share = math.log(max(passes, _FEW_PASSES) / _FEW_PASSES) / math.log(many_passes / _FEW_PASSES)
    share = min(1.0, share)
    return Regularization(
        *(
            round(weak + share * (strong - weak), 3)
            for weak, strong in zip(_WEAK, strongest, strict=True)
        )
    )


def _count_passes(
    config: TrainConfig, characters: int, characters_per_step: int, timed_passes: float | None
) -> float | None:
    """Return the passes through the text that the budget allows; None if it is not known."""
    passes = [float(config.epochs)] if config.epochs else []
    if config.max_steps:
        passes.append(config.max_steps * characters_per_step / characters)
    if timed_passes is not None:
        passes.append(timed_passes)
    return min(passes, default=None)


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
