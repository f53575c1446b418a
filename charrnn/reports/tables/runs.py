"""The results of `list`, `info` and `verify` as tables."""

import itertools

from charrnn.console.output import print_message
from charrnn.console.run_facts import UNKNOWN, compare_loss, format_run_facts
from charrnn.console.tables import print_facts, print_table
from charrnn.console.text import format_bytes, format_duration, format_loss
from charrnn.numerics.information import nats_to_bits
from charrnn.runs.compatibility import describe_versions
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.summary import RunSummary, summarize_run
from charrnn.runs.verification import VerifiedFile


def print_verification(run: Run, results: list[VerifiedFile]) -> None:
    """Print the result of `verify` for each file or folder, and what to do about damage."""
    config, newest = run.config, run.newest_version(run.checkpoints())
    versions = describe_versions(config.version, config.format, newest)
    print_table(
        f"{run.path}, {versions}",
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


def print_runs(runs: list[RunSummary]) -> None:
    """Print runs as a table."""
    print_table(
        "runs, with their best loss per held-out character (lower is better)",
        ("run", "text", "network", "step", "epoch", "nats", "bits", "size"),
        [
            (
                run.run,
                run.corpus or UNKNOWN,
                f"{run.num_layers} x {run.hidden_size} {run.cell}",
                "-" if run.step is None else f"{run.step:,}",
                "-" if run.epoch is None else f"{run.epoch:z.2f}",
                "-" if run.val_loss is None else f"{run.val_loss:z.4f}",
                "-" if run.val_loss is None else f"{nats_to_bits(run.val_loss):z.4f}",
                format_bytes(run.bytes),
            )
            for run in itertools.chain(*([run, *run.teachers] for run in runs))
        ],
    )


def print_run(run: Run) -> None:
    """Print the settings, the progress and the checkpoints of a run."""
    summary = summarize_run(run)
    checkpoints = run.checkpoints()
    newest = (
        Progress.from_checkpoint(checkpoints[-1])
        if checkpoints
        else Progress(budget=run.config.training.limits)
    )
    config = newest.current_config(run.config)
    settings = format_run_facts(config, newest.budget, eval_every=newest.eval_every)
    versions = describe_versions(summary.version, summary.format, summary.checkpoint_version)
    lines = [("run", summary.run), ("version", versions), *settings]
    lines.append(("parameters", f"{summary.parameters:,}"))
    if engine := _describe_engine(run):
        lines.append(("engine", f"{engine}, on this machine"))
    if not config.corpus.is_known:
        lines.append(("size", format_bytes(summary.bytes)))
        print_facts([*lines, ("progress", UNKNOWN), ("best held-out loss", UNKNOWN)])
        return
    lines.append(("progress", _describe_progress(summary)))
    if summary.val_loss is not None:
        best = _describe_best(summary)
        if comparison := compare_loss(summary.val_loss, config):
            best += f"; {comparison}"
        lines.append(("best held-out loss", best))
    lines.append(("checkpoints", ", ".join(summary.checkpoints) or "none"))
    lines.append(("size", format_bytes(summary.bytes)))
    for number, teacher in enumerate(summary.teachers, start=1):
        best = "" if teacher.val_loss is None else f"; best {_describe_best(teacher)}"
        lines.append((f"teacher {number}", f"{_describe_progress(teacher)}{best}"))
    print_facts(lines)


def _describe_progress(summary: RunSummary) -> str:
    if summary.step is None:
        return "no checkpoint yet"
    trained = format_duration(summary.seconds or 0)
    return f"step {summary.step:,}, epoch {summary.epoch or 0:z.2f}, after {trained}"


def _describe_best(summary: RunSummary) -> str:
    step = "" if summary.best_step is None else f" at step {summary.best_step:,}"
    return format_loss(summary.val_loss or 0) + step


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
