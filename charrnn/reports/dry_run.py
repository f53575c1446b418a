"""What a text is, and what training on it would take: on the terminal."""

from charrnn.config.model import ModelConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import TrainConfig
from charrnn.console.run_facts import run_facts
from charrnn.console.tables import print_facts
from charrnn.console.text import duration
from charrnn.data.catalogue import bundled
from charrnn.data.corpus import Corpus
from charrnn.training.dry_run import Diagnosis, examine
from charrnn.training.new_run import prepare

_SHOWN = 12  # characters of each kind


def print_dry_run(
    sources: list[str] | None,
    training: TrainConfig,
    model: ModelConfig,
    text: TextConfig,
    init_from: str | None,
) -> None:
    """Read a text, train on it for two seconds, and print what a run would be; see `train`."""
    corpus = Corpus.open(sources or [bundled()], text)
    session, _ = prepare(corpus, training, model, init_from=init_from)
    print_diagnosis(examine(corpus, session))


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
    facts += [each for each in run_facts(config, config.training.limits) if each[0] != "text"]
    facts += [
        ("parameters", f"{found.parameters:,}"),
        ("memory", f"about {found.memory / 2**20:,.0f} MiB beside the program and torch"),
        ("disk", f"about {found.disk / 2**20:,.0f} MiB for 3 checkpoints"),
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
