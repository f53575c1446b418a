from hypothesis import given
from hypothesis import strategies as st

from charrnn.console.chart import chart, ticks
from charrnn.runs.curves import Series


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
    flat = shown([Series("5-gram", ((0, 2), (10, 2)), "baseline")])[2:-2]
    assert sum(any(each > "\u2800" for each in line) for line in flat) == 1


def test_logarithmic_axes_leave_out_what_has_no_logarithm() -> None:
    series = [Series("x", ((1, 1.0), (10, 0.1), (100, 0.0)))]
    text = chart(
        series, x_name="k", y_name="y", low=0.05, high=2, width=50, height=12, logarithmic=True
    )
    assert text.plain.split("\n")[-1].split() == ["1", "2", "5", "k"]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    found = ticks(low, low + span, most)
    assert len(found) <= most
    assert all(low - 1e-6 * span <= each <= low + span * (1 + 1e-6) for each in found)
