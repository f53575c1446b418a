"""Runs of earlier versions load, sample, score and resume with the results they had then."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runs.reference_run import observe, summarize

RUNS = sorted((Path(__file__).parents[1] / "data").glob("run-*"))
TOLERANCE = 1e-5


@pytest.mark.parametrize("folder", RUNS, ids=[folder.name for folder in RUNS])
def test_a_run_of_an_earlier_version_gives_the_results_it_had_then(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    assert f"run-{expected.pop('charrnn')}" == folder.name
    observed = summarize(observe(folder))
    assert list(observed) == list(expected)
    assert_close(observed, expected, "")


def test_there_is_a_run_of_version_0_1_0() -> None:
    assert [folder.name for folder in RUNS] == ["run-0.1.0"]


def assert_close(observed: Any, expected: Any, place: str) -> None:
    if isinstance(expected, dict):
        assert sorted(observed) == sorted(expected), place
        for key, value in expected.items():
            assert_close(observed[key], value, f"{place}/{key}")
    elif isinstance(expected, list):
        assert len(observed) == len(expected), place
        for number, value in enumerate(expected):
            assert_close(observed[number], value, f"{place}/{number}")
    elif isinstance(expected, float):
        assert observed == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE), place
    else:
        assert observed == expected, place
