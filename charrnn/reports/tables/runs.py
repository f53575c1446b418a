"""The results of `list`, `info` and `verify` as rows for JSON and as tables."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from charrnn.console.output import print_message
from charrnn.console.run_facts import UNKNOWN, compare_loss, format_run_facts
from charrnn.console.tables import print_facts, print_table
from charrnn.console.text import format_bytes, format_duration, format_loss
from charrnn.errors import CheckpointError
from charrnn.numerics.information import nats_to_bits
from charrnn.runs.find import run_paths
from charrnn.runs.progress import Progress
from charrnn.runs.removal import measure_size
from charrnn.runs.run import Run
from charrnn.runs.settings import list_settings
from charrnn.runs.teachers import list_kept_teachers
from charrnn.runs.verification import VerifiedFile

Row = dict[str, Any]


def describe_all_runs() -> Iterator[Row]:
    """Describe every run in checkpoints/; print a message for a run that cannot be read."""
    for path in run_paths():
        try:
            yield describe_run(Run.open(path))
        except CheckpointError as error:
            print_message(f"run not listed: {error}")


def print_verification(run: Run, results: list[VerifiedFile]) -> None:
    """Print the result of `verify` for each file or folder, and what to do about damage."""
    print_table(
        f"{run.path}",
        ("file", "bytes", "state"),
        [
            (result.name, f"{result.bytes:,}", result.damage or result.note or "intact")
            for result in results
        ],
    )
    num_damaged = sum(result.damage is not None for result in results)
    if num_damaged:
        verb = "is" if num_damaged == 1 else "are"
        print_message(
            f"{num_damaged} of {len(results)} {verb} damaged: charrnn uses the intact checkpoints "
            "instead; restore the damaged files from a backup, or remove them"
        )
    elif any(result.note for result in results):
        print_message("no damage found, but not everything could be verified")
    else:
        print_message("all files are intact")


def describe_run(run: Run) -> Row:
    """Return the properties of a run under the JSON keys of `info` and `list`."""
    config, checkpoints = run.config, run.checkpoints()
    newest: dict[str, Any] = {}
    budget = config.training.limits
    if checkpoints:
        progress = Progress.from_checkpoint(checkpoints[-1])
        config, newest = progress.current_config(config), dataclasses.asdict(progress)
        budget = progress.budget
    is_known = config.corpus.is_known
    if not is_known:
        newest = {}
    return {
        "run": str(run.path),
        "corpus": config.corpus.name if is_known else None,
        "characters": config.corpus.characters if is_known else None,
        "vocabulary_size": len(config.vocabulary),
        "cell": config.model.cell,
        "num_layers": config.model.num_layers,
        "hidden_size": config.model.hidden_size,
        "parameters": config.model.count_parameters(len(config.vocabulary)),
        "step": newest.get("step"),
        "epoch": newest.get("epoch"),
        "seconds": newest.get("seconds"),
        "val_loss": newest.get("best_val_loss"),
        "baseline": config.baseline,
        "best_step": newest.get("best_step"),
        "checkpoints": [checkpoint.path.name for checkpoint in checkpoints],
        "bytes": measure_size(run),
        "settings": list_settings(config, budget),
        "teachers": [describe_run(teacher) for teacher in list_kept_teachers(run)],
    }


def print_runs(rows: list[Row]) -> None:
    """Print runs as a table."""
    print_table(
        "runs, with their best loss per held-out character (lower is better)",
        ("run", "text", "network", "step", "epoch", "nats", "bits", "size"),
        [
            (
                row["run"],
                row["corpus"],
                f"{row['num_layers']} x {row['hidden_size']} {row['cell']}",
                "-" if row["step"] is None else f"{row['step']:,}",
                "-" if row["epoch"] is None else f"{row['epoch']:z.2f}",
                "-" if row["val_loss"] is None else f"{row['val_loss']:z.4f}",
                "-" if row["val_loss"] is None else f"{nats_to_bits(row['val_loss']):z.4f}",
                format_bytes(row["bytes"]),
            )
            for row in itertools.chain(*([row, *row["teachers"]] for row in rows))
        ],
    )


def print_run(run: Run) -> None:
    """Print the settings, the progress and the checkpoints of a run."""
    facts = describe_run(run)
    checkpoints = run.checkpoints()
    newest = (
        Progress.from_checkpoint(checkpoints[-1])
        if checkpoints
        else Progress(budget=run.config.training.limits)
    )
    config = newest.current_config(run.config)
    settings = format_run_facts(config, newest.budget, eval_every=newest.eval_every)
    lines = [("run", facts["run"]), *settings]
    lines.append(("parameters", f"{facts['parameters']:,}"))
    if engine := _describe_engine(run):
        lines.append(("engine", f"{engine}, on this machine"))
    if not config.corpus.is_known:
        lines.append(("size", format_bytes(facts["bytes"])))
        print_facts([*lines, ("progress", UNKNOWN), ("best held-out loss", UNKNOWN)])
        return
    lines.append(("progress", _describe_progress(facts)))
    if facts["val_loss"] is not None:
        best = _describe_best(facts)
        if comparison := compare_loss(facts["val_loss"], config):
            best += f"; {comparison}"
        lines.append(("best held-out loss", best))
    lines.append(("checkpoints", ", ".join(facts["checkpoints"]) or "none"))
    lines.append(("size", format_bytes(facts["bytes"])))
    for number, teacher in enumerate(facts["teachers"], start=1):
        best = "" if teacher["val_loss"] is None else f"; best {_describe_best(teacher)}"
        lines.append((f"teacher {number}", f"{_describe_progress(teacher)}{best}"))
    print_facts(lines)


def _describe_progress(facts: Row) -> str:
    if facts["step"] is None:
        return "no checkpoint yet"
    trained = format_duration(facts["seconds"])
    return f"step {facts['step']:,}, epoch {facts['epoch']:z.2f}, after {trained}"


def _describe_best(facts: Row) -> str:
    step = "" if facts["best_step"] is None else f" at step {facts['best_step']:,}"
    return format_loss(facts["val_loss"]) + step


def _describe_engine(run: Run) -> str | None:
    """Return the engine that would train a run on the GPU of this machine.

    Returns None for a run on another device, or if there is no GPU.
    """
    model, training = run.config.model, run.config.training
    if training.device != "cuda":
        return None
    import torch

    from charrnn.recurrence.dispatch import describe_engine

    if not torch.cuda.is_available():
        return None
    return describe_engine(
        model,
        len(run.config.vocabulary),
        steps=training.seq_length,
        streams=training.batch_size,
        precision=training.precision,
        device=torch.device("cuda"),
    )
