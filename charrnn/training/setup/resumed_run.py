"""Prepares a run that continues from its newest checkpoint."""

import threading
from dataclasses import dataclass
from pathlib import Path

from charrnn.config.counts import format_count
from charrnn.config.training import Budget
from charrnn.data.corpus import Corpus
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.progress import ProgressCallback
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, ConfigError
from charrnn.model.network import CharRNN
from charrnn.numerics.devices import choose_device
from charrnn.numerics.precision import choose_precision
from charrnn.numerics.threads import set_threads
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.find import find_run
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.training.distributed.group import Group
from charrnn.training.distributed.ranks import Ranks
from charrnn.training.setup.new_run import check_same_text
from charrnn.training.setup.opening import open_unless_stopped
from charrnn.training.trainer import Trainer


@dataclass(frozen=True)
class ResumeRequest:
    """The settings of a resume; None means the setting of the run."""

    budget: Budget | None = None
    corpus: str | Path | None = None
    """The current path of the text of the run, or the path of another text."""
    device: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class ResumedRun:
    """A run that continues, and the changes since it stopped."""

    trainer: Trainer
    replanned: bool
    """Whether another budget or another text has changed the horizon."""
    notes: tuple[str, ...]
    """The differences from the run before it stopped, one sentence each."""


def find_run_to_resume(name: str | None) -> Run:
    """Open a run; raise `CheckpointError` if it contains only the weights of a model."""
    run = find_run(name, allow_bundled=False)
    checkpoints = run.checkpoints()
    if checkpoints and checkpoints[-1].weights_only:
        raise CheckpointError(
            f"{run.path} contains the weights of a model but not the state of its training, so it "
            "cannot be resumed: start a new run from these weights with "
            f"`charrnn train --init-from {run.path}`"
        )
    return run


def find_run_before_restart(ranks: Ranks, out_dir: str | Path | None) -> Run | None:
    """Return the run that these processes started before torchrun restarted them, if any."""
    if not ranks.restarts:
        return None
    if out_dir is None:
        raise ConfigError(
            "torchrun has restarted these processes, and their run cannot be found without "
            "--out-dir: start the training again, and use --out-dir to name the folder of the run"
        )
    try:
        return find_run_to_resume(str(out_dir))
    except CheckpointError:
        return None  # the processes ended before the run was created


def prepare_resumed_run(
    run: Run,
    request: ResumeRequest,
    progress: ProgressCallback | None,
    stop: threading.Event,
    group: Group,
) -> ResumedRun | None:
    """Restore the newest checkpoint of a run; return None if `stop` is set while the text is read.

    Raises `ConfigError` if a limit of the budget is already reached.
    """
    config = run.config
    checkpoint = group.on_rank_zero(lambda: run.select("last", ("model", "trainer")))
    device = choose_device(request.device or config.training.device)
    choose_precision(config.training.precision, device, config.model.cell)
    set_threads(request.threads or config.training.threads)
    record = Progress.from_checkpoint(checkpoint).corpus or config.corpus
    vocabulary = Vocabulary(config.vocabulary)
    text = open_unless_stopped(
        lambda report: Corpus.reopen(
            record, vocabulary, request.corpus, config.text, allow_other=True, progress=report
        ),
        progress,
        stop,
    )
    if text is None:
        return None
    network = CharRNN(config.model, vocabulary, config.corpus.line_start).to(device)
    return _restore(run, checkpoint, text, network, request.budget, group)


def _restore(
    run: Run,
    checkpoint: Checkpoint,
    text: Corpus,
    network: CharRNN,
    budget: Budget | None,
    group: Group,
) -> ResumedRun:
    """Restore a checkpoint for training on `text`, with another budget if one is given."""
    progress = Progress.from_checkpoint(checkpoint)
    record = progress.corpus or run.config.corpus
    processes = progress.processes
    is_other_text = text.sha256 != record.sha256
    if is_other_text:
        progress.switch_corpus(text.record)
    is_other_budget = budget is not None and budget.has_limit and budget != progress.budget
    if budget is not None and is_other_budget:
        progress.budget, progress.stale_evaluations = budget, 0
    check_same_text(text, group.on_rank_zero(lambda: text.record))
    trainer = Trainer(run, text, network, progress, group)
    if is_other_budget or is_other_text:
        trainer.plan_horizon()
    trainer.restore(checkpoint)
    _check_budget_left(trainer)
    notes = (_text_note(record, text.record), *text.notes) if is_other_text else ()
    if processes != progress.processes:
        notes += (_processes_note(processes, progress.processes),)
    return ResumedRun(trainer, is_other_budget or is_other_text, notes)


def _check_budget_left(trainer: Trainer) -> None:
    progress = trainer.progress
    reason = trainer.plan.finish_reason(progress)
    limit = f"--epochs {2 * max(1, round(progress.epoch))}"
    if reason == "patience":
        raise ConfigError(
            f"{trainer.run.path} is finished: its held-out loss no longer falls (--patience), so "
            f"more training rarely helps; to train anyway, give a limit, for example {limit}"
        )
    if reason:
        raise ConfigError(
            f"{trainer.run.path} is finished: it reached its limit --{reason.replace('_', '-')} at "
            f"step {progress.step:,}; to train it further, use a larger limit, for example "
            f"{limit}"
        )


def _text_note(before: CorpusRecord, after: CorpusRecord) -> str:
    return (
        f"this is another text than before: its SHA-256 is {after.sha256}, not {before.sha256}; "
        "its held-out losses cannot be compared with the earlier ones"
    )


def _processes_note(before: int, now: int) -> str:
    count = format_count(now, "process")
    return (
        f"{count} instead of {before}: the data and the dropout masks are the same; gradients are "
        "added in another order, so their last digits differ"
    )
