"""The settings of the teachers of a run, and their models when they are trained."""

import dataclasses
from typing import Any

import torch
from numpy.typing import NDArray

from charrnn.config.checks import MAX_SEED
from charrnn.config.training import TrainConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.run_config import Origin
from charrnn.runs.teachers import record_teachers, select_teachers
from charrnn.training.distributed.group import Group


def plan_teacher(config: TrainConfig, number: int) -> TrainConfig:
    """Return the settings of a teacher: those of a run without teachers, with another seed."""
    seed = (config.seed + number) % (MAX_SEED + 1)
    return dataclasses.replace(config, teachers=0, seed=seed)


def load_teachers(
    run: Run, progress: Progress, device: torch.device, group: Group
) -> list[CharRNN]:
    """Load the models of the teachers, which are trained already, and record them in `progress`.

    The process of rank zero reads the files. Raises `CheckpointError`.
    """

    def read() -> tuple[tuple[Origin, ...], list[dict[str, NDArray[Any]]]]:
        checkpoints = select_teachers(run, progress)
        return record_teachers(run, checkpoints), [
            checkpoint.load("model") for checkpoint in checkpoints
        ]

    progress.teachers, models = group.on_rank_zero(read)
    vocabulary = Vocabulary(run.config.vocabulary)
    return [
        CharRNN(run.config.model, vocabulary).set_arrays(arrays).requires_grad_(False).to(device)
        for arrays in models
    ]
