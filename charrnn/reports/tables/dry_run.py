"""The result of `train --dry-run` as a list of facts, and for JSON."""

import dataclasses
from typing import Any

from charrnn.config.counts import format_count
from charrnn.console.run_facts import describe_split, format_run_facts
from charrnn.console.tables import print_facts
from charrnn.console.text import format_duration
from charrnn.runs.run import MAX_CHECKPOINTS
from charrnn.runs.settings import list_settings
from charrnn.training.dry_run import DryRunReport

_MAX_LISTED = 12  # characters of each kind


def print_dry_run(result: DryRunReport) -> None:
    """Print the properties of a text, and the settings and cost of training on it."""
    config, text = result.config, result.config.text
    counts = result.counts
    common = [f"{character!r} {count:,}" for character, count in list(counts.items())[:_MAX_LISTED]]
    facts = [
        (
            "text",
            f"{config.corpus.name}: {format_count(result.characters, 'character')}, "
            f"{text.encoding}",
        ),
        (
            "split",
            describe_split(result.training_characters, result.held_out_characters),
        ),
        (
            "line ends",
            f"{result.lf_count:,} LF, {result.crlf_count:,} CRLF, {result.cr_count:,} CR",
        ),
        ("vocabulary", f"{len(config.vocabulary):,} distinct; most common: {', '.join(common)}"),
        ("rare", _list_characters(result.rare_characters) + " (fewer than 10 occurrences)"),
        ("suspicious", _list_characters(result.suspicious_characters)),
        (
            "lines",
            f"{result.duplicate_lines:,} of {result.lines:,} "
            f"{'long ' if result.has_long_lines else ''}lines repeat an earlier line",
        ),
    ]
    settings = format_run_facts(config, config.training.limits)
    facts += [(name, value) for name, value in settings if name != "text"]
    facts += _list_costs(result)
    facts += [("note", note) for note in result.notes]
    print_facts(facts)


def describe_dry_run(result: DryRunReport) -> dict[str, Any]:
    """Return what a dry run found under JSON keys; `settings` are those of `train --config`."""
    config = result.config
    values = {
        field.name: getattr(result, field.name)
        for field in dataclasses.fields(result)
        if field.name != "config"
    }
    return {
        "corpus": config.corpus.name,
        "sha256": config.corpus.sha256,
        "baseline": config.baseline,
        "vocabulary_size": len(config.vocabulary),
        **values,
        "settings": list_settings(config, config.training.limits),
    }


def _list_costs(result: DryRunReport) -> list[tuple[str, str]]:
    """Return what training costs: memory, disk and time."""
    teachers = result.config.training.teachers
    return [
        ("parameters", f"{result.parameters:,}"),
        (
            "memory",
            f"about {result.memory_bytes / 2**20:,.0f} MiB, in addition to the program itself",
        ),
        (
            "disk",
            f"at most {result.disk_bytes / 2**20:,.0f} MiB for {MAX_CHECKPOINTS} checkpoints"
            + (" of each network" if teachers else ""),
        ),
        (
            "one epoch",
            f"{format_count(result.steps_per_epoch, 'step')}, about "
            f"{format_duration(result.seconds_per_epoch)} (estimated from two seconds of training)"
            + _describe_teachers(teachers),
        ),
    ]


def _describe_teachers(teachers: int) -> str:
    if not teachers:
        return ""
    return (
        " for each teacher; the network of the run needs more time, because its "
        f"{'teacher reads' if teachers == 1 else 'teachers read'} the text too"
    )


def _list_characters(characters: tuple[str, ...]) -> str:
    if not characters:
        return "none"
    more = f" and {len(characters) - _MAX_LISTED:,} more" if len(characters) > _MAX_LISTED else ""
    listed = " ".join(f"{character!r}" for character in characters[:_MAX_LISTED])
    return f"{len(characters):,}: {listed}{more}"
