from pathlib import Path

import pytest

from charrnn.numerics import cpu


@pytest.mark.parametrize(
    ("limits", "cores"), [("150000 100000\n", 2), ("20000 100000\n", 1), ("400000 100000\n", 4)]
)
def test_a_container_limits_the_threads(tmp_path: Path, limits: str, cores: int) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(limits)
    assert cpu.available_cores(path) == cores


@pytest.mark.parametrize("limits", ["max 100000\n", "", None])
def test_without_a_limit_all_cores_are_available(tmp_path: Path, limits: str | None) -> None:
    path = tmp_path / "cpu.max"
    if limits is not None:
        path.write_text(limits)
    assert cpu.available_cores(path) >= 1
    assert cpu.available_cores(path) == cpu.available_cores(tmp_path / "none")


def test_cpu_has_a_name() -> None:
    assert cpu.cpu_name()
