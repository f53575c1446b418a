"""Untrusted files and requests: no input raises an error that is not charrnn's own."""

import contextlib
import os
import random
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzzing.targets import TARGETS, Target

ROOT = Path(__file__).parents[1]
FOUND = ROOT / "tests/data/fuzzing"
MUTATIONS = 100  # of every seed


def mutate(data: bytes, draws: random.Random) -> bytes:
    """Return a copy with up to four bytes changed, inserted, repeated or cut off."""
    mutated = bytearray(data)
    for _ in range(draws.randrange(1, 5)):
        place = draws.randrange(len(mutated) + 1)
        match draws.randrange(4):
            case 0:
                mutated[place : place + 1] = draws.randbytes(1)
            case 1:
                mutated[place:place] = draws.randbytes(draws.randrange(4))
            case 2:
                mutated[place:place] = mutated[place : place + draws.randrange(64)]
            case _:
                del mutated[place : place + draws.randrange(64)]
    return bytes(mutated)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    target = TARGETS[request.param]()
    yield target
    target.close()


def test_mutated_seeds_raise_no_other_error(target: Target) -> None:
    draws = random.Random(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in target.seeds():
            target.read(seed)
            for _ in range(MUTATIONS):
                target.read(mutate(seed, draws))


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda path: path.name)
def test_inputs_that_raised_other_errors_once_do_not_any_more(path: Path) -> None:
    target = TARGETS[path.parent.name]()
    with contextlib.closing(target):
        target.read(path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_an_hour_of_fuzzing_raises_no_other_error(name: str) -> None:
    pytest.importorskip("atheris")
    process = subprocess.run(
        [sys.executable, "-m", "tests.fuzzing.fuzz", name, "-max_total_time=3600", "-timeout=60"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    print(name, process.stderr[-200:])
