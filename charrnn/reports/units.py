"""The report of `neurons`: units that follow a feature of the text, and their activity over it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.analysis.features import MEANINGS, compute_features
from charrnn.analysis.units import FeatureUnits, Unit, find_units, unit_activities
from charrnn.console.heat_map import print_activity
from charrnn.console.output import make_displayable, stdout_console
from charrnn.console.progress_line import show_progress
from charrnn.console.tables import print_table
from charrnn.console.text import format_network, make_printable
from charrnn.data.progress import ProgressCallback
from charrnn.data.vocabulary import Codes
from charrnn.files import replace_file
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.reports import pages
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.find import find_run
from charrnn.runs.text_reader import TextReader

_MAX_CHARACTERS = 32_768  # of each of the two texts of a study
_WINDOWS_ON_TERMINAL = 3
_WARM_UP = 200  # characters that the model reads before a window


@dataclasses.dataclass(frozen=True)
class UnitStudy:
    """A model, and two texts: units are selected on the first one and evaluated on the second."""

    checkpoint: Checkpoint
    model: CharRNN
    text_name: str
    selection_codes: Codes
    evaluation_codes: Codes


@dataclasses.dataclass(frozen=True)
class ActivityWindow:
    """A part of a text, and the activity of a unit after each of its characters.

    `start` is the index of its first character in the text. `feature_unit` is the result that the
    window illustrates, or None for a unit that the user named.
    """

    unit: Unit
    feature_unit: FeatureUnits | None
    start: int
    text: str
    activity_N: NDArray[np.float32]

    @property
    def title(self) -> str:
        """The unit, and the feature that it follows."""
        if self.feature_unit is None:
            return f"unit {self.unit}"
        feature = self.feature_unit.feature
        return (
            f"unit {self.unit} follows “{feature}”, {MEANINGS[feature]}: "
            f"r = {self.feature_unit.correlation:+z.2f}"
        )


@dataclasses.dataclass(frozen=True)
class UnitReport:
    """The units that follow each feature, best first (None if the user named units); windows."""

    feature_units: list[FeatureUnits] | None
    windows: list[ActivityWindow]

    def select_best_windows(self, count: int) -> list[ActivityWindow]:
        """Return `count` windows of different units; all windows if the user named the units."""
        if self.feature_units is None:
            return self.windows
        first = {window.unit: window for window in reversed(self.windows)}
        return [window for window in self.windows if first[window.unit] is window][:count]


def open_study(
    checkpoint: Checkpoint,
    reader: TextReader,
    text: str | Path | None,
    corpus: str | None,
    device: str,
) -> UnitStudy:
    """Load a model and the text of its run, or the file `text`, which is split into two halves."""
    model = load_checkpoint(checkpoint, device)
    if text is None:
        return study_run(checkpoint, model, *reader.split(corpus))
    codes = reader.read_codes(text)[: 2 * _MAX_CHARACTERS]
    half = len(codes) // 2
    return UnitStudy(checkpoint, model, str(text), codes[:half], codes[half:])


def study_run(
    checkpoint: Checkpoint, model: CharRNN, training_codes: Codes, held_out_codes: Codes
) -> UnitStudy:
    """Make a study that selects units on the training text and evaluates on the held-out text."""
    return UnitStudy(
        checkpoint,
        model,
        "the held-out text of the run",
        training_codes[-_MAX_CHARACTERS:],
        held_out_codes[:_MAX_CHARACTERS],
    )


def report_units(
    study: UnitStudy,
    units: list[str] | None,
    length: int,
    progress: ProgressCallback | None = None,
) -> UnitReport:
    """Return the activity of units over `length` characters.

    These are the `units` that the user named, at the start of the text, or else the units that
    follow a feature, each in the part of the text in which its feature varies most.
    """
    model = study.model
    if units:
        codes = np.concatenate([study.selection_codes, study.evaluation_codes])[:length]
        named_units = [Unit.parse(name, model) for name in units]
        columns_NU = unit_activities(model, codes, named_units)
        text = model.vocabulary.decode(codes)
        return UnitReport(
            None,
            [
                ActivityWindow(unit, None, 0, text, columns_NU[:, column])
                for column, unit in enumerate(named_units)
            ],
        )
    feature_units = find_units(model, study.selection_codes, study.evaluation_codes, progress)
    text = model.vocabulary.decode(study.evaluation_codes)
    values = compute_features(text)
    windows = []
    for feature_unit in [candidate for candidate in feature_units if candidate.is_significant]:
        start = _most_variable_window(text, values[feature_unit.feature], length)
        warm_up = max(0, start - _WARM_UP)
        codes = study.evaluation_codes[warm_up : start + length]
        (column_N,) = unit_activities(model, codes, [feature_unit.unit]).T
        windows.append(
            ActivityWindow(
                feature_unit.unit,
                feature_unit,
                start,
                text[start : start + length],
                column_N[start - warm_up :],
            )
        )
    return UnitReport(feature_units, windows)


def print_unit_report(study: UnitStudy, report: UnitReport) -> None:
    """Print a table of the units that were found, and the best windows as heat maps."""
    if report.feature_units is not None:
        _print_feature_units(study, report.feature_units)
    console = stdout_console()
    for window in report.select_best_windows(_WINDOWS_ON_TERMINAL):
        console.print()
        console.print(make_displayable(window.title, console), style="bold")
        print_activity(window.text, window.activity_N.tolist())


def _print_feature_units(study: UnitStudy, feature_units: list[FeatureUnits]) -> None:
    print_table(
        f"units that follow a feature (r: correlation on {study.text_name}; chance: the largest r "
        "that occurs by accident)",
        ("feature", "meaning", "unit", "r", "chance", "next best units"),
        [
            (
                result.feature,
                MEANINGS[result.feature],
                str(result.unit) if result.is_significant else "none",
                f"{result.correlation:+z.2f}",
                f"{result.chance:z.2f}",
                ", ".join(str(other.unit) for other in result.candidates[1:3])
                if result.is_significant
                else "",
            )
            for result in feature_units
        ],
    )
    if not feature_units:
        stdout_console().print("none of the known features varies in this text")


def write_page(study: UnitStudy, report: UnitReport, path: Path) -> None:
    """Write an HTML page with the units that were found and all windows."""
    config = study.model.config
    anchors = {
        result.feature: f"f{number}"
        for number, result in enumerate(report.feature_units or (), start=1)
    }
    replace_file(
        path,
        pages.render_page(
            "neurons.html",
            title="Features that single units follow",
            run=make_printable(study.checkpoint.run.name),
            step=study.checkpoint.step,
            network=format_network(config.num_layers, config.hidden_size, config.cell),
            text_name=make_printable(study.text_name),
            units=f"{config.num_layers * config.hidden_size:,}",
            feature_units=report.feature_units,
            meanings=MEANINGS,
            windows=[
                {
                    "title": window.title,
                    "anchor": anchors[window.feature_unit.feature] if window.feature_unit else None,
                    "note": f"starts at character {window.start + 1:,} of the text",
                    "colored_text": pages.color_by_activity(
                        window.text, window.activity_N.tolist()
                    ),
                }
                for window in report.windows
            ],
        ),
    )


def to_json(study: UnitStudy, report: UnitReport) -> dict[str, Any]:
    """Return the units that were found and the windows as a value for JSON."""
    return {
        "run": str(study.checkpoint.run.path),
        "step": study.checkpoint.step,
        "text": study.text_name,
        "found": None
        if report.feature_units is None
        else [
            {
                "feature": result.feature,
                "meaning": MEANINGS[result.feature],
                "unit": str(result.unit),
                "correlation": result.correlation,
                "chance": result.chance,
                "holds": result.is_significant,
                "others": [
                    {"unit": str(other.unit), "correlation": other.correlation}
                    for other in result.candidates[1:]
                ],
            }
            for result in report.feature_units
        ],
        "drawings": [
            {
                "unit": str(window.unit),
                "first": window.start,
                "text": window.text,
                "activity": [round(float(value), 4) for value in window.activity_N],
            }
            for window in report.windows
        ],
    }


def find_feature_units(study: UnitStudy) -> list[FeatureUnits]:
    """Return the units that follow each feature, and show the progress."""
    with show_progress() as progress:
        return find_units(study.model, study.selection_codes, study.evaluation_codes, progress)


def _most_variable_window(text: str, values_N: NDArray[np.float32], length: int) -> int:
    """Return the start of the window of `length` characters in which a feature varies most.

    Windows start at the start of a line.
    """
    lines = [0, *(index + 1 for index, character in enumerate(text) if character == "\n")]
    starts = [start for start in lines if start + length <= len(text)] or [0]
    return max(starts, key=lambda start: float(values_N[start : start + length].std()))


def find_neurons(
    run: str | None = None,
    text: str | Path | None = None,
    *,
    corpus: str | None = None,
    checkpoint: str = "best",
    device: str = "auto",
) -> list[FeatureUnits]:
    """Find the units that follow each feature of a text, the best unit of each feature first.

    `run` is by default the newest run. Units are selected on one part of its text and evaluated on
    another; `text` is a file to use instead, and `corpus` the current path of the text of the run.
    Raises `CharrnnError`.
    """
    selected = find_run(run).select(checkpoint)
    study = open_study(selected, TextReader(selected), text, corpus, device)
    return find_units(study.model, study.selection_codes, study.evaluation_codes)
