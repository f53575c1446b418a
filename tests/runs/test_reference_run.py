"""Runs of earlier versions give the same results now, when loaded, sampled, scored or resumed.

`digests` in expected.json has the results whose bits must not change, if the machine and its
libraries are the same. If a version changes the arithmetic of a result on purpose, remove its
digest; the tolerance still applies.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import charrnn
from tests.runs.reference_run import compute_results, describe_machine, digest, summarize

ROOT = Path(__file__).parents[2]
RUNS = sorted((ROOT / "tests/data").glob("run-*"))
TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def _short_previews() -> None:
    """Previews have their usual length, as in the runs of earlier versions."""


@pytest.mark.parametrize("folder", RUNS, ids=[folder.name for folder in RUNS])
def test_a_run_of_an_earlier_version_gives_the_same_results(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    assert f"run-{expected.pop('charrnn')}" == folder.name
    machine, digests = expected.pop("machine"), expected.pop("digests")
    results = compute_results(folder)
    assert results.keys() == expected.keys()
    assert_close(summarize(results), expected, "")
    if machine == describe_machine():
        digests_now = digest(results)
        assert {name: digests_now[name] for name in digests} == digests


def test_there_is_a_run_of_every_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = {charrnn.__version__, *re.findall(r"^## (\d\S+) - ", changelog, re.MULTILINE)}
    assert {folder.name for folder in RUNS} == {f"run-{version}" for version in versions}


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
