"""What a text is, and what training on it would take: on the terminal."""

from charrnn.console.run_facts import run_facts
from charrnn.console.tables import print_facts
from charrnn.console.text import duration
from charrnn.training.dry_run import DryRunReport

_SHOWN = 12  # characters of each kind


def print_diagnosis(found: DryRunReport) -> None:
    """Print what a text is and what training on it would take."""
    config, text = found.config, found.config.text
    counts = found.counts
    shown = [f"{each!r} {count:,}" for each, count in list(counts.items())[:_SHOWN]]
    facts = [
        ("text", f"{config.corpus.name}: {found.characters:,} characters, {text.encoding}"),
        (
            "split",
            f"{found.training_characters:,} to learn from, {found.held_out_characters:,} held out",
        ),
        ("line ends", f"{found.lf_count:,} LF, {found.crlf_count:,} CRLF, {found.cr_count:,} CR"),
        ("vocabulary", f"{len(config.vocabulary):,} distinct; commonest: {', '.join(shown)}"),
        ("rare", _several(found.rare_characters) + " occur less than 10 times"),
        ("suspicious", _several(found.suspicious_characters)),
        ("lines", f"{found.duplicate_lines:,} of {found.lines:,} long ones repeat an earlier one"),
    ]
    facts += [each for each in run_facts(config, config.training.limits) if each[0] != "text"]
    facts += [
        ("parameters", f"{found.parameters:,}"),
        ("memory", f"about {found.memory_bytes / 2**20:,.0f} MiB beside the program and torch"),
        ("disk", f"about {found.disk_bytes / 2**20:,.0f} MiB for 3 checkpoints"),
        (
            "an epoch",
            f"{found.steps_per_epoch:,} steps, about "
            f"{duration(found.seconds_per_epoch)} (from a probe of two seconds)",
        ),
    ]
    facts += [("note", each) for each in found.notes]
    print_facts(facts)


def _several(characters: tuple[str, ...]) -> str:
    if not characters:
        return "none"
    more = f" and {len(characters) - _SHOWN:,} more" if len(characters) > _SHOWN else ""
    named = " ".join(f"{each!r}" for each in characters[:_SHOWN])
    return f"{len(characters):,}: {named}{more}"
