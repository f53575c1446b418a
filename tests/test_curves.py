"""A run's losses as lines, on the terminal and as pictures."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Opened, Outcome
from hypothesis import given
from hypothesis import strategies as st

from charrnn.console.chart import chart
from charrnn.runs.curves import Axis, Series, curves, ticks
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.training.events import Finished


@pytest.fixture
def run(finished: Finished) -> Run:
    return finished.run


def test_curves_are_the_losses_of_the_run_in_either_unit(run: Run) -> None:
    rows = read_rows(run.metrics_path)
    in_nats, in_bits = curves([run], unit="nats"), curves([run], unit="bits")
    train, held_out = in_nats.series
    assert train.points == tuple(
        (row["step"], row["train_loss"]) for row in rows if row["train_loss"]
    )
    assert held_out.points == tuple(
        (row["step"], row["val_loss"]) for row in rows if row["val_loss"]
    )
    assert in_bits.series[1].points[-1][1] == pytest.approx(held_out.points[-1][1] / math.log(2))
    assert {y for _, y in in_nats.levels[0].points} == {run.config.baseline}
    assert in_nats.y_name == "loss (nats per character)"


@pytest.mark.parametrize(
    ("axis", "name", "last"),
    [
        ("steps", "step", 30),
        ("characters", "characters read", 30 * 4 * 8),
        ("epochs", "epoch", None),
    ],
)
def test_curves_run_along_what_was_asked_for(
    axis: Axis, name: str, last: float | None, run: Run
) -> None:
    drawn = curves([run], axis)
    assert drawn.x_name == name
    assert drawn.series[0].points[-1][0] == (last or read_rows(run.metrics_path)[-1]["epoch"])


@pytest.mark.parametrize(
    ("seconds", "unit", "end"), [(90, "s", 90), (600, "min", 10), (7200, "h", 2)]
)
def test_time_is_in_a_unit_that_fits(seconds: float, unit: str, end: float, run: Run) -> None:
    rows = read_rows(run.metrics_path)
    rows[-1]["seconds"] = seconds
    run.metrics_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    drawn = curves([run], "time")
    assert drawn.x_name == f"time ({unit})"
    assert drawn.series[0].points[-1][0] == pytest.approx(end)


def test_several_runs_are_told_apart_and_share_a_level_that_is_the_same(run: Run) -> None:
    drawn = curves([run, run])
    assert [each.name for each in drawn.series][:2] == ["verse train", "verse held out"]
    assert len(drawn.levels) == 1


def test_a_run_without_a_curve_is_drawn_empty(run: Run, cli: Callable[..., Outcome]) -> None:
    run.metrics_path.unlink()
    assert curves([run]).series == ()
    assert cli("plot").out == "nothing to draw yet\n"
    assert cli("plot", "-o", "curve.png").code == 0


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    found = ticks(low, low + span, most)
    assert len(found) <= most
    assert all(low - 1e-6 * span <= each <= low + span * (1 + 1e-6) for each in found)


def shown(series: list[Series]) -> list[str]:
    text = chart(series, x_name="step", y_name="loss", low=0, high=4, width=40, height=12)
    return text.plain.split("\n")


def test_a_chart_fits_and_tells_its_axes() -> None:
    lines = shown([Series("train", ((0, 4), (50, 2), (100, 0)))])
    assert all(len(line) <= 40 for line in lines)
    assert lines[0].startswith("━ train")
    assert lines[1] == "loss"
    assert lines[-1].rstrip().endswith("step")
    assert "50" in lines[-1]
    body = [line[8:] for line in lines[2:-2]]
    columns = [next(place for place, each in enumerate(line) if each > "\u2800") for line in body]
    assert columns == sorted(columns)
    assert columns[0] == 0
    assert columns[-1] > 25


def test_a_chart_of_one_point_or_a_level_stands() -> None:
    assert any(each >= "⠁" for line in shown([Series("x", ((3, 2),))])[2:-2] for each in line)
    flat = shown([Series("5-gram", ((0, 2), (10, 2)), "level")])[2:-2]
    assert sum(any(each > "\u2800" for each in line) for line in flat) == 1


def test_logarithmic_axes_leave_out_what_has_no_logarithm() -> None:
    series = [Series("x", ((1, 1.0), (10, 0.1), (100, 0.0)))]
    text = chart(
        series, x_name="k", y_name="y", low=0.05, high=2, width=50, height=12, logarithmic=True
    )
    assert text.plain.split("\n")[-1].split() == ["1", "2", "5", "k"]


def test_curves_are_printed_at_80_columns(
    run: Run, cli: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = cli("plot", "--unit", "nats")
    assert outcome.code == 0
    assert "loss (nats per character)" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [(), ("--memory", "--farthest", "10", "--text", "long.txt")])
def test_pictures_are_files_of_their_kind(
    arguments: tuple[str, ...], run: Run, text_file: Path, cli: Callable[..., Outcome]
) -> None:
    Path("long.txt").write_text(text_file.read_text() * 2)
    assert cli("plot", *arguments, "-o", "a.svg").code == 0
    assert ElementTree.parse("a.svg").getroot().tag.endswith("svg")
    assert cli("plot", *arguments, "-o", "a.png").code == 0
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    again = Path("a.svg").read_bytes()
    assert cli("plot", *arguments, "-o", "a.svg").code == 0
    assert Path("a.svg").read_bytes() == again


def test_a_name_is_no_mathematics(run: Run, cli: Callable[..., Outcome]) -> None:
    run.path.rename(run.path.with_name("_a$b$漢"))
    other = run.path.with_name("other")
    assert cli("train", "verse.txt", "-o", other, "--max-steps", 5, "--batch-size", 2).code == 0
    assert cli("plot", "_a$b$漢", "other", "-o", "a.svg").code == 0


def test_without_matplotlib_the_install_line_is_told(
    run: Run, cli: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outcome = cli("plot", "-o", "a.png")
    assert outcome.code == 1
    assert 'pip install "matplotlib>=3.9"' in outcome.err
    assert cli("plot").code == 0


@pytest.mark.parametrize(
    "arguments", [("-o", "a.pdf"), ("verse", "verse", "-o", "a.html"), ("--memory", "-o", "a.html")]
)
def test_what_cannot_be_drawn_is_wrong_usage(
    arguments: tuple[str, ...], run: Run, cli: Callable[..., Outcome]
) -> None:
    assert cli("plot", *arguments).code == 2


def test_a_whole_run_is_on_one_page(
    run: Run, cli: Callable[..., Outcome], opened: Callable[[Path], Opened]
) -> None:
    assert cli("plot", "--farthest", "10", "-o", "run.html").code == 0
    page = opened(Path("run.html")).page
    text = page.inner_text("main")
    for heading in ("The run", "Curves", "What it wrote while it learnt", "Temperature"):
        assert heading in text
    assert "step 30," in text  # a preview
    assert "temperature 0.5" in text
    assert "is too short to tell what cells follow" in text
    assert page.evaluate("Array.from(document.images).every((each) => each.naturalWidth > 100)")


def test_a_page_of_a_run_whose_text_is_gone_says_so(
    run: Run, text_file: Path, cli: Callable[..., Outcome], opened: Callable[[Path], Opened]
) -> None:
    text_file.unlink()
    run.metrics_path.unlink()
    assert cli("plot", "-o", "run.html").code == 0
    text = opened(Path("run.html")).page.inner_text("main")
    assert "This run has no curve yet." in text
    assert "Surprising lines, cells and memory are missing here" in text
    assert "verse.txt" in text
