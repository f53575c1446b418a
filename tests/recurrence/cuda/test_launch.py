import dataclasses
from typing import Any

import pytest
import torch

from charrnn.files import cache_folder
from charrnn.recurrence.cuda import launch
from charrnn.recurrence.cuda.wavefront import Plan
from tests.recurrence.cuda.stand_in import use_cpu_as_gpu

PLAN = Plan(layers=2, hidden=32, streams=16, dtype=torch.bfloat16)
CPU = torch.device("cpu")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the compiler; return the architectures for which it is called."""
    use_cpu_as_gpu(monkeypatch)
    calls: list[str] = []

    def compile_source(source: str, definitions: object, architecture: str) -> bytes:
        calls.append(architecture)
        return b"machine code"

    monkeypatch.setattr(launch, "compile_source", compile_source)
    return calls


def test_a_plan_is_compiled_once_for_all_processes(compiled: list[str]) -> None:
    assert launch._machine_code(PLAN, CPU) == b"machine code"
    assert launch._machine_code(PLAN, CPU) == b"machine code"
    assert compiled == ["sm_90"]


def test_damaged_machine_code_is_compiled_again(compiled: list[str]) -> None:
    launch._machine_code(PLAN, CPU)
    (path,) = (cache_folder() / "kernels").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert launch._machine_code(PLAN, CPU) == b"machine code"
    launch._machine_code(PLAN, CPU)
    assert compiled == ["sm_90"] * 2


def test_without_a_writable_cache_each_process_compiles(compiled: list[str]) -> None:
    cache_folder().parent.mkdir(parents=True, exist_ok=True)
    cache_folder().write_text("a file where the folder should be")
    for _ in range(2):
        assert launch._machine_code(PLAN, CPU) == b"machine code"
    assert compiled == ["sm_90"] * 2


def test_the_key_depends_on_everything_that_affects_correctness(
    monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"streams": 32},
        {"layers": 3},
        {"hidden": 64},
        {"dtype": torch.float16},
    ]
    plans = [dataclasses.replace(PLAN, **change) for change in changes]
    keys = [launch.cache_key(plan, CPU) for plan in plans]
    assert launch.cache_key(PLAN, CPU) == keys[0]
    for module, name, value in (
        (launch, "source", lambda: "other"),
        (torch.cuda, "get_device_name", lambda device: "NVIDIA A100"),
        (torch.cuda, "get_device_capability", lambda device: (8, 0)),
        (launch, "_driver_version", lambda: "580.1"),
        (torch, "__version__", "2.9.0"),
        (torch.version, "cuda", "12.8"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            keys.append(launch.cache_key(PLAN, CPU))
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_plan_can_be_passed_to_the_child_process(dtype: torch.dtype) -> None:
    plan = dataclasses.replace(PLAN, dtype=dtype)
    assert launch.plan_from_fields(launch.plan_fields(plan)) == plan
