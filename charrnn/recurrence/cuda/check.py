"""Check that the kernels give the same results on a GPU as cuDNN.

The first check of a plan runs in a child process, because a process whose kernel accesses an
illegal address can no longer use its GPU:

    python -m charrnn.recurrence.cuda.check PLAN DEVICE

The child process prints a `Verdict` as one line of JSON. A positive verdict is recorded in the
user's cache. Then each process that uses the kernels checks them itself, which takes milliseconds.

Shape suffixes: T steps, B streams, H units, L layers, M layers except the last.
"""

import contextlib
import json
import math
import signal
import subprocess
import sys
from typing import NamedTuple

import torch
from torch import Tensor

from charrnn.numerics.child import child_environment, python_command
from charrnn.numerics.nvrtc import CudaError
from charrnn.recurrence import native
from charrnn.recurrence.cuda import kernel_cache, launch, wavefront
from charrnn.recurrence.cuda.wavefront import Plan
from charrnn.recurrence.layer import LayerState, LayerWeights

_STEPS, _CHARACTERS = 6, 11  # sizes of the network that is checked
_TOLERANCE = 0.03  # relative to the norm; rounding to bfloat16 causes less than 0.01
_TIME_LIMIT = 120.0  # seconds, for the child process
_ILLEGAL_ACCESS = "illegal memory access"


class Verdict(NamedTuple):
    """Whether the kernels of a plan can be used, and if not, the reason: a clause for users."""

    is_correct: bool
    reason: str = ""


def check_kernel(plan: Plan, device: torch.device) -> Verdict:
    """Check the kernels of a plan: in a child process unless that was done before, then here."""
    key = launch.cache_key(plan, device)
    if not kernel_cache.is_correct(key):
        verdict = check_in_child(plan, device)
        if not verdict.is_correct:
            return verdict
        kernel_cache.mark_correct(key)
    verdict = check_here(plan, device)
    if not verdict.is_correct:
        kernel_cache.forget(key)
    return verdict


def check_here(plan: Plan, device: torch.device) -> Verdict:
    """Check the kernels in this process."""
    try:
        largest = float(relative_differences(plan, device).max())  # NaN if any difference is NaN
    except Exception as error:
        return Verdict(False, _describe(error))
    if not math.isfinite(largest):
        return Verdict(False, "its results are not finite")
    if largest >= _TOLERANCE:
        return Verdict(False, f"its results differ from cuDNN's by {largest:.0%}")
    return Verdict(True)


def check_in_child(plan: Plan, device: torch.device) -> Verdict:
    """Check the kernels in a child process, which may crash."""
    try:
        child = subprocess.run(
            _command(plan, device),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends this process, not the check
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIME_LIMIT,
            env=child_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Verdict(False, f"the check did not end within {_TIME_LIMIT:g} seconds")
    except (OSError, ValueError) as error:
        return Verdict(False, f"the check could not be started ({error})")
    verdict = _parse_verdict(child.stdout)
    if child.returncode == 0 and verdict:
        return verdict
    return Verdict(False, _describe_end(child.returncode, child.stderr))


def relative_differences(plan: Plan, device: torch.device) -> Tensor:
    """Return the differences between the kernels and cuDNN on a random network.

    These are the norms of the differences of the outputs, the last states and all gradients,
    divided by the norms of cuDNN's results. Errors of the kernels are not caught.
    """
    autocast = torch.autocast(device.type, enabled=False)
    with torch.inference_mode(False), torch.enable_grad(), autocast:
        pairs = zip(*_run_both_engines(plan, device), strict=True)
        return torch.stack(
            [(result.float() - expected).norm() / expected.norm() for result, expected in pairs]
        ).detach()


def _run_both_engines(plan: Plan, device: torch.device) -> tuple[list[Tensor], list[Tensor]]:
    """Return outputs, last state and all gradients of a random network: of the kernel, of cuDNN.

    The random numbers come from a separate generator; torch's default generator does not change.
    """
    draws = torch.Generator().manual_seed(0)

    def random(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=draws) * scale).to(device).requires_grad_()

    rows, units, width = 4 * plan.hidden, plan.hidden, _CHARACTERS
    layers = [
        LayerWeights(
            random(rows, units if layer else width, scale=units**-0.5 if layer else 1.0),
            random(rows, units, scale=units**-0.5),
            random(rows, scale=0.1),
            random(rows, scale=0.1),
        )
        for layer in range(plan.layers)
    ]
    x_TB = torch.randint(width, (_STEPS, plan.streams), generator=draws).to(device)
    shape = plan.layers, plan.streams, units
    parts_LBH = random(*shape), random(*shape)
    keep = torch.rand(plan.layers - 1, *shape[1:], generator=draws) < 0.75
    between_MBH = (keep / 0.75).to(device)
    factors = [random(_STEPS, *shape[1:]), random(*shape), random(*shape)]
    leaves = [*parts_LBH, *(weight for layer in layers for weight in layer)]

    def add_gradients(outputs_TBH: Tensor, last_LBH: LayerState) -> list[Tensor]:
        results = [outputs_TBH, *last_LBH]
        pairs = zip(results, factors, strict=True)
        loss = torch.stack([(result * factor.detach()).sum() for result, factor in pairs]).sum()
        return [*results, *torch.autograd.grad(loss, leaves)]

    by_kernel = add_gradients(
        *wavefront.run_layers(
            launch.launch_kernel, plan.dtype, x_TB, parts_LBH, layers, between_MBH
        )
    )
    return by_kernel, add_gradients(*_run_layer_by_layer(x_TB, parts_LBH, layers, between_MBH))


def _run_layer_by_layer(
    x_TB: Tensor, parts_LBH: LayerState, layers: list[LayerWeights], between_MBH: Tensor
) -> tuple[Tensor, LayerState]:
    inputs, states = x_TB, []
    for layer, weights in enumerate(layers):
        state = parts_LBH[0][layer], parts_LBH[1][layer]
        inputs, last = native.run_layer("lstm", inputs, state, weights)
        states.append(last)
        if layer < len(layers) - 1:
            inputs = inputs * between_MBH[layer]
    return inputs, tuple(torch.stack(part) for part in zip(*states, strict=True))


def _command(plan: Plan, device: torch.device) -> list[str]:
    fields = json.dumps(launch.plan_fields(plan))
    return python_command("-m", "charrnn.recurrence.cuda.check", fields, str(device))


def _parse_verdict(stdout: str) -> Verdict | None:
    with contextlib.suppress(ValueError, LookupError, TypeError):
        fields = json.loads(stdout.splitlines()[-1])
        return Verdict(fields["is_correct"] is True, str(fields["reason"]))
    return None


def _describe(error: Exception) -> str:
    """Return why a check failed, as a clause for users that names the error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    if isinstance(error, torch.OutOfMemoryError) or "out of memory" in lines[0]:
        return "there is not enough GPU memory to check it"
    if _ILLEGAL_ACCESS in lines[0]:
        return "the check ended with an illegal memory access"
    if not isinstance(error, CudaError):
        return f"the check failed ({type(error).__name__}: {lines[0]})"
    if lines[0].startswith("nvrtc"):
        return f"it could not be compiled ({' '.join(lines[:2])})"
    if lines[0].startswith("cu"):
        return f"it could not be started ({lines[0]})"
    return lines[0]


def _describe_end(exit_code: int, stderr: str) -> str:
    """Return how a child process ended without a verdict, as a clause for users."""
    if _ILLEGAL_ACCESS in stderr:
        return "the check ended with an illegal memory access"
    if exit_code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"the check ended with signal {names.get(-exit_code, -exit_code)}"
    last = stderr.strip().rpartition("\n")[2]
    return f"the check ended with exit code {exit_code}" + (f" ({last})" if last else "")


def main() -> None:
    """Check the plan and the device of the command line; print the verdict."""
    plan, device = sys.argv[1:]
    verdict = check_here(launch.plan_from_fields(json.loads(plan)), torch.device(device))
    print(json.dumps(verdict._asdict()))


if __name__ == "__main__":
    main()
