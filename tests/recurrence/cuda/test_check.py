import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from charrnn.config.model import ModelConfig
from charrnn.numerics import nvrtc
from charrnn.numerics.nvrtc import CudaError
from charrnn.recurrence.cuda import check, kernel_cache, launch
from charrnn.recurrence.cuda.check import Verdict, check_here, check_in_child, check_kernel
from charrnn.recurrence.cuda.wavefront import Launch, Plan
from charrnn.recurrence.dispatch import describe_engine, run_layers
from tests.recurrence.cuda.emulator import Emulator, Fields, network
from tests.recurrence.cuda.stand_in import replace_child_program, use_cpu_as_gpu

PLAN = Plan(layers=2, hidden=32, streams=16, dtype=torch.bfloat16)
CPU = torch.device("cpu")
CODE = b"\x7fELF machine code"

Inject = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    use_cpu_as_gpu(monkeypatch)
    return monkeypatch


def raising_launch(error: Exception) -> Launch:
    def launch_kernel(kernel: str, plan: Plan, fields: Fields) -> None:
        raise error

    return launch_kernel


def write_zeros(kernel: str, plan: Plan, fields: Fields) -> None:
    """Write zeros to the results of each step; do not change the inputs.

    The gradient of the last cell then is returned as the gradient of the initial cell, which
    causes the largest difference.
    """
    for field in fields:
        if isinstance(field, Tensor) and field.dim() == 4:
            field.zero_()


def failing_launch(error: Exception) -> Inject:
    return lambda patch: patch.setattr(launch, "launch_kernel", raising_launch(error))


def without_nvrtc(patch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise OSError("libnvrtc.so.13: cannot open shared object file")

    patch.setattr(nvrtc, "_nvrtc", load)


def with_a_compile_error(patch: pytest.MonkeyPatch) -> None:
    def compile_source(*arguments: object) -> bytes:
        raise CudaError(
            "nvrtcCompileProgram: NVRTC_ERROR_COMPILATION\n"
            'charrnn.cu(1): error: identifier "x" is undefined\n\n1 error detected'
        )

    patch.setattr(launch, "compile_source", compile_source)


ILLEGAL_ACCESS = "CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA"
FAILURES: dict[str, tuple[Inject, str]] = {
    "NVRTC is missing": (
        without_nvrtc,
        "NVRTC was not found (libnvrtc.so.13: cannot open shared object file)",
    ),
    "the compiler reports an error": (
        with_a_compile_error,
        "it could not be compiled (nvrtcCompileProgram: NVRTC_ERROR_COMPILATION "
        'charrnn.cu(1): error: identifier "x" is undefined)',
    ),
    "the results are wrong": (
        lambda patch: patch.setattr(launch, "launch_kernel", write_zeros),
        "its results differ from cuDNN's by 426%",
    ),
    "the launch fails": (
        failing_launch(CudaError("cuLaunchCooperativeKernel: too many blocks (720)")),
        "it could not be started (cuLaunchCooperativeKernel: too many blocks (720))",
    ),
    "torch is out of memory": (
        failing_launch(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")),
        "there is not enough GPU memory to check it",
    ),
    "the driver is out of memory": (
        failing_launch(CudaError("cuModuleLoadData: out of memory (2)")),
        "there is not enough GPU memory to check it",
    ),
    "an illegal address": (
        failing_launch(RuntimeError(ILLEGAL_ACCESS)),
        "the check ended with an illegal memory access",
    ),
    "a bug": (failing_launch(KeyError("name")), "the check failed (KeyError: 'name')"),
    "the child process is aborted": (
        lambda patch: replace_child_program(patch, "import os; os.abort()"),
        "the check ended with signal SIGABRT",
    ),
    "an illegal address in the child process": (
        lambda patch: replace_child_program(
            patch, "raise RuntimeError('CUDA error: an illegal memory access was encountered')"
        ),
        "the check ended with an illegal memory access",
    ),
    "the child process fails": (
        lambda patch: replace_child_program(patch, "import sys; sys.exit('no CUDA GPUs')"),
        "the check ended with exit code 1 (no CUDA GPUs)",
    ),
    "the child process crashes after its verdict": (
        lambda patch: replace_child_program(
            patch,
            'import os; print(\'{"is_correct": true, "reason": ""}\', flush=True); os.abort()',
        ),
        "the check ended with signal SIGABRT",
    ),
    "the child process reports a failure": (
        lambda patch: replace_child_program(
            patch,
            'print(\'torch says hello\\n{"is_correct": false, "reason": "NVRTC was not found"}\')',
        ),
        "NVRTC was not found",
    ),
    "the child process prints nothing": (
        lambda patch: replace_child_program(patch, ""),
        "the check ended with exit code 0",
    ),
    "there is no Python to start": (
        lambda patch: patch.setattr(check, "_command", lambda *_: ["/nowhere/python"]),
        "the check could not be started ([Errno 2] No such file or directory: '/nowhere/python')",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_if_the_kernel_fails_cudnn_computes_and_the_reason_is_given(
    failure: str, gpu: pytest.MonkeyPatch
) -> None:
    inject, reason = FAILURES[failure]
    inject(gpu)
    case = network(2, 32, 16, 8, dropout=True)
    with torch.autocast("cpu", torch.bfloat16):
        outputs_TBH, last_LBH = run_layers("lstm", *case)
        gpu.setenv("CHARRNN_CUDA_KERNEL", "off")
        expected_TBH, expected_LBH = run_layers("lstm", *case)
    gpu.delenv("CHARRNN_CUDA_KERNEL")
    for result, expected in zip(
        (outputs_TBH, *last_LBH), (expected_TBH, *expected_LBH), strict=True
    ):
        assert result.equal(expected)
    assert engine() == f"cuDNN (the CUDA kernel is not used: {reason})"


def engine() -> str | None:
    return describe_engine(
        ModelConfig(num_layers=2, hidden_size=32),
        7,
        steps=8,
        streams=16,
        precision="bfloat16",
        device=CPU,
    )


def test_a_correct_kernel_is_used(emulator: Emulator, gpu: pytest.MonkeyPatch) -> None:
    launched: list[str] = []

    def launch_kernel(kernel: str, plan: Plan, fields: Fields) -> None:
        launched.append(kernel)
        emulator.launch()(kernel, plan, fields)

    gpu.setattr(launch, "launch_kernel", launch_kernel)
    assert engine() == "CUDA kernel, bfloat16"
    assert launched == ["forward", "backward"]
    case = network(2, 32, 16, 8)
    with torch.autocast("cpu", torch.bfloat16):
        run_layers("lstm", *case)
    assert launched == ["forward", "backward", "forward"]


def test_a_check_does_not_change_the_default_generator(
    emulator: Emulator, gpu: pytest.MonkeyPatch
) -> None:
    gpu.setattr(launch, "launch_kernel", emulator.launch())
    before = torch.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert check_here(PLAN, CPU) == Verdict(True)
    assert torch.get_rng_state().equal(before)


def test_a_kernel_with_wrong_gradients_or_missing_blocks_fails_the_check(
    emulator: Emulator, gpu: pytest.MonkeyPatch
) -> None:
    def without_backward(kernel: str, plan: Plan, fields: Fields) -> None:
        (write_zeros if kernel == "backward" else emulator.launch())(kernel, plan, fields)

    gpu.setattr(launch, "launch_kernel", without_backward)
    assert check_here(PLAN, CPU) == (False, "its results differ from cuDNN's by 426%")
    gpu.setattr(launch, "launch_kernel", emulator.launch("-DSPINS=300", absent=1))
    assert check_here(PLAN, CPU) == (False, "its results are not finite")


def test_a_child_process_that_hangs_is_killed(gpu: pytest.MonkeyPatch) -> None:
    gpu.setattr(check, "_TIME_LIMIT", 0.5)
    replace_child_program(gpu, "import time; time.sleep(60)")
    assert check_in_child(PLAN, CPU) == (False, "the check did not end within 0.5 seconds")


def test_a_child_process_reads_no_input(gpu: pytest.MonkeyPatch) -> None:
    replace_child_program(gpu, "import sys; sys.exit(repr(sys.stdin.read()))")
    reader, writer = os.pipe()
    os.write(writer, b"typed")
    os.close(writer)
    stdin = os.dup(0)
    os.dup2(reader, 0)
    try:
        reason = check_in_child(PLAN, CPU).reason
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
        os.close(reader)
    assert reason == "the check ended with exit code 1 ('')"


def test_a_real_child_process_returns_a_verdict(tmp_path: Any) -> None:
    """It imports charrnn in any working folder, and no modules of that folder."""
    (tmp_path / "json.py").write_text("raise RuntimeError('the wrong module')")
    verdict = check_in_child(PLAN, CPU)
    assert not verdict.is_correct
    assert verdict.reason.startswith("the check failed (")  # a CPU cannot run it


def test_a_correct_plan_is_checked_in_a_child_process_once(
    emulator: Emulator, gpu: pytest.MonkeyPatch
) -> None:
    gpu.setattr(launch, "launch_kernel", emulator.launch())
    key = launch.cache_key(PLAN, CPU)
    kernel_cache.write_code(key, CODE)  # as the child process does
    assert check_kernel(PLAN, CPU) == Verdict(True)
    replace_child_program(gpu, "import os; os.abort()")
    assert check_kernel(PLAN, CPU) == Verdict(True)
    other = Plan(layers=2, hidden=32, streams=32, dtype=torch.bfloat16)
    assert not check_kernel(other, CPU).is_correct


def test_a_plan_that_fails_later_is_checked_in_a_child_process_again(
    emulator: Emulator, gpu: pytest.MonkeyPatch
) -> None:
    key = launch.cache_key(PLAN, CPU)
    kernel_cache.write_code(key, CODE)
    kernel_cache.mark_correct(key)
    gpu.setattr(launch, "launch_kernel", write_zeros)
    assert not check_kernel(PLAN, CPU).is_correct
    assert not kernel_cache.is_correct(key)


@pytest.mark.gpu
def test_on_a_gpu_the_kernel_passes_the_check_in_a_child_process() -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    plan = Plan(layers=3, hidden=512, streams=32, dtype=torch.bfloat16)
    assert check_in_child(plan, device) == Verdict(True)
    assert kernel_cache.read_code(launch.cache_key(plan, device))
    assert check_here(plan, device) == Verdict(True)
