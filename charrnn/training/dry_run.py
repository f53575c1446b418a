"""What a text is, and what training on it would take: told before anything is trained.

Sizes are in bytes, times in seconds.
"""

import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from charrnn.config.model import ModelConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import TrainConfig
from charrnn.data.catalogue import bundled_name
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import code_points
from charrnn.runs.run_config import RunConfig
from charrnn.training.setup.new_run import prepare_new_run
from charrnn.training.trainer import Trainer

_PROBE = 2.0  # seconds of training that an epoch is estimated from
_PIECE = 1 << 22  # characters looked at together
_LINES = 5_000_000  # characters whose lines are compared, the first of the text
_LONG = 20  # characters: shorter lines come again by themselves
_RARE = 10  # occurrences
_NUMBER = 4  # bytes of a float32
_COPIES = 5  # of the weights in memory: themselves, gradient, two moments, average
_KEPT = 3  # checkpoints, each with weights, moments and average


@dataclass(frozen=True)
class Diagnosis:
    """A text and the run that `charrnn train` would make of it."""

    config: RunConfig
    characters: int
    training_characters: int
    held_out_characters: int
    counts: dict[str, int]
    """How often each character occurs, the commonest first."""
    rare: tuple[str, ...]
    """Characters that occur less than 10 times."""
    suspicious: tuple[str, ...]
    """Control characters, but for tabs and line ends, and others that text rarely holds."""
    crlf: int
    lf: int
    cr: int
    """Line ends of each kind; those of the others are not counted again."""
    lines: int
    duplicate_lines: int
    """Of the first 5,000,000 characters: lines of 20 characters or more, and how many of these
    repeat an earlier one."""
    parameters: int
    steps_per_epoch: int
    memory: int
    disk: int
    seconds_per_epoch: float
    notes: tuple[str, ...]


def dry_run(
    sources: list[str] | None,
    training: TrainConfig,
    model: ModelConfig,
    text: TextConfig,
    init_from: str | None,
) -> Diagnosis:
    """Read a text and examine it; see `charrnn.train` for the arguments. Raises `CharrnnError`."""
    corpus = Corpus.open(sources or [bundled_name()], text)
    new_run = prepare_new_run(corpus, training, model, init_from=init_from)
    return examine(corpus, new_run.trainer)


def examine(corpus: Corpus, trainer: Trainer) -> Diagnosis:
    """Look at a text, and train on it for two seconds; nothing is written."""
    config = trainer.run.config
    crlf, lf, cr = _line_ends(corpus)
    lines, duplicates = _lines(corpus)
    occurrences = dict(zip(corpus.vocabulary.characters, corpus.counts, strict=False))
    counts = dict(sorted(occurrences.items(), key=lambda each: -each[1]))
    parameters = config.model.count_parameters(len(config.vocabulary))
    weights = _NUMBER * parameters
    return Diagnosis(
        config=config,
        characters=len(corpus.codes),
        training_characters=trainer.training_characters,
        held_out_characters=trainer.held_out_characters,
        counts=counts,
        rare=tuple(each for each, count in counts.items() if 0 < count < _RARE),
        suspicious=tuple(each for each in counts if _is_suspicious(each)),
        crlf=crlf,
        lf=lf,
        cr=cr,
        lines=lines,
        duplicate_lines=duplicates,
        parameters=parameters,
        steps_per_epoch=trainer.plan.steps_per_epoch,
        memory=_COPIES * weights + _activations(config),
        disk=_KEPT * 4 * weights,
        seconds_per_epoch=_seconds_a_step(trainer) * trainer.plan.steps_per_epoch,
        notes=corpus.notes,
    )


def _line_ends(corpus: Corpus) -> tuple[int, int, int]:
    known = corpus.vocabulary
    code = {each: known.characters.index(each) for each in "\r\n" if each in known}
    occurrences = dict(zip(known.characters, corpus.counts, strict=False))
    both = 0
    if len(code) == len("\r\n"):
        for first in range(0, len(corpus.codes), _PIECE):
            piece = corpus.codes[first : first + _PIECE + 1]
            returns = piece[:-1] == code["\r"]
            both += int(np.count_nonzero(returns & (piece[1:] == code["\n"])))
    return both, occurrences.get("\n", 0) - both, occurrences.get("\r", 0) - both


def _lines(corpus: Corpus) -> tuple[int, int]:
    points = code_points("".join(corpus.vocabulary.characters))[corpus.codes[:_LINES]]
    text = points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    lines = Counter(line for line in text.splitlines() if len(line) >= _LONG)
    return lines.total(), lines.total() - len(lines)


def _is_suspicious(character: str) -> bool:
    control = not character.isprintable() and not character.isspace()
    return control or character in "\ufeff\ufffd"


def _activations(config: RunConfig) -> int:
    """Return about what a step keeps for its backward pass."""
    training, model = config.training, config.model
    positions = training.characters_per_step
    a_layer = (model.num_gates + 4) * model.hidden_size  # gates, cell, output, two masks
    return _NUMBER * positions * (model.num_layers * a_layer + 3 * len(config.vocabulary))


def _seconds_a_step(trainer: Trainer) -> float:
    trainer.take_steps(write_rows=False)  # the first one also compiles and takes memory
    begun, steps = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < _PROBE or not steps:
        steps += len(trainer.take_steps(write_rows=False))
    return spent / steps
