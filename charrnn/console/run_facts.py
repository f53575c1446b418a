"""The settings of a run as names and values for people."""

from charrnn.config.counts import format_count
from charrnn.config.training import Budget
from charrnn.console.text import format_duration, format_loss, format_network
from charrnn.runs.run_config import RunConfig
from charrnn.training.events import Started


def format_run_facts(
    config: RunConfig, budget: Budget, started: Started | None = None
) -> list[tuple[str, str]]:
    """Return the settings of a run as (name, value) pairs; `budget` is the current budget."""
    corpus, model, training = config.corpus, config.model, config.training
    characters = format_count(corpus.characters, "character")
    text = f"{corpus.name}: {characters}, {len(config.vocabulary)} distinct"
    network = format_network(model.num_layers, model.hidden_size, model.cell)
    schedule = f"evaluated every {format_count(training.eval_every, 'step')}"
    if started:
        text += (
            f"; {started.training_characters:,} for training, "
            f"{started.held_out_characters:,} held out for evaluation"
        )
        network += f", {started.parameters:,} parameters"
        schedule = f"{format_count(started.steps_per_epoch, 'step')} per epoch, {schedule}"
    streams = format_count(training.batch_size, "stream")
    batch = f"{streams} x {format_count(training.seq_length, 'character')} per step, {schedule}"
    weight_drop = f"{training.weight_drop:g}" if training.weight_drop else "none"
    settings = (
        f"dropout {training.dropout:g} between layers, {training.output_dropout:g} before the "
        f"output, {weight_drop} on recurrent weights, weight decay "
        f"{training.weight_decay:g}, loss temperature {training.loss_temperature:g}, learning "
        f"rate {training.learning_rate:g}, seed {training.seed}"
    )
    facts = [("text", text), ("network", network), ("batch", batch), ("training", settings)]
    if config.baseline is not None:
        facts.append(
            (
                "baseline",
                f"{format_loss(config.baseline)} on the held-out text: a 5-gram model, which only "
                "counts sequences of characters (a trained network should have a lower loss)",
            )
        )
    facts.append(("limits", _format_limits(budget, config.training.patience)))
    threads = format_count(training.threads, "thread")
    facts.append(("device", f"{training.device}, {training.precision}, {threads}"))
    if started and started.engine:
        facts.append(("engine", started.engine))
    if started:
        facts.append(("run", str(started.run.path)))
    return facts


def _format_limits(budget: Budget, patience: int) -> str:
    parts = []
    if budget.epochs:
        parts.append(format_count(budget.epochs, "epoch"))
    if budget.max_steps:
        parts.append(format_count(budget.max_steps, "step"))
    if budget.max_time:
        parts.append(format_duration(budget.max_time))
    if patience:
        parts.append(f"{format_count(patience, 'evaluation')} without a lower held-out loss")
    return " or ".join(parts)
