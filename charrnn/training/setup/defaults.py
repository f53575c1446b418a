"""Default training settings, which depend on the size of the text and on the device."""

import math
from typing import Any, NamedTuple

import numpy as np

from charrnn.config.training import (
    DEFAULT_PATIENCE,
    LONG_RUN_LEARNING_RATE,
    SHORT_RUN_LEARNING_RATE,
    ResolvedTrainConfig,
    TrainConfig,
)
from charrnn.data.batches import count_steps_per_epoch
from charrnn.data.document_index import DocumentIndex
from charrnn.training.evaluation_plan import (
    MAX_CHARACTERS,
    device_factor,
    longest_interval,
    plan_characters,
    plan_interval,
)

_MAX_CHARACTERS = 30_000_000  # that a run reads by default on a CPU
_MIN_UPDATES = 400  # of a very small text; its held-out loss is lowest earlier
_PREFERRED_UPDATES = 10_000
_MIN_BATCHES = 8  # of documents, in an epoch
_RATE_EXPONENT = 0.35  # how fast the learning rate falls with the number of updates


def resolve_config(
    config: TrainConfig,
    training_characters: int,
    held_out_characters: int,
    *,
    device: str,
    precision: str,
    threads: int,
    timed_passes: float | None = None,
    documents: DocumentIndex | None = None,
) -> ResolvedTrainConfig:
    """Replace the settings that are None by defaults for the text and the budget; keep the others.

    The run computes with `device`, `precision` and `threads`. A small text gets few streams and
    short sequences, so that an epoch has enough updates; so does a run that reads few characters.
    The regularization grows with the number of passes through the text, because the network
    overfits more. The learning rate falls with the number of updates. `timed_passes` is the number
    of passes that the time limit allows, if it is known. `documents` are those of the training
    part, if it is not one stream. The device affects only how often the text is read.
    """
    characters = max(1, training_characters)
    default_epochs = _epochs(characters, device)
    limits = [limit for limit in (config.epochs, timed_passes) if limit]
    total = characters * min(limits, default=default_epochs)
    seq_length = config.seq_length or _seq_length(characters, total)
    batch_size = _batch_size(characters, total, seq_length)
    window_length = _mean_window_length(documents, seq_length)
    if documents is not None:
        batch_size = _document_batch_size(documents, batch_size * seq_length / window_length)
    batch_size = config.batch_size or batch_size
    characters_per_step = max(1, round(batch_size * window_length))
    default_epochs = max(default_epochs, round(_MIN_UPDATES * characters_per_step / characters))
    epochs = config.epochs if config.has_limit else default_epochs
    if config.max_steps:
        limits.append(config.max_steps * characters_per_step / characters)
    passes = min(limits, default=default_epochs)
    counted_passes = passes / _TEACHERS_DIVISOR if config.teachers else passes
    defaults: dict[str, Any] = {
        "seq_length": seq_length,
        "batch_size": batch_size,
        "epochs": epochs,
        "learning_rate": choose_learning_rate(passes * characters / characters_per_step),
        **choose_regularization(characters, counted_passes)._asdict(),
        **_evaluations(
            config, characters, held_out_characters, characters_per_step, epochs, device
        ),
    }
    specified = {name: value for name, value in vars(config).items() if value is not None}
    computed_with = {"device": device, "precision": precision, "threads": threads}
    return ResolvedTrainConfig(**{**defaults, **specified, **computed_with})


def _seq_length(characters: int, total: float) -> int:
    """Return the characters of each stream in a step of a run that reads `total` characters."""
    preferred = 128 if characters >= 5_000_000 and total >= 64 * 128 * _PREFERRED_UPDATES else 64
    return min(preferred, max(1, characters // 8))


def _batch_size(characters: int, total: float, seq_length: int) -> int:
    """Return the streams of a run that reads `total` characters: a power of two.

    An epoch gets about 450 updates and a run about 10,000, if possible. In four epochs on 0.9
    million characters, 110, 220 and 440 updates per epoch gave a held-out loss of 1.71, 1.55 and
    1.49 nats. The minimum is 16 streams, because a CPU is slow with fewer, and 32 for a text of a
    megabyte. Only texts that are too short for 16 streams get fewer.
    """
    per_epoch = max(16, min(64, characters // (seq_length * 450)))
    per_run = max(32, int(total) // (seq_length * _PREFERRED_UPDATES))
    possible = max(1, characters // (seq_length * 8))
    limit = min(per_epoch, per_run, possible)
    return 1 << (limit.bit_length() - 1)


def _mean_window_length(documents: DocumentIndex | None, seq_length: int) -> float:
    """Return the mean number of targets that a stream has in a step."""
    if documents is None or not len(documents.starts_D):
        return seq_length
    targets_D = documents.num_targets
    return float(targets_D.sum() / np.ceil(targets_D / seq_length).sum())


def _document_batch_size(documents: DocumentIndex, wanted: float) -> int:
    """Return the nearest power of two to the `wanted` streams with which an epoch has 8 batches."""
    exponent = round(math.log2(max(1, wanted)))
    largest = int(math.log2(max(1, len(documents.starts_D) / _MIN_BATCHES)))
    return 1 << min(exponent, largest)


class Regularization(NamedTuple):
    """The settings that keep a network from overfitting; see `TrainConfig`."""

    dropout: float
    output_dropout: float
    weight_drop: float
    weight_decay: float
    loss_temperature: float


_NONE = Regularization(0.0, 0.0, 0.0, 0.02, 1.0)
_WEAK = Regularization(0.1, 0.1, 0.0, 0.02, 1.0)
_STRONG = Regularization(0.3, 0.4, 0.4, 0.2, 0.9)
"""The network is overconfident once so much dropout is off: the held-out loss was lowest with the
logits divided by 1.1 (temperature scaling: Guo et al., 2017), and training with a loss temperature
of 0.9 makes that division unnecessary."""
_TEACHERS_DIVISOR = 3
"""With teachers, the network is regularized as with its passes divided by this: it overfits less,
because it learns from distributions in place of single characters (docs/experiments.md)."""
_PASSES = (2, 3, 50)
"""Numbers of passes with no, weak and strong regularization. Measured on parts of texts, as
docs/experiments.md shows: on 0.9 million characters, none is better than the weak one in 2 passes,
and the mean of the weak and the strong one is better than the strong one in 8, and a little too
weak in 20; on 2.3 million, it is a little too strong in 8. On 9,000 characters in 46 passes, the
strong one is better."""


def choose_regularization(characters: int, passes: float) -> Regularization:
    """Return the regularization for a number of passes through a text.

    Between the numbers of `_PASSES`, the settings are interpolated in the logarithm of their
    number.
    """
    if characters >= 100_000_000:
        return _NONE
    return Regularization(
        *(
            round(float(np.interp(math.log(passes), np.log(_PASSES), settings)), 3)
            for settings in zip(_NONE, _WEAK, _STRONG, strict=True)
        )
    )


def choose_learning_rate(updates: float) -> float:
    """Return the highest learning rate of a run of so many updates.

    It decreases with a power of their number: docs/experiments.md has the measurements.
    """
    factor = float((_PREFERRED_UPDATES / max(1, updates)) ** _RATE_EXPONENT)
    return round(min(SHORT_RUN_LEARNING_RATE, max(1, factor) * LONG_RUN_LEARNING_RATE), 5)


def _epochs(characters: int, device: str) -> int:
    """Return the default number of epochs of a text that is not very small.

    Larger texts are worth more epochs. The bundled play gets 8, which take about four minutes on an
    AMD EPYC CPU with AVX-512 BF16. A CPU reads at most 30 million characters, in about an hour. A
    GPU reads at most ten times as many, in about two minutes on an H100.
    """
    epochs = max(8, round(8 * math.sqrt(characters / 134_000)))
    return max(1, min(epochs, device_factor(device) * _MAX_CHARACTERS // characters))


def _evaluations(
    config: TrainConfig,
    characters: int,
    held_out_characters: int,
    characters_per_step: int,
    epochs: int | None,
    device: str,
) -> dict[str, int]:
    """Return the interval of evaluations, their characters, and the patience."""
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
    patience = DEFAULT_PATIENCE if config.val_fraction else 0
    return {"eval_every": interval, "eval_characters": eval_characters, "patience": patience}
