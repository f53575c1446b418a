"""What `score`, `list` and `info` tell: as rows for JSON, and as tables for people."""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from charrnn.console.output import duration, messages, nats, print_facts, print_table, printable
from charrnn.console.training_view import run_facts
from charrnn.errors import CheckpointError
from charrnn.reports.texts import texts_of
from charrnn.runs.find import find_run, run_paths
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run

if TYPE_CHECKING:
    from charrnn.runs.verification import Verified
    from charrnn.training.benchmark import Benchmark

Row = dict[str, Any]


def names_run(name: str) -> bool:
    """Whether an argument is meant as a run: a file of that name goes before it."""
    if Path(name).is_file():
        return False
    try:
        find_run(name)
    except CheckpointError:
        return False
    return True


def score_rows(
    run: Run,
    texts: list[tuple[str, str]],
    checkpoint: str,
    device: str,
    context: int | None,
    adapt: bool,
    corpus: str | None,
    unknown: Literal["error", "skip"],
) -> Iterator[Row]:
    """Score (name, text) pairs under a run, or the run's own held-out text where there are none."""
    from charrnn.analysis.scoring import score_codes
    from charrnn.config.training import AdaptConfig
    from charrnn.model.network import load_checkpoint

    chosen = run.select(checkpoint)
    model = load_checkpoint(chosen, device)
    for name, codes in texts_of(chosen, texts, corpus, unknown):
        result = score_codes(model, codes, context, AdaptConfig() if adapt else None)
        sure = math.isfinite(result.standard_error)
        yield {
            "run": str(run.path),
            "text": name,
            "nats_per_char": result.nats_per_char,
            "bits_per_char": result.bits_per_char,
            "standard_error": result.standard_error if sure else None,  # in nats
            "characters": result.characters,
            "context": context,
            "adapted": adapt,
        }


def ranked(rows: list[Row]) -> list[Row]:
    """Return the rows in the order of their losses, those of one text together."""
    several = len({row["run"] for row in rows}) > 1
    texts = list(dict.fromkeys(row["text"] for row in rows)) if several else []
    places = {text: place for place, text in enumerate(texts)}
    return sorted(rows, key=lambda row: (places.get(row["text"], 0), row["nats_per_char"]))


def print_scores(rows: list[Row], context: int | None, adapt: bool) -> None:
    """Print scores as a table."""
    how = f"windows of {context:,} characters" if context else "state carried"
    print_table(
        f"loss per character ({'adapted while reading' if adapt else how})",
        ("run", "text", "characters", "nats", "bits", "standard error"),
        [
            (
                row["run"],
                row["text"],
                f"{row['characters']:,}",
                f"{row['nats_per_char']:.4f}",
                f"{row['bits_per_char']:.4f}",
                _bits_of_error(row["standard_error"]),
            )
            for row in rows
        ],
    )


def _bits_of_error(nats_of_error: float | None) -> str:
    return "-" if nats_of_error is None else f"{nats_of_error / math.log(2):.4f} bits"


def describe_all() -> Iterator[Row]:
    """Describe every run under checkpoints/; of one that cannot be read, say so and go on."""
    for path in run_paths():
        try:
            yield describe(Run.open(path))
        except CheckpointError as error:
            messages().print(printable(f"left out: {error}"))


def print_verified(run: Run, found: "list[Verified]") -> None:
    """Print what `verify` found, and in a sentence what it means."""
    print_table(
        f"{run.path}",
        ("", "bytes", ""),
        [(each.name, f"{each.bytes:,}", each.damage or "sound") for each in found],
    )
    damaged = sum(each.damage is not None for each in found)
    if damaged:
        messages().print(
            f"{damaged} of {len(found)} damaged: what is sound is used in their place; bring the "
            "files back from a copy, or remove them"
        )
    else:
        messages().print("every byte is as it was written")


def describe(run: Run) -> Row:
    """Return what `info` and `list` tell of a run, under the keys of their JSON."""
    config, checkpoints = run.config, run.checkpoints()
    newest = dataclasses.asdict(Progress.of(checkpoints[-1])) if checkpoints else {}
    return {
        "run": str(run.path),
        "corpus": config.corpus.name,
        "characters": config.corpus.characters,
        "vocabulary_size": len(config.vocabulary),
        "cell": config.model.cell,
        "num_layers": config.model.num_layers,
        "hidden_size": config.model.hidden_size,
        "parameters": config.model.parameters(len(config.vocabulary)),
        "step": newest.get("step"),
        "epoch": newest.get("epoch"),
        "seconds": newest.get("seconds"),
        "val_loss": newest.get("best_val_loss"),
        "baseline": config.baseline,
        "best_step": newest.get("best_step"),
        "checkpoints": [each.path.name for each in checkpoints],
    }


def print_runs(rows: list[Row]) -> None:
    """Print runs as a table."""
    print_table(
        "runs, and their best loss per held-out character",
        ("run", "text", "network", "step", "epoch", "nats", "bits"),
        [
            (
                row["run"],
                row["corpus"],
                f"{row['num_layers']} x {row['hidden_size']} {row['cell']}",
                "-" if row["step"] is None else f"{row['step']:,}",
                "-" if row["epoch"] is None else f"{row['epoch']:.2f}",
                "-" if row["val_loss"] is None else f"{row['val_loss']:.4f}",
                "-" if row["val_loss"] is None else f"{row['val_loss'] / math.log(2):.4f}",
            )
            for row in rows
        ],
    )


def print_run(run: Run) -> None:
    """Print all that is known of one run."""
    facts = describe(run)
    checkpoints = run.checkpoints()
    budget = Progress.of(checkpoints[-1]).budget if checkpoints else run.config.training.limits
    lines = [("run", facts["run"]), *run_facts(run.config, budget)]
    lines.append(("parameters", f"{facts['parameters']:,}"))
    progress = "no checkpoint yet"
    if facts["step"] is not None:
        trained = duration(facts["seconds"])
        progress = f"step {facts['step']:,}, epoch {facts['epoch']:.2f}, after {trained}"
    lines.append(("progress", progress))
    if facts["val_loss"] is not None:
        lines.append(("best", f"{nats(facts['val_loss'])}, held out, at step {facts['best_step']}"))
    lines.append(("checkpoints", ", ".join(facts["checkpoints"]) or "none"))
    print_facts(lines)


def print_benchmark(result: "Benchmark") -> None:
    """Print what was measured as a table, and on what."""
    config, cost = result.config, result.quantization
    print_table(
        "training, forward and backward: characters a second",
        ("what", "median", "slowest", "fastest", "times stock float32"),
        [
            (
                each.name,
                f"{each.median:,.0f}",
                f"{each.minimum:,.0f}",
                f"{each.maximum:,.0f}",
                f"{each.times_stock:.2f}",
            )
            for each in result.measured
        ],
    )
    speed = {each.name: each.median for each in result.measured}
    shares = [
        f"{speed[name] / speed[name.replace('charrnn', 'limit')]:.0%} in {name.split()[1]}"
        for name in speed
        if name.startswith("charrnn")
    ]
    facts = [
        ("share of the limit", ", ".join(shares)),
        ("network", f"{config.num_layers} x {config.hidden_size} lstm"),
        (
            "batch",
            f"{config.batch_size} streams x {config.seq_length} characters, "
            f"{config.vocabulary_size} distinct",
        ),
        ("measured", f"{result.rounds} rounds, {result.threads} threads, torch {result.torch}"),
        ("device", f"{result.device}: {result.processor}"),
        (
            "8-bit weights",
            f"{cost.quantized_bits:.4f} bits per character, the network's {cost.float32_bits:.4f}: "
            f"a change of {cost.change:+.4f} ({cost.run} on {cost.characters:,} characters of "
            f"{cost.text}, which it never read)",
        ),
    ]
    if result.device == "cpu" and not result.bfloat16_instructions:
        facts.append(("bfloat16", "not measured: this processor has no instructions for it"))
    print_facts(facts)
