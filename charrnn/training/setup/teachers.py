"""The settings of the teachers of a run, and their models when they are trained."""

import dataclasses

import torch

from charrnn.config.checks import MAX_SEED
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.runs.run import Run
from charrnn.runs.teachers import open_teachers, teacher_path
from charrnn.training.distributed.group import Group


def plan_teacher(run: Run, number: int) -> Run:
    """Return a teacher of a run that is not on the disk yet: the same run with another seed."""
    config = run.config.training
    seed = (config.seed + number) % (MAX_SEED + 1)
    training = dataclasses.replace(config, teachers=0, seed=seed)
    return Run(teacher_path(run, number), dataclasses.replace(run.config, training=training))


def load_teachers(run: Run, device: torch.device, group: Group) -> list[CharRNN]:
    """Load the best model of each teacher of a run, which must be trained already.

    The process of rank zero reads the files. Raises `CheckpointError`.
    """
    teachers = group.on_rank_zero(
        lambda: [teacher.select("best").load("model") for teacher in open_teachers(run)]
    )
    vocabulary = Vocabulary(run.config.vocabulary)
    return [
        CharRNN(run.config.model, vocabulary).set_arrays(arrays).requires_grad_(False).to(device)
        for arrays in teachers
    ]
