"""Two CUDA kernels for one character of each sample: the gates of an LSTM layer, and the sampling.

Each of them replaces several kernels of torch, which would store intermediate results in memory.

Shape suffixes: B samples, V characters of the vocabulary, H units, G gate rows (4H: i, f, g, o),
R rows of a table.
"""

import functools
import struct
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from charrnn.errors import DeviceWarning
from charrnn.numerics.nvrtc import Kernels, compile_source, find_architecture
from charrnn.sampling.filters import Filters, distribution, sample_codes

Launch = Callable[[str, torch.device, int, int, Sequence[int]], None]
"""Launches a kernel on a device: blocks, threads of a block, fields of its arguments."""

NAMES = ("lstm_cell", "draw")
CELL_THREADS = 256  # of a block; as in lstm_cell.cu
DRAW_THREADS = 32  # one warp for each sample
_SOURCES = ("float16.cu", "lstm_cell.cu", "draw.cu")
_TOLERANCES = {torch.float32: 1e-5, torch.float16: 1e-3}  # absolute, for values of about 1


def lstm_cell(
    launch: Launch,
    sums_BG: Tensor,
    table_RG: Tensor,
    rows_B: Tensor | None,
    cells_BH: Tensor,
    hidden_BH: Tensor,
    outputs_BH: Tensor | None,
) -> None:
    """Start to compute the gates of a layer from the sums of its products.

    A row of the table is added to the sums of each sample, the first row if `rows_B` is None. The
    new cells replace the old ones. The new hidden units are written to `hidden_BH`, which may be
    columns of a larger tensor, in float32 or float16, and to `outputs_BH` in float32.
    """
    samples, units = cells_BH.shape
    fields = [
        _address(sums_BG, torch.float32),
        _address(table_RG, torch.float32),
        0 if rows_B is None else _address(rows_B, torch.int64),
        _address(cells_BH, torch.float32),
        hidden_BH.data_ptr(),
        hidden_BH.stride(0),
        hidden_BH.dtype == torch.float16,
        0 if outputs_BH is None else _address(outputs_BH, torch.float32),
        samples,
        units,
    ]
    threads = samples * units // (1 if units % 4 else 4)
    blocks = -(-threads // CELL_THREADS)
    launch("lstm_cell", cells_BH.device, blocks, CELL_THREADS, fields)


def torch_lstm_cell(
    sums_BG: Tensor,
    table_RG: Tensor,
    rows_B: Tensor | None,
    cells_BH: Tensor,
    hidden_BH: Tensor,
    outputs_BH: Tensor | None,
) -> None:
    """Compute the same as `lstm_cell` with torch, on any device."""
    if rows_B is None:
        terms_BG = table_RG[:1].expand_as(sums_BG)
    else:
        terms_BG = table_RG.index_select(0, rows_B)
    if cells_BH.is_cuda:
        new_BH, new_cells_BH, _ = torch.ops.aten._thnn_fused_lstm_cell(terms_BG, sums_BG, cells_BH)
    else:
        i_BH, f_BH, g_BH, o_BH = (terms_BG + sums_BG).chunk(4, dim=1)
        new_cells_BH = f_BH.sigmoid() * cells_BH + i_BH.sigmoid() * g_BH.tanh()
        new_BH = o_BH.sigmoid() * new_cells_BH.tanh()
    cells_BH.copy_(new_cells_BH)
    hidden_BH.copy_(new_BH)
    if outputs_BH is not None:
        outputs_BH.copy_(new_BH)


def draw(
    launch: Launch, filters: Filters, logits_BV: Tensor, uniforms_B: Tensor, codes_B: Tensor
) -> None:
    """Start to write the code of each sample to `codes_B`.

    The temperature is above 0, and there is no filter but min-p.
    """
    samples, characters = logits_BV.shape
    fields = [
        _address(logits_BV, torch.float32),
        _address(uniforms_B, torch.float64),
        _address(codes_B, torch.int64),
        characters,
        _float64_bits(filters.temperature),
        _float64_bits(filters.min_p or 0.0),
    ]
    launch("draw", logits_BV.device, samples, DRAW_THREADS, fields)


def launch_kernel(
    name: str, device: torch.device, blocks: int, threads: int, fields: Sequence[int]
) -> None:
    """Launch a kernel on the current stream; see `Launch`. Raises `CudaError`."""
    with torch.cuda.device(device):
        stream = torch.cuda.current_stream().cuda_stream
        _kernels(device).launch_independent(name, blocks, threads, stream, fields)


def usable_launch(device: torch.device) -> Launch | None:
    """Return the function that launches the kernels on a device; None if it is not a GPU.

    If the kernels do not work on a GPU, warn and return None.
    """
    if device.type != "cuda":
        return None
    defect = find_defect(device)
    if defect is None:
        return launch_kernel
    warnings.warn(
        f"the GPU cannot use charrnn's kernels for sampling ({defect}), so those of torch are "
        "used, which is slower",
        DeviceWarning,
        stacklevel=2,
    )
    return None


@functools.cache
def find_defect(device: torch.device, launch: Launch = launch_kernel) -> str | None:
    """Return why the kernels cannot be used on a device; None if their results equal torch's.

    The first call compiles the kernels and waits for a small result of each.
    """
    try:
        defects = [
            f"{name} differs from the CPU's"
            for name, is_correct in (("lstm_cell", _cell_is_correct), ("draw", _draw_is_correct))
            if not is_correct(device, launch)
        ]
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, OSError, RuntimeError) as error:
        return str(error).partition("\n")[0]
    return defects[0] if defects else None


def _cell_is_correct(device: torch.device, launch: Launch) -> bool:
    draws = torch.Generator().manual_seed(0)
    samples = 5

    def is_correct(units: int, dtype: torch.dtype, rows_B: Tensor | None) -> bool:
        inputs = [
            3 * torch.randn(samples, 4 * units, generator=draws),
            torch.randn(3, 4 * units, generator=draws),
            rows_B,
        ]
        cells_BH = torch.randn(samples, units, generator=draws)

        def run(target: torch.device, compute: Callable[..., None]) -> list[Tensor]:
            arguments = [None if tensor is None else tensor.to(target) for tensor in inputs]
            new_cells_BH = cells_BH.to(target, copy=True)
            outputs_BH = torch.zeros_like(new_cells_BH)
            hidden_BK = torch.zeros(samples, 3 * units, dtype=dtype, device=target)
            compute(*arguments, new_cells_BH, hidden_BK[:, units : 2 * units], outputs_BH)
            return [new_cells_BH.cpu(), outputs_BH.cpu(), hidden_BK.cpu()]

        by_kernel = run(device, functools.partial(lstm_cell, launch))
        by_torch = run(torch.device("cpu"), torch_lstm_cell)
        return all(
            torch.allclose(result, expected, rtol=0, atol=_TOLERANCES[result.dtype])
            for result, expected in zip(by_kernel, by_torch, strict=True)
        )

    return all(
        is_correct(units, dtype, rows_B)
        for units in (6, 8)
        for dtype in _TOLERANCES
        for rows_B in (None, torch.tensor([2, 0, 1, 2, 2]))
    )


def _draw_is_correct(device: torch.device, launch: Launch) -> bool:
    draws = np.random.default_rng(0)
    logits_BV = draws.normal(scale=2, size=(64, 70)).astype(np.float32)
    uniforms_B = draws.random(64)
    codes_B = torch.full((64,), -1, device=device)
    for filters in (Filters(temperature=0.8), Filters(temperature=1.2, min_p=0.05)):
        arguments = torch.from_numpy(logits_BV).to(device), torch.from_numpy(uniforms_B).to(device)
        draw(launch, filters, *arguments, codes_B)
        expected_B = sample_codes(distribution(logits_BV, filters), uniforms_B)
        if codes_B.tolist() != expected_B.tolist():
            return False
    return True


def _address(tensor: Tensor, dtype: torch.dtype) -> int:
    """Return the address of a tensor, which must be contiguous and of this dtype."""
    assert tensor.dtype == dtype
    assert tensor.is_contiguous()
    return tensor.data_ptr()


def _float64_bits(number: float) -> int:
    """Return the 64 bits of a float64, as a signed integer."""
    (bits,) = struct.unpack("q", struct.pack("d", number))
    return int(bits)


def source() -> str:
    """Return the source of the kernels."""
    return "\n".join(Path(__file__).with_name(name).read_text("utf-8") for name in _SOURCES)


@functools.cache
def _kernels(device: torch.device) -> Kernels:
    code = compile_source(source(), {}, find_architecture(device))
    with torch.cuda.device(device):
        return Kernels(code, NAMES, 0)
