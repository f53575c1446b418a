"""A dry run: reports on a text, and estimates the time and memory of training on it.

Sizes are in bytes, times in seconds.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from charrnn.config.model import ModelConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import UNKNOWN, code_points
from charrnn.runs.run import MAX_CHECKPOINTS
from charrnn.runs.run_config import RunConfig
from charrnn.training.setup.new_run import NewRun, prepare_new_run
from charrnn.training.setup.opening import open_new_text
from charrnn.training.setup.reproducible import set_machine
from charrnn.training.setup.speed import seconds_per_step

_PROBE_SECONDS = 2.0  # of training, from which the time of an epoch is estimated
_CHUNK = 1 << 22  # characters that are searched for line ends at once
_LINES_LIMIT = 5_000_000  # characters at the start of the text whose lines are compared
_MIN_LINE_LENGTH = 20  # characters: shorter lines often repeat by chance
_RARE_LIMIT = 10  # occurrences
_FLOAT32_BYTES = 4
_MEMORY_COPIES = 5  # arrays of the size of the weights: weights, gradient, two moments, average
_JOINERS = "\u200c\u200d"  # in Persian, in scripts of India and in emoji, which also have tags
_TEACHER_COPIES = 5  # of the logits: their probabilities and sum, log probabilities, gradients
_CHECKPOINT_COPIES = 4  # weights, two moments, average


@dataclass(frozen=True)
class DryRunReport:
    """A text, and the run that `charrnn train` would start with it."""

    config: RunConfig
    characters: int
    training_characters: int
    held_out_characters: int
    counts: dict[str, int]
    """The number of occurrences of each character, the most common first."""
    rare_characters: tuple[str, ...]
    """Characters that occur less than 10 times."""
    suspicious_characters: tuple[str, ...]
    """Characters that often come from a wrong encoding: invisible characters except white space and
    joiners, byte order marks and replacement characters."""
    crlf_count: int
    lf_count: int
    cr_count: int
    """Line ends of each kind. A CRLF is not counted as LF or CR."""
    has_long_lines: bool
    """Whether a line has 20 characters or more; if so, only such lines are counted."""
    lines: int
    duplicate_lines: int
    """In the first 5,000,000 characters: the number of counted lines, and how many of these repeat
    an earlier line."""
    parameters: int
    steps_per_epoch: int
    memory_bytes: int
    disk_bytes: int
    seconds_per_epoch: float
    notes: tuple[str, ...]


def dry_run(
    sources: list[str] | None,
    training: TrainConfig,
    model: ModelConfig,
    text: TextConfig,
    init_from: str | None,
) -> DryRunReport:
    """Read a text and report on it; see `charrnn.train` for the arguments.

    Raises `CharrnnError`.
    """
    training = set_machine(training)
    corpus = open_new_text(sources, text, init_from)
    new_run = prepare_new_run(corpus, training, model, init_from=init_from)
    return make_report(corpus, new_run)


def make_report(corpus: Corpus, new_run: NewRun) -> DryRunReport:
    """Report on a text, after two seconds of training on it; no file is written."""
    trainer = new_run.trainer
    config = trainer.run.config
    crlf_count, lf_count, cr_count = _count_line_ends(corpus)
    has_long_lines, lines, duplicate_lines = _count_lines(corpus)
    occurrences = dict(zip(corpus.vocabulary.characters, corpus.counts, strict=False))
    counts = dict(sorted(occurrences.items(), key=lambda item: -item[1]))
    parameters = config.model.count_parameters(len(config.vocabulary))
    weight_bytes, teachers = _FLOAT32_BYTES * parameters, config.training.teachers
    return DryRunReport(
        config=config,
        characters=len(corpus.codes),
        training_characters=trainer.training_characters,
        held_out_characters=trainer.held_out_characters,
        counts=counts,
        rare_characters=tuple(
            character for character, count in counts.items() if 0 < count < _RARE_LIMIT
        ),
        suspicious_characters=tuple(
            character for character in counts if _is_suspicious(character, corpus.config.min_count)
        ),
        crlf_count=crlf_count,
        lf_count=lf_count,
        cr_count=cr_count,
        has_long_lines=has_long_lines,
        lines=lines,
        duplicate_lines=duplicate_lines,
        parameters=parameters,
        steps_per_epoch=trainer.plan.steps_per_epoch,
        memory_bytes=(_MEMORY_COPIES + teachers) * weight_bytes
        + _activation_bytes(config, trainer.plan.characters_per_step),
        disk_bytes=(1 + teachers) * MAX_CHECKPOINTS * _CHECKPOINT_COPIES * weight_bytes,
        seconds_per_epoch=seconds_per_step(trainer, _PROBE_SECONDS) * trainer.plan.steps_per_epoch,
        notes=new_run.notes,
    )


def _count_line_ends(corpus: Corpus) -> tuple[int, int, int]:
    """Return the number of CRLF, of other LF, and of other CR."""
    characters = corpus.vocabulary.characters
    codes = {end: characters.index(end) for end in "\r\n" if end in characters}
    occurrences = dict(zip(characters, corpus.counts, strict=False))
    crlf_count = 0
    if len(codes) == len("\r\n"):
        for first in range(0, len(corpus.codes), _CHUNK):
            chunk = corpus.codes[first : first + _CHUNK + 1]
            is_cr = chunk[:-1] == codes["\r"]
            crlf_count += int(np.count_nonzero(is_cr & (chunk[1:] == codes["\n"])))
    lf_count = occurrences.get("\n", 0) - crlf_count
    return crlf_count, lf_count, occurrences.get("\r", 0) - crlf_count


def _count_lines(corpus: Corpus) -> tuple[bool, int, int]:
    """Return whether there are long lines, the number of lines, and how many repeat another one.

    If there are long lines, the others are not counted.
    """
    points = code_points("".join(corpus.vocabulary.characters))[corpus.codes[:_LINES_LIMIT]]
    text = points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    lines = [line for line in text.splitlines() if line]
    long_lines = [line for line in lines if len(line) >= _MIN_LINE_LENGTH]
    counts = Counter(long_lines or lines)
    return bool(long_lines), counts.total(), counts.total() - len(counts)


def _is_suspicious(character: str, min_count: int) -> bool:
    if character == UNKNOWN and min_count > 1:  # it represents rare characters
        return False
    is_joiner = character in _JOINERS or "\U000e0020" <= character <= "\U000e007f"
    is_invisible = not character.isprintable() and not character.isspace() and not is_joiner
    return is_invisible or character in "\ufeff\ufffd"


def _activation_bytes(config: RunConfig, positions: int) -> int:
    """Return the approximate size of the activations that a step stores for the backward pass."""
    training, model = config.training, config.model
    per_layer = (model.num_gates + 4) * model.hidden_size  # gates, cell, output, two masks
    per_character = 3 + (_TEACHER_COPIES if training.teachers else 0)
    numbers = model.num_layers * per_layer + per_character * len(config.vocabulary)
    return _FLOAT32_BYTES * positions * numbers
