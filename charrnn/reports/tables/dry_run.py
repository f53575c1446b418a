"""What a text is, and what training on it would take: on the terminal."""

from charrnn.console.run_facts import format_run_facts
from charrnn.console.tables import print_facts
from charrnn.console.text import format_duration
from charrnn.training.dry_run import Diagnosis

_SHOWN = 12  # characters of each kind


def print_diagnosis(found: Diagnosis) -> None:
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
        ("line ends", f"{found.lf:,} LF, {found.crlf:,} CRLF, {found.cr:,} CR"),
        ("vocabulary", f"{len(config.vocabulary):,} distinct; commonest: {', '.join(shown)}"),
        ("rare", _several(found.rare) + " occur less than 10 times"),
        ("suspicious", _several(found.suspicious)),
        ("lines", f"{found.duplicate_lines:,} of {found.lines:,} long ones repeat an earlier one"),
    ]
    facts += [
        each for each in format_run_facts(config, config.training.limits) if each[0] != "text"
    ]
    facts += [
        ("parameters", f"{found.parameters:,}"),
        ("memory", f"about {found.memory / 2**20:,.0f} MiB beside the program and torch"),
        ("disk", f"about {found.disk / 2**20:,.0f} MiB for 3 checkpoints"),
        (
            "an epoch",
            f"{found.steps_per_epoch:,} steps, about "
            f"{format_duration(found.seconds_per_epoch)} (from a probe of two seconds)",
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
