"""Stages 1 and 2: compare the kernel with cuDNN, and with itself on the same input.

    python -m gpu_check.kernel check bfloat16
    python -m gpu_check.kernel repeat [--times 50]
    python -m gpu_check.kernel run bfloat16 --times 2 --tiny

Shape suffixes: T steps, B streams, V characters, H units, L layers, M layers except the last, G
gate rows.
"""

import argparse
import contextlib
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from charrnn.recurrence.cuda import check as kernel_check
from charrnn.recurrence.cuda import launch, persistent, wavefront
from charrnn.recurrence.layer import LayerWeights
from gpu_check.bars import DTYPES, REPEATS
from gpu_check.results import print_result
from gpu_check.stand_ins import prepare_device, use_emulated_kernel

_BATCHES = (16, 32, 50, 64, 128, 300)
_CHARACTERS = 65
_REHEARSED_TIMES = 3


@dataclass(frozen=True)
class Sizes:
    """The network that the kernel runs."""

    layers: int
    hidden: int
    batches: tuple[int, ...]
    streams: int
    steps: int


_DEFAULT = Sizes(layers=3, hidden=512, batches=_BATCHES, streams=128, steps=64)
_TINY = Sizes(layers=2, hidden=32, batches=(16,), streams=16, steps=8)


def check(sizes: Sizes, dtype_name: str, device: torch.device) -> bool:
    """Compare the kernel with cuDNN for every batch size; return whether all could be compared."""
    largest: list[float] = []
    for streams in sizes.batches:
        start, name = time.perf_counter(), f"kernel-{dtype_name}-{streams}"
        try:
            plan = _plan(sizes, streams, dtype_name)
            if device.type == "cuda":
                properties = torch.cuda.get_device_properties(device)
                if reason := persistent.misfit_reason(plan, properties):
                    raise RuntimeError(f"{plan}: {reason}")
            differences = kernel_check.relative_differences(plan, device)
        except Exception:
            traceback.print_exc()
            print(f"{name} failed", flush=True)
            continue
        values = [f"{difference:.4f}" for difference in differences.tolist()]
        print(f"{name}: {' '.join(values)} in {time.perf_counter() - start:.1f} s")
        largest.append(float(differences.max()))
        print_result(name, largest[-1], "of norm")
    if len(largest) < len(sizes.batches):
        return False
    print_result(
        f"kernel-{dtype_name}-largest-difference", float(torch.tensor(largest).max()), "of norm"
    )
    return True


def _plan(sizes: Sizes, streams: int, dtype_name: str) -> wavefront.Plan:
    dtype: torch.dtype = getattr(torch, dtype_name)
    return wavefront.Plan(layers=sizes.layers, hidden=sizes.hidden, streams=streams, dtype=dtype)


def repeat(sizes: Sizes, dtype_name: str, device: torch.device, times: int) -> int:
    """Run the kernel on the same input; return how many runs gave the same bits as the first."""
    dtype: torch.dtype = getattr(torch, dtype_name)
    draws = torch.Generator().manual_seed(1)

    def random(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=draws) * scale).to(device).requires_grad_()

    units, rows = sizes.hidden, 4 * sizes.hidden
    layers = [
        LayerWeights(
            random(rows, units if layer else _CHARACTERS, scale=units**-0.5 if layer else 1.0),
            random(rows, units, scale=units**-0.5),
            random(rows, scale=0.1),
            random(rows, scale=0.1),
        )
        for layer in range(sizes.layers)
    ]
    x_TB = torch.randint(_CHARACTERS, (sizes.steps, sizes.streams), generator=draws).to(device)
    state_LBH = tuple(random(sizes.layers, sizes.streams, units) for _ in range(2))
    keep_MBH = torch.rand(sizes.layers - 1, sizes.streams, units, generator=draws) < 0.75
    between_MBH = (keep_MBH / 0.75).to(device)
    leaves = [*state_LBH, *(weight for layer in layers for weight in layer)]

    def run() -> list[Tensor]:
        outputs_TBH, last_LBH = wavefront.run_layers(
            launch.launch_kernel, dtype, x_TB, state_LBH, layers, between_MBH
        )
        results = [outputs_TBH, *last_LBH]
        loss = torch.stack([result.float().square().sum() for result in results]).sum()
        return [*(result.detach() for result in results), *torch.autograd.grad(loss, leaves)]

    first = [result.clone() for result in run()]
    if not all(result.isfinite().all() for result in first):
        raise RuntimeError("the results are not finite")
    return 1 + sum(_has_same_bits(run(), first) for _ in range(times - 1))


def _has_same_bits(results: list[Tensor], expected: list[Tensor]) -> bool:
    pairs = zip(results, expected, strict=True)
    return all(
        a.contiguous().view(torch.uint8).equal(b.contiguous().view(torch.uint8)) for a, b in pairs
    )


@contextlib.contextmanager
def launch_kernels(rehearse: bool) -> Iterator[None]:
    """Launch the kernels of this block on the GPU; in a rehearsal, on an emulation."""
    if not rehearse:
        yield
        return
    with use_emulated_kernel(launch):
        yield


def main() -> None:
    """Run one of the two stages; `run` only runs the kernels, for a profiler or a sanitizer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("check", "repeat", "run"))
    parser.add_argument("dtypes", nargs="*", default=list(DTYPES))
    parser.add_argument("--times", type=int, default=REPEATS)
    parser.add_argument("--tiny", action="store_true", help="2 layers of 32 units")
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    device, is_complete = prepare_device(options.rehearse), True
    sizes = _TINY if options.tiny or options.rehearse else _DEFAULT
    times = min(options.times, _REHEARSED_TIMES) if options.rehearse else options.times
    with launch_kernels(options.rehearse):
        for dtype_name in options.dtypes:
            if options.what == "check":
                is_complete &= check(sizes, dtype_name, device)
                continue
            identical = repeat(sizes, dtype_name, device, times)
            print(f"{dtype_name}: {identical} of {times} runs gave the same bits as the first one")
            if options.what == "repeat":
                print_result(f"kernel-{dtype_name}-identical-repeats", identical, f"of {times}")
    sys.exit(not is_complete)


if __name__ == "__main__":
    main()
