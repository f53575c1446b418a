import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.numerics import cpu


@pytest.mark.parametrize(
    ("limits", "cores"), [("150000 100000\n", 2), ("20000 100000\n", 1), ("400000 100000\n", 4)]
)
def test_a_container_limits_the_threads(
    tmp_path: Path, limits: str, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8), raising=False)
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


def test_the_affinity_of_the_process_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 6}, raising=False)
    path = tmp_path / "cpu.max"
    assert cpu.available_cores(path) == 3
    path.write_text("200000 100000")
    assert cpu.available_cores(path) == 2


def test_cpu_has_a_name() -> None:
    assert cpu.cpu_name()


NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (None, "1000", "0")),
        ({"GOMP_SPINCOUNT": "7"}, (None, "7", "0")),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ("ACTIVE", None, None)),
    ],
)
def test_waiting_of_threads_is_limited_unless_the_user_sets_it(
    given: dict[str, str], expected: tuple[str | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # restored after the test
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    cpu.limit_active_waiting()
    assert tuple(map(os.environ.get, NAMES)) == expected


@pytest.mark.parametrize(
    ("argument", "expected"), [("list", "1000 False"), ("sample", "None False")]
)
def test_commands_except_sample_limit_the_waiting_before_torch_is_imported(
    argument: str, expected: str
) -> None:
    code = (
        "import os, sys\nfrom charrnn.cli.app import main\n"
        f"sys.argv = ['charrnn', '{argument}', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == expected
