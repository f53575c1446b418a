"""The settings of a run, as a person reads them."""

from charrnn.config.training import Budget
from charrnn.console.text import duration, nats
from charrnn.runs.run_config import RunConfig
from charrnn.training.events import Started


def run_facts(
    config: RunConfig, budget: Budget, started: Started | None = None
) -> list[tuple[str, str]]:
    """Return what a run is, for people; `budget` is the one in force now."""
    corpus, model, training = config.corpus, config.model, config.training
    text = f"{corpus.name}: {corpus.characters:,} characters, {len(config.vocabulary)} distinct"
    network = f"{model.num_layers} x {model.hidden_size} {model.cell}"
    pace = f"evaluated every {training.eval_every:,} steps"
    if started:
        text += (
            f"; {started.training_characters:,} to learn from, "
            f"{started.held_out_characters:,} held out"
        )
        network += f", {started.parameters:,} parameters"
        pace = f"{started.steps_per_epoch:,} steps an epoch, {pace}"
    batch = f"{training.batch_size} streams x {training.seq_length} characters, {pace}"
    how = (
        f"dropout {training.dropout:g} between layers, {training.output_dropout:g} before the "
        f"output, {training.weight_drop:g} of the recurrent weights, weight decay "
        f"{training.weight_decay:g}, loss temperature {training.loss_temperature:g}, learning "
        f"rate {training.learning_rate:g}, seed {training.seed}"
    )
    facts = [("text", text), ("network", network), ("batch", batch), ("training", how)]
    if config.baseline is not None:
        facts.append(("to beat", f"{nats(config.baseline)}, held out: counting (a 5-gram model)"))
    facts.append(("budget", _limits(budget, config.training.patience)))
    facts.append(
        ("computing", f"{training.device}, {training.precision}, {training.threads} threads")
    )
    if started and started.engine:
        facts.append(("engine", started.engine))
    if started:
        facts.append(("run", str(started.run.path)))
    return facts


def _limits(budget: Budget, patience: int) -> str:
    parts = []
    if budget.epochs:
        parts.append(f"{budget.epochs:,} epochs")
    if budget.max_steps:
        parts.append(f"{budget.max_steps:,} steps")
    if budget.max_time:
        parts.append(duration(budget.max_time))
    if patience:
        parts.append(f"or {patience} evaluations without a gain")
    return ", ".join(parts)
