"""What `neurons` tells of units: those found, and drawings of any."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.analysis.features import MEANINGS, features_of
from charrnn.analysis.units import Found, Unit, activity, find
from charrnn.console.heat_map import print_activity
from charrnn.console.output import stderr_console, stdout_console
from charrnn.console.tables import print_table
from charrnn.console.text import make_printable
from charrnn.data.vocabulary import Codes
from charrnn.files import replace_file
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.reports import pages
from charrnn.reports.texts import own_text, read_codes
from charrnn.runs.checkpoint import Checkpoint

_MOST_READ = 32_768  # characters to choose units by, and to judge them by
_DRAWN = 3  # units drawn on a terminal
_RUN_UP = 200  # characters read before a stretch that is drawn


@dataclasses.dataclass(frozen=True)
class UnitStudy:
    """A model, and the texts to study its units on: one to choose by, another to judge by."""

    checkpoint: Checkpoint
    model: CharRNN
    name: str
    to_choose: Codes
    to_judge: Codes


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A stretch of text and the activity of a unit after each of its characters."""

    unit: Unit
    found: Found | None
    first: int
    text: str
    activity_N: NDArray[np.float32]

    @property
    def title(self) -> str:
        """What is drawn."""
        if self.found is None:
            return f"unit {self.unit}"
        return (
            f"unit {self.unit} follows “{self.found.feature}”, {MEANINGS[self.found.feature]}: "
            f"r = {self.found.correlation:+.2f}"
        )


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The units found, best first, None where they were named; and the drawings."""

    found: list[Found] | None
    drawings: list[Drawing]

    def best(self, most: int) -> list[Drawing]:
        """Return the first drawings of different units, all of them where they were named."""
        if self.found is None:
            return self.drawings
        first = {each.unit: each for each in reversed(self.drawings)}
        return [each for each in self.drawings if first[each.unit] is each][:most]


def open_study(
    checkpoint: Checkpoint, text: Path | None, corpus: str | None, device: str
) -> UnitStudy:
    """Load a model and its own text, or that of a file, whose second half is to judge by."""
    model = load_checkpoint(checkpoint, device)
    if text is None:
        return study_of_run(checkpoint, model, *own_text(checkpoint, corpus))
    codes = read_codes(checkpoint, text)[: 2 * _MOST_READ]
    half = len(codes) // 2
    return UnitStudy(checkpoint, model, str(text), codes[:half], codes[half:])


def study_of_run(
    checkpoint: Checkpoint, model: CharRNN, learnt: Codes, held_out: Codes
) -> UnitStudy:
    """Return the study of a model on its run's text: it chooses by what the model learnt from."""
    name = "its own held-out text"
    return UnitStudy(checkpoint, model, name, learnt[-_MOST_READ:], held_out[:_MOST_READ])


def drawn(study: UnitStudy, units: list[str] | None, length: int) -> Drawn:
    """Draw units over the text: those named, or the ones found where a feature varies most."""
    model = study.model
    if units:
        whole = np.concatenate([study.to_choose, study.to_judge])[:length]
        named = [Unit.parse(each, model) for each in units]
        columns_NU = activity(model, whole, named)
        text = model.vocabulary.decode(whole)
        return Drawn(
            None,
            [Drawing(each, None, 0, text, columns_NU[:, u]) for u, each in enumerate(named)],
        )
    following = found(study)
    judged = model.vocabulary.decode(study.to_judge)
    values = features_of(judged)
    drawings = []
    for each in [each for each in following if each.holds]:
        first = _liveliest(judged, values[each.feature], length)
        before = max(0, first - _RUN_UP)
        codes = study.to_judge[before : first + length]
        (column_N,) = activity(model, codes, [each.unit]).T
        text = judged[first : first + length]
        drawings.append(Drawing(each.unit, each, first, text, column_N[first - before :]))
    return Drawn(following, drawings)


def print_drawn(study: UnitStudy, shown: Drawn) -> None:
    """Print what was found as a table, and the best drawings below."""
    if shown.found is not None:
        _print_found(study, shown.found)
    console = stdout_console()
    for drawing in shown.best(_DRAWN):
        console.print()
        console.print(make_printable(drawing.title), style="bold", markup=False)
        print_activity(drawing.text, drawing.activity_N.tolist())


def _print_found(study: UnitStudy, found: list[Found]) -> None:
    print_table(
        f"units that follow a feature, r on {study.name}",
        ("feature", "", "unit", "r", "chance", "next best"),
        [
            (
                each.feature,
                MEANINGS[each.feature],
                str(each.unit) if each.holds else "none",
                f"{each.correlation:+.2f}",
                f"{each.chance:.2f}",
                ", ".join(str(other.unit) for other in each.followers[1:3]) if each.holds else "",
            )
            for each in found
        ],
    )
    if not found:
        stdout_console().print("none of the known features varies in this text")


def write_page(study: UnitStudy, shown: Drawn, path: Path) -> None:
    """Write what was found and all drawings as a page."""
    config = study.model.config
    anchors = {each.feature: f"f{number}" for number, each in enumerate(shown.found or (), start=1)}
    replace_file(
        path,
        pages.page(
            "neurons.html",
            title="What single cells watch",
            run=make_printable(study.checkpoint.run.path.name),
            step=study.checkpoint.step,
            network=f"{config.num_layers} x {config.hidden_size} {config.cell}",
            text_name=make_printable(study.name),
            units=f"{config.num_layers * config.hidden_size:,}",
            found=shown.found,
            meanings=MEANINGS,
            drawings=[
                {
                    "title": each.title,
                    "anchor": anchors[each.found.feature] if each.found else None,
                    "note": f"from character {each.first + 1:,} of the text",
                    "coloured": pages.by_activity(each.text, each.activity_N.tolist()),
                }
                for each in shown.drawings
            ],
        ),
    )


def as_json(study: UnitStudy, shown: Drawn) -> dict[str, Any]:
    """Return what was found, and the drawings, for other programs."""
    return {
        "run": str(study.checkpoint.run.path),
        "step": study.checkpoint.step,
        "text": study.name,
        "found": None
        if shown.found is None
        else [
            {
                "feature": each.feature,
                "meaning": MEANINGS[each.feature],
                "unit": str(each.unit),
                "correlation": each.correlation,
                "chance": each.chance,
                "holds": each.holds,
                "others": [
                    {"unit": str(other.unit), "correlation": other.correlation}
                    for other in each.followers[1:]
                ],
            }
            for each in shown.found
        ],
        "drawings": [
            {
                "unit": str(each.unit),
                "first": each.first,
                "text": each.text,
                "activity": [round(float(value), 4) for value in each.activity_N],
            }
            for each in shown.drawings
        ],
    }


def found(study: UnitStudy) -> list[Found]:
    """Return what `charrnn.analysis.units.find` finds, and say that it takes a while."""
    stderr_console().print("looking for units that follow a feature of the text: up to a minute")
    return find(study.model, study.to_choose, study.to_judge)


def _liveliest(text: str, values_N: NDArray[np.float32], length: int) -> int:
    """Return the start of the line from which on a feature varies most, of its `length` values."""
    lines = [0, *(place + 1 for place, each in enumerate(text) if each == "\n")]
    starts = [start for start in lines if start + length <= len(text)] or [0]
    return max(starts, key=lambda start: float(values_N[start : start + length].std()))
