from hypothesis import given
from hypothesis import strategies as st

from charrnn.console.chart import choose_ticks, draw_chart
from charrnn.runs.curves import Series


def chart_lines(series: list[Series]) -> list[str]:
    text = draw_chart(series, x_name="step", y_name="loss", low=0, high=4, width=40, height=12)
    return text.plain.split("\n")


def test_a_chart_has_the_given_width_and_names_its_axes() -> None:
    lines = chart_lines([Series("train", ((0, 4), (50, 2), (100, 0)))])
    assert all(len(line) <= 40 for line in lines)
    assert lines[0].startswith("━ train")
    assert lines[1] == "loss"
    assert lines[-1].rstrip().endswith("step")
    assert "50" in lines[-1]
    body = [line[8:] for line in lines[2:-2]]
    columns = [next(index for index, dots in enumerate(line) if dots > "\u2800") for line in body]
    assert columns == sorted(columns)
    assert columns[0] == 0
    assert columns[-1] > 25


def test_one_point_or_a_level_is_drawn() -> None:
    assert any(dots >= "⠁" for line in chart_lines([Series("x", ((3, 2),))])[2:-2] for dots in line)
    flat = chart_lines([Series("5-gram", ((0, 2), (10, 2)), "baseline")])[2:-2]
    assert sum(any(dots > "\u2800" for dots in line) for line in flat) == 1


def test_logarithmic_axes_leave_out_values_of_zero() -> None:
    series = [Series("x", ((1, 1.0), (10, 0.1), (100, 0.0)))]
    text = draw_chart(
        series, x_name="k", y_name="y", low=0.05, high=2, width=50, height=12, logarithmic=True
    )
    assert text.plain.split("\n")[-1].split() == ["1", "2", "5", "k"]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_are_few_and_within_the_limits(low: float, span: float, max_ticks: int) -> None:
    ticks = choose_ticks(low, low + span, max_ticks)
    assert len(ticks) <= max_ticks
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)
