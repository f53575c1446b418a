"""A summary of a run: its text, its network and how far it was trained."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charrnn.errors import CharrnnError, DamagedCheckpointWarning
from charrnn.runs.find import RUNS_FOLDER, run_paths
from charrnn.runs.progress import Progress
from charrnn.runs.removal import measure_size
from charrnn.runs.run import Run
from charrnn.runs.settings import list_settings
from charrnn.runs.teachers import open_kept_teachers


@dataclass(frozen=True)
class RunSummary:
    """What `charrnn info --json` prints. Losses are in nats per character, times in seconds.

    None stands for what is not known: before the first checkpoint, without a held-out text, or in a
    model file of charrnn 0.1.0.
    """

    run: str
    """The path of the run."""
    corpus: str | None
    """The name of its text."""
    characters: int | None
    """The length of its text."""
    vocabulary_size: int
    cell: str
    num_layers: int
    hidden_size: int
    parameters: int
    step: int | None
    """The step of the newest checkpoint."""
    epoch: float | None
    seconds: float | None
    val_loss: float | None
    """The lowest held-out loss."""
    baseline: float | None
    """The held-out loss of a 5-gram model."""
    best_step: int | None
    checkpoints: tuple[str, ...]
    bytes: int
    settings: dict[str, Any]
    """The settings of the run, as `charrnn train --config` reads them."""
    teachers: tuple["RunSummary", ...]
    version: str | None
    """The version of charrnn that started the run."""
    checkpoint_version: str | None
    """The version of charrnn that wrote the newest checkpoint."""
    format: int
    """The number of the format of its `config.json`."""


def summarize_run(run: Run) -> RunSummary:
    """Return the summary of a run; raise `CheckpointError` if it is damaged."""
    config, checkpoints = run.config, run.checkpoints()
    progress, budget = None, config.training.limits
    if checkpoints:
        progress = Progress.from_checkpoint(checkpoints[-1])
        config, budget = progress.current_config(config), progress.budget
    is_known = config.corpus.is_known
    if not is_known:
        progress = None
    return RunSummary(
        run=str(run.path),
        corpus=config.corpus.name if is_known else None,
        characters=config.corpus.characters if is_known else None,
        vocabulary_size=len(config.vocabulary),
        cell=config.model.cell,
        num_layers=config.model.num_layers,
        hidden_size=config.model.hidden_size,
        parameters=config.model.count_parameters(len(config.vocabulary)),
        step=progress.step if progress else None,
        epoch=progress.epoch if progress else None,
        seconds=progress.seconds if progress else None,
        val_loss=progress.best_val_loss if progress else None,
        baseline=config.baseline,
        best_step=progress.best_step if progress else None,
        checkpoints=tuple(checkpoint.path.name for checkpoint in checkpoints),
        bytes=measure_size(run),
        settings=list_settings(config, budget),
        teachers=tuple(map(summarize_run, open_kept_teachers(run)[0])),
        version=config.version,
        checkpoint_version=run.newest_version(checkpoints),
        format=config.format,
    )


def list_runs(folder: str | Path = RUNS_FOLDER) -> list[RunSummary]:
    """Return a summary of each run in a folder, sorted by name.

    Emits `DamagedCheckpointWarning` for a run that cannot be read.
    """
    summaries = []
    for path in run_paths(Path(folder)):
        try:
            summaries.append(summarize_run(Run.open(path)))
        except CharrnnError as error:
            message = f"run not listed: {error}"
            warnings.warn(message, DamagedCheckpointWarning, stacklevel=2)
    return summaries
