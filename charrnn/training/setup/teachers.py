"""Creates the teachers of a new run, and loads them when they are trained."""

import dataclasses

import torch

from charrnn.config.checks import MAX_SEED
from charrnn.config.model import ModelConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.runs.run import Run
from charrnn.runs.teachers import open_teachers, teacher_path
from charrnn.training.distributed.group import Group
from charrnn.training.setup.new_run import prepare_new_run


def create_teachers(
    run: Run, text: Corpus, model: ModelConfig | None, init_from: str | None, group: Group
) -> None:
    """Create the runs of the teachers of a new run, with the arguments of `prepare_new_run`."""
    for number in range(1, run.config.training.teachers + 1):
        config, path = _config(run, number), teacher_path(run, number)
        new_run = prepare_new_run(
            text, config, model, out_dir=path, init_from=init_from, group=group
        )
        new_run.trainer.create()


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


def _config(run: Run, number: int) -> ResolvedTrainConfig:
    """Return the settings of a teacher: those of the run, with another seed."""
    config = run.config.training
    seed = (config.seed + number) % (MAX_SEED + 1)
    return dataclasses.replace(config, teachers=0, seed=seed)
