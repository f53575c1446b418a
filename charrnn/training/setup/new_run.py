"""Prepares a new run for training."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from charrnn.config.model import ModelConfig
from charrnn.config.training import LONG_RUN_LEARNING_RATE, ResolvedTrainConfig, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.document_index import cut_after_document, locate_documents
from charrnn.data.ngram import baseline_nats
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.errors import ConfigError, CorpusError
from charrnn.files import expand_path
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.numerics.devices import choose_device
from charrnn.numerics.precision import choose_precision
from charrnn.numerics.threads import set_threads
from charrnn.runs.find import find_run, unused_run_path
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.run_config import Origin, RunConfig
from charrnn.runs.teachers import teacher_path
from charrnn.training.distributed.group import SINGLE_PROCESS, Group
from charrnn.training.setup.defaults import Regularization, resolve_config
from charrnn.training.setup.speed import seconds_per_step
from charrnn.training.setup.teachers import plan_teacher
from charrnn.training.setup.text_notes import describe_short_warmup, list_text_notes
from charrnn.training.trainer import Trainer

_PROBE_SECONDS = 1.0  # of training, from which a time limit is planned
_MAX_PROBE = 0.02  # of a time limit
_EVALUATIONS = 0.1  # of a time limit, for evaluations and saves


@dataclass(frozen=True)
class NewRun:
    """A new run. Nothing of it is on the disk yet."""

    trainer: Trainer
    added_characters: tuple[str, ...] | None
    """With an initial model: the characters that it did not contain."""
    notes: tuple[str, ...]
    """What is unusual about the text and the settings, one sentence each."""
    make_teacher: Callable[[int], Trainer]
    """Return a trainer of the teacher with this number, from 1, at step 0."""


@dataclass(frozen=True)
class _InitialModel:
    """The trained model that a new run starts from, and the run that it comes from."""

    name: str
    model: CharRNN
    origin: Origin


def prepare_new_run(
    text: Corpus,
    config: TrainConfig | None = None,
    model: ModelConfig | None = None,
    *,
    out_dir: str | Path | None = None,
    init_from: str | None = None,
    group: Group = SINGLE_PROCESS,
) -> NewRun:
    """Prepare a new run; see `charrnn.train` for the arguments.

    The process of rank zero chooses the settings. Raises `CharrnnError`.
    """
    config = config or TrainConfig()
    device, threads = choose_device(config.device), set_threads(config.threads)
    if init_from is not None and config.learning_rate is None:
        config = dataclasses.replace(config, learning_rate=LONG_RUN_LEARNING_RATE)
    initial = None
    if group.ranks.is_rank_zero and init_from is not None:
        initial = _load_initial(init_from)
        text = text.encode_with_extended(initial.model.vocabulary)

    def create_run() -> tuple[Run, tuple[str, ...] | None]:
        path = expand_path(out_dir) if out_dir is not None else unused_run_path(text.name)
        shape = _shape(model, initial)
        run = Run(path, _run_config(text, config, shape, initial, device, threads))
        known_characters = len(initial.model.vocabulary) if initial else 0
        return run, text.vocabulary.characters[known_characters:] if initial else None

    run, added_characters = group.on_rank_zero(create_run)
    text = text.encode_with(Vocabulary(run.config.vocabulary))
    check_same_text(text, run.config.corpus)

    trainer = _make_trainer(run, text, config, initial, device, group)
    time_notes: tuple[str, ...] = ()
    if config.max_time is not None:
        passes = _passes_in(config.max_time, trainer, group)
        run, time_notes = group.on_rank_zero(lambda: _plan_for_time(run, text, config, passes))
        trainer = _make_trainer(run, text, config, initial, device, group)
    warmup_notes = describe_short_warmup(config, trainer.progress.horizon)
    notes = (*list_text_notes(text, config.val_fraction), *warmup_notes, *time_notes)

    def make_teacher(number: int) -> Trainer:
        planned, before = plan_teacher(config, number), run.config.training
        resolved = _resolve(text, planned, before.device, before.precision, before.threads)
        teacher_config = dataclasses.replace(run.config, training=resolved)
        teacher = Run(teacher_path(run, number), teacher_config)
        return _make_trainer(teacher, text, planned, initial, device, group)

    return NewRun(trainer, added_characters, notes, make_teacher)


def _make_trainer(
    run: Run,
    text: Corpus,
    config: TrainConfig,
    initial: _InitialModel | None,
    device: torch.device,
    group: Group,
) -> Trainer:
    """Return a trainer at step 0. Only the process of rank zero has `initial`."""
    resolved, vocabulary = run.config.training, Vocabulary(run.config.vocabulary)
    network = CharRNN(run.config.model, vocabulary, text.line_start, text.config.separator)
    network.initialize(config.seed)
    if initial:
        network.copy_weights_from(initial.model)
    planned = None if config.eval_every else resolved.eval_every
    progress = Progress(budget=resolved.limits, eval_every=planned)
    return Trainer(run, text, network.to(device), progress, group)


def _passes_in(max_time: float, trainer: Trainer, group: Group) -> float:
    """Return how many passes through the text a time limit allows, from the measured speed."""
    seconds = seconds_per_step(trainer, min(_PROBE_SECONDS, _MAX_PROBE * max_time), group)
    steps = (1 - _EVALUATIONS) * max_time / seconds
    return steps * trainer.plan.characters_per_step / trainer.training_characters


def _plan_for_time(
    run: Run, text: Corpus, config: TrainConfig, passes: float
) -> tuple[Run, tuple[str, ...]]:
    """Return the run with the settings for this number of passes, and a note that names them.

    The note does not name settings that the user has specified.
    """
    before = run.config.training
    resolved = _resolve(text, config, before.device, before.precision, before.threads, passes)
    chosen = [
        f"{name.replace('_', ' ')} {getattr(resolved, name):g}"
        for name in (*Regularization._fields, "learning_rate")
        if getattr(config, name) is None
    ]
    note = f"the time limit allows about {passes:,.2g} passes through the text"
    if chosen:
        note += f", for which charrnn chose {', '.join(chosen)}"
    planned = dataclasses.replace(run, config=dataclasses.replace(run.config, training=resolved))
    return planned, (note,)


def check_same_text(text: Corpus, record: CorpusRecord) -> None:
    """Raise `CorpusError` if the process of rank zero has another text; `record` describes it."""
    if text.sha256 != record.sha256:
        raise CorpusError(
            f"the processes of this run read different texts: {text.name} has the SHA-256 "
            f"{text.sha256} in this process and {record.sha256} in the process of rank zero",
            "use the same text in all processes",
        )


def _load_initial(name: str) -> _InitialModel:
    checkpoint = find_run(name).select("best")
    return _InitialModel(name, load_checkpoint(checkpoint, device="cpu"), checkpoint.origin)


def _shape(model: ModelConfig | None, initial: _InitialModel | None) -> ModelConfig:
    """Return the shape of the network: that of the initial model, if there is one."""
    if initial is None:
        return model or ModelConfig()
    if model not in (None, ModelConfig(), initial.model.config):
        raise ConfigError(
            f"the run {initial.name} determines the shape of the network, because training starts "
            "from its weights",
            "omit --cell, --num-layers, --hidden-size and --forget-bias",
            "omit --init-from",
        )
    return initial.model.config


def _run_config(
    text: Corpus,
    config: TrainConfig,
    shape: ModelConfig,
    initial: _InitialModel | None,
    device: torch.device,
    threads: int,
) -> RunConfig:
    precision = choose_precision(config.precision, device, shape.cell)
    training, held_out = text.split(config.val_fraction)
    resolved = _resolve(text, config, device.type, precision, threads)
    return RunConfig(
        model=shape,
        training=resolved,
        vocabulary=text.vocabulary.characters,
        corpus=text.record,
        text=text.config,
        init_from=initial.origin if initial else None,
        baseline=_baseline(
            training,
            cut_after_document(held_out, text.separator_code, resolved.eval_characters),
            text,
        ),
    )


def _resolve(
    text: Corpus,
    config: TrainConfig,
    device: str,
    precision: str,
    threads: int,
    timed_passes: float | None = None,
) -> ResolvedTrainConfig:
    training, held_out = text.split(config.val_fraction)
    separator = text.separator_code
    return resolve_config(
        config,
        len(training),
        len(held_out),
        device=device,
        precision=precision,
        threads=threads,
        timed_passes=timed_passes,
        documents=None if separator is None else locate_documents(training, separator),
    )


def _baseline(training: Codes, held_out: Codes, text: Corpus) -> float | None:
    """Return the loss of a 5-gram model in nats per character, None if a part is too short."""
    if not len(training) or len(held_out) < 2:
        return None
    return baseline_nats(training, held_out, len(text.vocabulary), text.separator_code)
