from collections.abc import Iterator

import pytest

from charrnn.console.output import set_quiet
from charrnn.console.progress_line import show_progress
from charrnn.data.progress import Reading


@pytest.fixture(autouse=True)
def _not_quiet_afterwards() -> Iterator[None]:
    yield
    set_quiet(False)


def test_a_plain_stream_gets_one_line_per_task(capfd: pytest.CaptureFixture[str]) -> None:
    with show_progress() as progress:
        for task in ("finding units", "testing units"):
            for done in range(3):
                progress(Reading(task, done, 3))
    assert capfd.readouterr() == ("", "finding units\ntesting units\n")


def test_quiet_hides_the_progress(capfd: pytest.CaptureFixture[str]) -> None:
    set_quiet(True)
    with show_progress() as progress:
        progress(Reading("finding units", 1, 3))
    assert capfd.readouterr() == ("", "")
