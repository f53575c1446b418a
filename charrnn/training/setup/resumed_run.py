"""Prepares a run that continues from its newest checkpoint."""

import threading
from dataclasses import dataclass
from pathlib import Path

from charrnn.config.counts import format_count
from charrnn.config.model import ModelConfig
from charrnn.config.text import ReadingConfig
from charrnn.config.training import Budget, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.progress import ProgressCallback
from charrnn.errors import CheckpointError, ConfigError
from charrnn.files import quote_path
from charrnn.model.network import CharRNN
from charrnn.numerics.devices import choose_device
from charrnn.numerics.precision import choose_precision
from charrnn.numerics.threads import set_threads
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.compatibility import name_version
from charrnn.runs.find import find_run
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.saving import check_new_folder
from charrnn.runs.settings import MACHINE_SETTINGS
from charrnn.runs.text_reader import TextReader
from charrnn.training.budget_plan import BudgetPlan
from charrnn.training.distributed.group import Group
from charrnn.training.distributed.ranks import Ranks
from charrnn.training.setup.new_run import check_same_text
from charrnn.training.setup.opening import open_unless_stopped
from charrnn.training.setup.reproducible import check_one_process, check_resume
from charrnn.training.setup.teachers import load_teachers
from charrnn.training.setup.text_notes import list_text_notes
from charrnn.training.step.inputs import make_batches
from charrnn.training.trainer import Trainer
from charrnn.version import __version__


@dataclass(frozen=True)
class ResumeRequest:
    """The settings of a resume; None means the setting of the run."""

    budget: Budget | None = None
    corpus: str | Path | None = None
    """The current path of the text of the run, or the path of another text."""
    device: str | None = None
    threads: int | None = None
    reading: ReadingConfig | None = None
    """How to read the text; None: as before."""
    text: Corpus | None = None
    """The text of the run, if it is already open."""


@dataclass(frozen=True)
class ResumedRun:
    """A run that continues, and the changes since it stopped."""

    trainer: Trainer
    replanned: bool
    """Whether another budget or another text has changed the horizon."""
    other_text: bool
    """Whether the run continues with another text."""
    notes: tuple[str, ...]
    """The differences from the run before it stopped, one sentence each."""


def find_run_to_resume(name: str | None) -> Run:
    """Open a run; raise `CheckpointError` if it contains only the weights of a model."""
    return _check_resumable(find_run(name, allow_bundled=False))


def _check_resumable(run: Run) -> Run:
    checkpoints = run.checkpoints()
    if checkpoints and checkpoints[-1].weights_only:
        raise CheckpointError(
            f"{run.path} contains the weights of a model but not the state of its training, so it "
            "cannot be resumed",
            "start a new run from these weights with "
            f"`charrnn train --init-from {quote_path(run.path)}`",
        )
    return run


def find_run_before_restart(ranks: Ranks, out_dir: Path | None) -> Run | None:
    """Return the run in `out_dir` if torchrun has restarted these processes.

    Raises `ConfigError` if the folder of the run was not given.
    """
    if not ranks.restarts:
        return None
    if out_dir is None:
        raise ConfigError(
            "torchrun has restarted these processes, and their run cannot be found, because its "
            "folder was not given",
            "start the training again",
            "use --out-dir to name the folder of the run",
        )
    try:
        return _check_resumable(Run.open(out_dir))
    except CheckpointError:
        return None  # the processes ended before the run was created


def check_same_run(
    run: Run, text: Corpus, config: TrainConfig, model: ModelConfig | None, init_from: str | None
) -> None:
    """Raise `CheckpointError` if a run has another text or other settings than these.

    Then another command has made it, and these processes refused its folder before their restart.
    """
    recorded = run.config
    is_same = (
        (recorded.corpus.sha256, recorded.text) == (text.sha256, text.config)
        and (recorded.init_from is None) == (init_from is None)
        and (init_from is not None or recorded.model == (model or ModelConfig()))
        and all(
            getattr(recorded.training, name) == value
            for name, value in vars(config).items()
            if value is not None and name not in MACHINE_SETTINGS
        )
    )
    if not is_same:
        check_new_folder(run.path)


def prepare_resumed_run(
    run: Run,
    request: ResumeRequest,
    progress: ProgressCallback | None,
    stop: threading.Event,
    group: Group,
) -> ResumedRun | None:
    """Restore the newest checkpoint of a run; return None if `stop` is set while the text is read.

    Its teachers must be trained. Raises `ConfigError` if a limit of the budget is reached.
    """
    config = run.config
    check_one_process(config.training, group)
    check_resume(config.training, request.device, request.threads, request.budget)
    checkpoint = group.on_rank_zero(lambda: run.select("last", ("model", "trainer")))
    device_name = None if config.training.reproducible else request.device
    device = choose_device(device_name or config.training.device)
    choose_precision(config.training.precision, device, config.model.cell)
    set_threads(request.threads or config.training.threads)
    reader = TextReader(checkpoint, request.reading or ReadingConfig())
    if request.text is not None:
        text: Corpus | None = request.text.encode_with(reader.vocabulary)
    else:
        text = open_unless_stopped(
            lambda report: reader.reopen(request.corpus, allow_other=True, progress=report),
            progress,
            stop,
            group,
        )
    if text is None:
        return None
    network = CharRNN(
        config.model, reader.vocabulary, config.corpus.line_start, text.config.separator
    ).to(device)
    return _restore(run, reader, checkpoint, text, network, request.budget, group)


def _restore(
    run: Run,
    reader: TextReader,
    checkpoint: Checkpoint,
    text: Corpus,
    network: CharRNN,
    budget: Budget | None,
    group: Group,
) -> ResumedRun:
    """Restore a checkpoint for training on `text`, with another budget if one is given."""
    progress = Progress.from_checkpoint(checkpoint)
    processes = progress.processes
    is_other_text = not reader.is_current(text)
    if is_other_text:
        progress.switch_corpus(text.record, text.config)
    is_other_budget = budget is not None and budget.has_limit and budget != progress.budget
    if budget is not None and is_other_budget:
        progress.budget, progress.stale_evaluations = budget, 0
    check_same_text(text, group.on_rank_zero(lambda: text.record))
    if is_other_budget or is_other_text:
        progress.budget_start, progress.horizon = progress.step, None  # the trainer plans it
    _check_budget_left(run, text, progress, is_other_text)
    teachers = load_teachers(run, progress, network.device, group)
    trainer = Trainer(run, text, network, progress, group, teachers)
    trainer.restore(checkpoint)
    notes: tuple[str, ...] = ()
    if checkpoint.version != __version__:
        notes += (_version_note(checkpoint.version),)
    if is_other_text:
        notes += (
            _text_note(reader, text),
            *list_text_notes(text, run.config.training.val_fraction),
        )
    if processes != progress.processes:
        notes += (_processes_note(processes, progress.processes),)
    return ResumedRun(trainer, is_other_budget or is_other_text, is_other_text, notes)


def _check_budget_left(run: Run, text: Corpus, progress: Progress, is_other_text: bool) -> None:
    """Raise `ConfigError` if a limit is reached.

    If an evaluation of the same text is missing, the run is not finished.
    """
    config = run.config.training
    training, held_out = text.split(config.val_fraction)
    batches = make_batches(training, text.separator_code, config)
    plan = BudgetPlan.for_text(config, batches.steps_per_epoch, len(training), len(held_out))
    reason = plan.limit_reached(progress) if is_other_text else plan.finish_reason(progress)
    epochs = 2 * max(1, round(progress.epoch))
    if reason == "patience":
        raise ConfigError(
            f"{run.path} is finished, because its held-out loss no longer falls; more "
            "training rarely helps",
            f"train anyway by giving a limit, for example --epochs {epochs}",
        )
    if reason == "target_loss":
        raise ConfigError(
            f"{run.path} is finished: its held-out loss reached {config.target_loss:g} nats",
            "start a new run from its weights with "
            f"`charrnn train --init-from {quote_path(run.path)}`",
        )
    if reason:
        budget = progress.budget
        limits = {
            "epochs": format_count(budget.epochs or 0, "epoch"),
            "max_steps": format_count(budget.max_steps or 0, "step"),
            "max_time": f"{budget.max_time or 0:,g} seconds",
        }
        raise ConfigError(
            f"{run.path} is finished: it reached its limit of {limits[reason]} at step "
            f"{progress.step:,}",
            f"train it further with a larger limit, for example --epochs {epochs}",
        )


def _text_note(reader: TextReader, text: Corpus) -> str:
    before = reader.record.sha256
    difference = (
        f"its SHA-256 is {text.sha256}, not {before}"
        if text.sha256 != before
        else "it has the same bytes, but they are read with another encoding or other line ends"
    )
    return (
        f"this is another text than before: {difference}; its held-out losses cannot be compared "
        "with the earlier ones"
    )


def _version_note(version: str | None) -> str:
    return (
        f"{name_version(version)} wrote the newest checkpoint, and charrnn {__version__} continues "
        "from it: the last digits of the losses can differ from those of that version"
    )


def _processes_note(before: int, now: int) -> str:
    count = format_count(now, "process")
    return (
        f"{count} instead of {before}: the data and the dropout masks are the same; gradients are "
        "added in another order, so their last digits differ"
    )
