"""A reproducible run has the same results whatever the type of the CPU.

Other types are simulated: by settings that limit the instructions of a library, and by QEMU.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import torch

from charrnn.config.training import Budget, TrainConfig
from charrnn.errors import ConfigError, DeviceError
from charrnn.runs.run import Run
from charrnn.training.distributed.group import Group
from charrnn.training.distributed.ranks import Ranks
from charrnn.training.loop import train
from charrnn.training.setup.reproducible import check_one_process, check_resume
from tests.cli.process import SMALL, start_program
from tests.conftest import UNREGULARIZED, VERSE

Results = dict[str, dict[str, str]]

RECORDED = Path(__file__).parents[1] / "data/reproducible.json"
OTHER_CPU = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
    "NUMBA_CPU_NAME": "nehalem",
    "NUMBA_CPU_FEATURES": "+sse4.2",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OMP_NUM_THREADS": "2",
}
"""Settings that make the libraries choose other instructions and another number of threads."""
EMULATED = {"NPY_DISABLE_CPU_FEATURES": "X86_V3"}
"""QEMU 7.2 computes the AVX2 functions of numpy wrongly: a 5-gram loss of 0.19, not 0.07."""
requires_mkl = pytest.mark.skipif(
    not torch.backends.mkl.is_available(),  # type: ignore[no-untyped-call]
    reason="torch has no MKL: the CPU is not x86-64",
)


def run_program(
    *arguments: str,
    variables: Mapping[str, str] = MappingProxyType({}),
    emulator: tuple[str, ...] = (),
) -> Results:
    """Return what `tests.training.reproducible_run` prints."""
    command = [*emulator, sys.executable, "-m", "tests.training.reproducible_run", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    results: Results = json.loads(output)
    return results


@pytest.fixture(scope="module")
def results() -> Results:
    return run_program()


@requires_mkl
def test_a_reproducible_run_is_the_same_with_the_instructions_of_another_cpu(
    results: Results,
) -> None:
    assert run_program(variables=OTHER_CPU) == results


@requires_mkl
@pytest.mark.slow
def test_a_default_run_depends_a_little_on_the_instructions() -> None:
    default, other = run_program("default"), run_program("default", variables=OTHER_CPU)
    for cell in ("lstm", "gru"):
        assert default[cell]["weights, moments, state"] != other[cell]["weights, moments, state"]
        losses = [float(results[cell]["held-out loss"]) for results in (default, other)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-6)
        assert default[cell]["5-gram loss"] == other[cell]["5-gram loss"]


@requires_mkl
def test_a_reproducible_run_is_the_same_as_on_the_machine_of_the_record(results: Results) -> None:
    """If it fails with a version of torch that has a record, this CPU gives other results.

    After an intended change of the training, write the output of `reproducible_run` there.
    """
    recorded = json.loads(RECORDED.read_text("utf-8"))
    if torch.__version__ not in recorded:
        pytest.skip(f"{RECORDED.name} has no results of torch {torch.__version__}")
    assert results == recorded[torch.__version__]


@requires_mkl
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="QEMU is not installed")
@pytest.mark.parametrize("cpu", ["Nehalem", "Haswell", "EPYC", "max"])
def test_a_reproducible_run_is_the_same_on_an_emulated_cpu(results: Results, cpu: str) -> None:
    emulator = ("qemu-x86_64", "-cpu", cpu)
    assert run_program(variables=EMULATED, emulator=emulator) == results


def test_a_reproducible_run_needs_settings_from_before_the_import_of_torch() -> None:
    with pytest.raises(DeviceError, match=r"call charrnn\.use_reproducible_kernels first"):
        next(train(config=TrainConfig(reproducible=True)))


@pytest.mark.parametrize(
    ("device", "threads", "budget"),
    [("cuda", None, None), (None, 2, None), (None, None, Budget(max_time=60))],
)
def test_a_resume_keeps_the_settings_of_a_reproducible_run(
    device: str | None, threads: int | None, budget: Budget | None
) -> None:
    check_resume(UNREGULARIZED, device, threads, budget)
    training = dataclasses.replace(UNREGULARIZED, reproducible=True)
    with pytest.raises(ConfigError, match="a reproducible run"):
        check_resume(training, device, threads, budget)
    with pytest.raises(DeviceError):  # only these settings are refused
        check_resume(training, "auto", 1, Budget(max_steps=3))


@requires_mkl
def test_the_command_sets_what_a_reproducible_run_and_its_resume_need(tmp_path: Path) -> None:
    text, folder = tmp_path / "verse.txt", tmp_path / "run"
    text.write_text(VERSE * 4, "utf-8")
    for arguments in (
        ("train", text, *SMALL, "--max-steps", 2, "--reproducible", "-o", folder),
        ("resume", folder, "--max-steps", 4),
    ):
        process = start_program(*arguments)
        assert process.communicate()[0] == f"{folder}\n"
    run = Run.open(folder)
    assert [checkpoint.step for checkpoint in run.checkpoints()][-1] == 4
    training = run.config.training
    assert training.reproducible
    assert (training.device, training.precision, training.threads) == ("cpu", "float32", 1)


def test_a_reproducible_run_needs_one_process() -> None:
    group = Group(Ranks(rank=1, size=2))
    check_one_process(TrainConfig(), group)
    with pytest.raises(ConfigError, match="start it without torchrun"):
        check_one_process(TrainConfig(reproducible=True), group)
