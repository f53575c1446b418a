"""Runs of earlier versions give the same results now, when loaded, sampled, scored or resumed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runs.reference_run import compute_results, summarize

RUNS = sorted((Path(__file__).parents[1] / "data").glob("run-*"))
TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def _short_previews() -> None:
    """Previews have their usual length, as in the runs of earlier versions."""


@pytest.mark.parametrize("folder", RUNS, ids=[folder.name for folder in RUNS])
def test_a_run_of_an_earlier_version_gives_the_same_results(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    assert f"run-{expected.pop('charrnn')}" == folder.name
    results = summarize(compute_results(folder))
    assert list(results) == list(expected)
    assert_close(results, expected, "")


def test_there_is_a_run_of_version_0_1_0() -> None:
    assert [folder.name for folder in RUNS] == ["run-0.1.0"]


def assert_close(actual: Any, expected: Any, path: str) -> None:
    if isinstance(expected, dict):
        assert sorted(actual) == sorted(expected), path
        for key, value in expected.items():
            assert_close(actual[key], value, f"{path}/{key}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), path
        for number, value in enumerate(expected):
            assert_close(actual[number], value, f"{path}/{number}")
    elif isinstance(expected, float):
        assert actual == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE), path
    else:
        assert actual == expected, path
