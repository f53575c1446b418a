"""Display a result on the terminal or in a notebook."""

from collections.abc import Iterable
from pathlib import Path

from charrnn.analysis.scoring import Score
from charrnn.config.counts import format_count
from charrnn.console.heat_map import print_surprise
from charrnn.console.tables import print_facts
from charrnn.console.text import format_loss, format_network
from charrnn.console.training_view import TrainingView
from charrnn.data.character_names import name_character
from charrnn.model.network import CharRNN
from charrnn.numerics.information import nats_to_bits
from charrnn.reports.tables.runs import print_run
from charrnn.runs.find import find_run
from charrnn.training.events import Event, Finished

_MAX_CHARACTERS = 2_000  # of a text that are shown


def show(shown: Iterable[Event] | Score | CharRNN | str | Path | None = None) -> Finished | None:
    """Display a result, on the terminal or in a notebook.

    - the events of `train` or `resume`: trains, with live progress; returns the `Finished` event
    - the result of `score`: the text, colored by the surprise of each character
    - a model: its network and its vocabulary
    - the name of a run, by default of the newest one: its settings and its progress

    Raises `CharrnnError`, also that of training.
    """
    if isinstance(shown, Score):
        _show_score(shown)
    elif isinstance(shown, CharRNN):
        _show_model(shown)
    elif shown is None or isinstance(shown, str | Path):
        print_run(find_run(shown if shown is None else str(shown)))
    else:
        return _show_events(shown)
    return None


def _show_events(events: Iterable[Event]) -> Finished | None:
    finished = None
    with TrainingView() as view:
        for event in events:
            view.show(event)
            if isinstance(event, Finished):
                finished = event
    return finished


def _show_score(score: Score) -> None:
    text, nats = score.text, score.nats_N.tolist()
    losses = [0.0] * (len(text) - len(nats)) + nats
    bits = [nats_to_bits(loss) for loss in losses[:_MAX_CHARACTERS]]
    print_surprise(text[:_MAX_CHARACTERS], bits)
    characters = format_count(score.characters, "character")
    loss = f"{format_loss(score.nats_per_char)} per character, over {characters}"
    print_facts([("loss", f"{loss} (lower is better)")])


def _show_model(model: CharRNN) -> None:
    config, size = model.config, len(model.vocabulary)
    facts = [
        ("network", format_network(config.num_layers, config.hidden_size, config.cell)),
        ("parameters", f"{config.count_parameters(size):,}"),
        ("vocabulary", format_count(size, "character")),
        ("device", model.device.type),
    ]
    if model.separator_code is not None:
        separator = model.vocabulary.characters[model.separator_code]
        facts.append(("documents", f"end with {name_character(separator)}"))
    print_facts(facts)
