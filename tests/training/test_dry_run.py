"""The time per step that a dry run estimates."""

from typing import Any

import pytest

from charrnn.training import dry_run
from charrnn.training.setup import speed

SECONDS_PER_STEP = 0.25


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


class Trainer:
    """Takes several steps in each call, as on a GPU; the first call also compiles."""

    def __init__(self, clock: Clock, counts: list[int]) -> None:
        self._clock, self._counts = clock, iter(counts)
        self.calls = 0

    def take_steps(self, *, write_rows: bool) -> list[Any]:
        assert not write_rows
        count = next(self._counts)
        self.calls += 1
        self._clock.now += count * SECONDS_PER_STEP + (30 if self.calls == 1 else 0)
        return [None] * count


@pytest.mark.parametrize(
    ("counts", "calls"),
    [
        ([1] * 20, 1 + 8),  # a CPU
        ([10, 3, 10, 10, 10], 1 + 2),
        ([10, 50, 50], 1 + 1),  # a single call takes longer than the probe
    ],
)
def test_the_time_per_step_is_a_mean_over_all_steps_of_the_probe(
    monkeypatch: pytest.MonkeyPatch, counts: list[int], calls: int
) -> None:
    clock = Clock()
    trainer = Trainer(clock, counts)
    monkeypatch.setattr(speed, "time", clock)
    seconds = speed.seconds_per_step(trainer, 2.0)  # type: ignore[arg-type]
    assert seconds == pytest.approx(SECONDS_PER_STEP)
    assert trainer.calls == calls


def test_the_clock_of_rank_zero_ends_the_probe_in_all_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Group:
        """The group of a process whose clock is ahead of that of rank zero."""

        passed = iter([0.5, 1.5, 2.5])

        def on_rank_zero(self, work: Any) -> float:
            return next(self.passed)

    clock = Clock()
    trainer = Trainer(clock, [1, 50, 50, 50])
    monkeypatch.setattr(speed, "time", clock)
    assert speed.seconds_per_step(trainer, 2.0, Group()) == 2.5 / 150  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("character", "min_count", "expected"),
    [
        ("\x07", 1, True),
        ("\u202e", 1, True),
        ("\ufffd", 1, True),
        ("\ufffd", 2, False),  # the unknown symbol
        ("\u200d", 1, False),
        ("\U000e0067", 1, False),
        ("\t", 1, False),
    ],
)
def test_characters_of_a_wrong_encoding_are_suspicious(
    character: str, min_count: int, expected: bool
) -> None:
    assert dry_run._is_suspicious(character, min_count) == expected
