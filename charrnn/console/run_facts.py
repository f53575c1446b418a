"""The settings of a run as names and values for people."""

import math

from charrnn.config.counts import format_count
from charrnn.config.training import Budget, ResolvedTrainConfig
from charrnn.console.text import format_duration, format_loss, format_network
from charrnn.data.character_names import name_character
from charrnn.runs.run_config import RunConfig
from charrnn.training.evaluation_plan import MAX_CHARACTERS
from charrnn.training.events import Started

UNKNOWN = "unknown"
"""What a model file of charrnn 0.1.0 does not say."""


def format_run_facts(
    config: RunConfig,
    budget: Budget,
    started: Started | None = None,
    *,
    eval_every: int | None = None,
) -> list[tuple[str, str]]:
    """Return the settings of a run as (name, value) pairs; `budget` is the current budget.

    `eval_every` is the interval of evaluations if it was planned from that budget.
    """
    corpus, model, training = config.corpus, config.model, config.training
    characters = format_count(corpus.characters, "character")
    text = f"{corpus.name}: {characters}, {len(config.vocabulary)} distinct"
    network = format_network(model.num_layers, model.hidden_size, model.cell)
    if not corpus.is_known:
        distinct = f"{UNKNOWN}, {len(config.vocabulary)} distinct characters"
        return [("text", distinct), ("network", network), ("training", UNKNOWN)]
    schedule = _format_evaluations(config, budget, started, eval_every)
    if started:
        text += f"; {describe_split(started.training_characters, started.held_out_characters)}"
        network += f", {started.parameters:,} parameters"
        schedule = f"{format_count(started.steps_per_epoch, 'step')} per epoch, {schedule}"
    batch = f"{format_batch(config)} per step, {schedule}"
    facts = [("text", text), *_describe_documents(config), ("network", network), ("batch", batch)]
    facts.append(("training", _format_settings(training)))
    if training.teachers:
        networks = format_count(training.teachers, "network")
        facts.append(("teachers", f"{networks}, trained first with other seeds"))
    if config.baseline is not None:
        facts.append(
            (
                "baseline",
                f"{format_loss(config.baseline)} on the held-out text: a 5-gram model, which only "
                "counts sequences of characters (a trained network should have a lower loss)",
            )
        )
    facts.append(("limits", _format_limits(budget, training)))
    threads = format_count(training.threads, "thread")
    device = started.device if started else training.device
    facts.append(("device", f"{device}, {training.precision}, {threads}"))
    if started and started.engine:
        facts.append(("engine", started.engine))
    if started:
        facts.append(("run", str(started.run.path)))
    return facts


def describe_split(training_characters: int, held_out_characters: int) -> str:
    """Return how the characters of a text are used."""
    if not held_out_characters:
        return "all for training, so the loss is not evaluated"
    return f"{training_characters:,} for training, {held_out_characters:,} held out for evaluation"


def _describe_documents(config: RunConfig) -> list[tuple[str, str]]:
    if config.text.separator is None:
        return []
    separator = name_character(config.text.separator)
    return [("documents", f"separated by {separator}; each is read from the initial state")]


def format_batch(config: RunConfig) -> str:
    """Return the streams or documents of a step, and how many characters of each it reads."""
    characters = format_count(config.training.seq_length, "character")
    if config.text.separator is None:
        return f"{format_count(config.training.batch_size, 'stream')} x {characters}"
    documents = format_count(config.training.batch_size, "document")
    return f"{documents} x at most {characters}"


def _format_settings(training: ResolvedTrainConfig) -> str:
    weight_drop = f"{training.weight_drop:g}" if training.weight_drop else "none"
    return (
        f"dropout {training.dropout:g} between layers, {training.output_dropout:g} before the "
        f"output, {weight_drop} on recurrent weights, weight decay "
        f"{training.weight_decay:g}, loss temperature {training.loss_temperature:g}, learning "
        f"rate {training.learning_rate:g}, seed {training.seed}"
    )


def compare_loss(loss: float, config: RunConfig) -> str:
    """Return what a held-out loss says about a model that has learned too little; else nothing."""
    uniform = uniform_loss(config)
    if uniform == math.inf:
        return ""
    if loss >= uniform:
        return f"not better than a random guess, {format_loss(uniform)}"
    if config.baseline is not None and loss >= config.baseline:
        return f"not better than a 5-gram model, {format_loss(config.baseline)}"
    return ""


def uniform_loss(config: RunConfig) -> float:
    """Return the loss of a random guess, in nats.

    It is infinite if the text has only one distinct character: there is nothing to learn.
    """
    size = len(config.vocabulary)
    return math.log(size) if size > 1 else math.inf


def _format_evaluations(
    config: RunConfig, budget: Budget, started: Started | None, planned: int | None
) -> str:
    """Return how often a run is evaluated, and on how many characters if not on all."""
    training, characters = config.training, config.corpus.characters
    interval = started.eval_every if started else planned or training.eval_every
    steps = "step" if interval == 1 else f"{interval or 0:,} steps"
    verb = "evaluated" if training.val_fraction else "saved"
    if interval is None:
        schedule = f"{verb} at least ten times"
    elif budget.max_time and planned:
        schedule = f"most recently {verb} every {steps}"
    elif budget.max_time and not started:
        schedule = f"{verb} at least every {steps}"
    else:
        schedule = f"{verb} every {steps}"
    held_out = started.held_out_characters if started else training.val_fraction * characters
    if training.eval_characters < MAX_CHARACTERS:
        schedule += describe_evaluated_part(training, held_out)
    return schedule


def describe_evaluated_part(training: ResolvedTrainConfig, held_out: float) -> str:
    """Return which of the held-out characters an evaluation reads; an empty text for all."""
    if training.eval_characters + 1 >= held_out:
        return ""
    return f" on the first {training.eval_characters:,} held-out characters"


def _format_limits(budget: Budget, training: ResolvedTrainConfig) -> str:
    parts = []
    if budget.epochs:
        parts.append(format_count(budget.epochs, "epoch"))
    if budget.max_steps:
        parts.append(format_count(budget.max_steps, "step"))
    if budget.max_time:
        parts.append(format_duration(budget.max_time))
    if training.patience:
        evaluations = format_count(training.patience, "evaluation")
        parts.append(f"{evaluations} without a lower held-out loss")
    if training.target_loss is not None:
        parts.append(f"a held-out loss of {training.target_loss:g} nats")
    return " or ".join(parts)
