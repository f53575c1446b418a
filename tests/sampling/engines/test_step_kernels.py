"""The kernels of the block engine, on the CPU, give the same results as torch and numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charrnn.errors import DeviceWarning
from charrnn.numerics import nvrtc
from charrnn.sampling.engines import step_kernels
from charrnn.sampling.engines.cuda_graph import Draw
from charrnn.sampling.engines.step_kernels import (
    Launch,
    draw,
    find_defect,
    launch_kernel,
    lstm_cell,
    torch_lstm_cell,
    usable_launch,
)
from charrnn.sampling.filters import Filters, distribution, sample_codes

CPU = torch.device("cpu")


@settings(deadline=None)
@given(
    samples=st.integers(1, 40),
    units=st.integers(1, 40),
    dtype=st.sampled_from([torch.float32, torch.float16]),
    has_rows=st.booleans(),
    has_outputs=st.booleans(),
    scale=st.sampled_from([1.0, 200.0]),
)
@example(samples=3, units=512, dtype=torch.float16, has_rows=True, has_outputs=True, scale=1.0)
def test_the_kernel_computes_the_gates_of_torch(
    launch: Launch,
    samples: int,
    units: int,
    dtype: torch.dtype,
    has_rows: bool,
    has_outputs: bool,
    scale: float,
) -> None:
    draws = torch.Generator().manual_seed(samples * units)
    sums_BG = scale * torch.randn(samples, 4 * units, generator=draws)
    table_RG = torch.randn(7, 4 * units, generator=draws)
    rows_B = torch.randint(7, (samples,), generator=draws) if has_rows else None
    cells_BH = torch.randn(samples, units, generator=draws)
    results = []
    for compute in (lambda *tensors: lstm_cell(launch, *tensors), torch_lstm_cell):
        new_cells_BH, outputs_BH = cells_BH.clone(), torch.zeros_like(cells_BH)
        hidden_BK = torch.zeros(samples, 3 * units, dtype=dtype)
        hidden_BH = hidden_BK[:, units : 2 * units]
        optional_outputs_BH = outputs_BH if has_outputs else None
        compute(sums_BG, table_RG, rows_B, new_cells_BH, hidden_BH, optional_outputs_BH)
        results.append((new_cells_BH, outputs_BH, hidden_BK))
    for result, expected in zip(*results, strict=True):
        assert result.any() or not expected.any()
        atol = 1e-6 if result.dtype == torch.float32 else 6e-4
        torch.testing.assert_close(result, expected, rtol=1e-6, atol=atol)


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    characters=st.sampled_from([1, 2, 11, 32, 33, 65, 200]),
    temperature=st.sampled_from([0.05, 0.3, 1.0, 2.0]),
    min_p=st.none() | st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
)
@example(seed=1, characters=65, temperature=1.0, min_p=1.0)
@example(seed=0, characters=65, temperature=2.0, min_p=0.0625)  # rounding leaves no larger sum
def test_the_kernel_samples_the_same_codes_as_sample_codes(
    launch: Launch, seed: int, characters: int, temperature: float, min_p: float | None
) -> None:
    draws = np.random.default_rng(seed)
    logits_BV = draws.normal(scale=3, size=(6, characters)).astype(np.float32)
    uniforms_B = np.array([0.0, np.nextafter(1.0, 0.0), *draws.random(4)])
    filters = Filters(temperature=temperature, min_p=min_p)
    codes_B = torch.full((6,), -1)
    draw(launch, filters, torch.from_numpy(logits_BV), torch.from_numpy(uniforms_B), codes_B)
    expected_B = sample_codes(distribution(logits_BV, filters), uniforms_B)
    assert codes_B[2:].tolist() == expected_B[2:].tolist()
    p_BV = distribution(logits_BV, filters)
    assert codes_B[0] == p_BV[0].nonzero()[0][0]
    assert p_BV[1, codes_B[1]] > 0


def test_a_cumulative_sum_that_equals_the_threshold_is_passed(launch: Launch) -> None:
    codes_B, uniforms_B = torch.full((4,), -1), torch.arange(4, dtype=torch.float64) / 4
    draw(launch, Filters(temperature=1.0), torch.zeros(4, 4), uniforms_B, codes_B)
    assert codes_B.tolist() == [0, 1, 2, 3]


def test_nan_logits_give_a_code_of_the_vocabulary(launch: Launch) -> None:
    codes_B = torch.full((2,), -1)
    uniforms_B = torch.tensor([0.0, 0.9], dtype=torch.float64)
    draw(launch, Filters(temperature=1.0), torch.full((2, 5), torch.nan), uniforms_B, codes_B)
    assert 0 <= codes_B.min() <= codes_B.max() < 5


def test_kernels_that_compute_something_else_are_not_used(launch: Launch) -> None:
    def skip_draw(name: str, *rest: Any) -> None:
        if name != "draw":
            launch(name, *rest)

    def skip_cell(name: str, *rest: Any) -> None:
        if name != "lstm_cell":
            launch(name, *rest)

    def refuse(*arguments: Any) -> None:
        raise nvrtc.CudaError("nvrtcCompileProgram: compilation failed\nline 1: error")

    assert find_defect(CPU, launch) is None
    assert find_defect(CPU, skip_cell) == "lstm_cell differs from the CPU's"
    assert find_defect(CPU, skip_draw) == "draw differs from the CPU's"
    assert find_defect(CPU, refuse) == "nvrtcCompileProgram: compilation failed"


def test_a_warning_if_a_gpu_cannot_use_the_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step_kernels, "find_defect", lambda device: "no NVRTC")
    with pytest.warns(DeviceWarning, match=r"cannot use charrnn's kernels for sampling \(no NVRTC"):
        assert usable_launch(torch.device("cuda", 0)) is None
    monkeypatch.setattr(step_kernels, "find_defect", lambda device: None)
    assert usable_launch(torch.device("cuda", 0)) is step_kernels.launch_kernel
    assert usable_launch(CPU) is None


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
def test_nvrtc_compiles_the_kernels(architecture: str) -> None:
    try:
        nvrtc._nvrtc()
    except OSError as error:
        pytest.skip(f"NVRTC is not installed: {error}")
    code = nvrtc.compile_source(step_kernels.source(), {}, architecture)
    assert code.startswith(b"\x7fELF")
    assert all(name.encode() in code for name in step_kernels.NAMES)


@pytest.mark.gpu
def test_a_gpu_computes_what_torch_computes() -> None:
    device, samples, units = torch.device("cuda", 0), 4096, 512
    assert find_defect(device) is None
    sums_BG = torch.randn(samples, 4 * units, device=device)
    table_RG = torch.randn(65, 4 * units, device=device)
    rows_B = torch.randint(65, (samples,), device=device)
    cells_BH, hidden_BH, outputs_BH = torch.randn(3, samples, units, device=device)
    by_kernel, by_torch = (
        [cells_BH.clone(), hidden_BH.half(), outputs_BH.clone()] for _ in range(2)
    )
    lstm_cell(launch_kernel, sums_BG, table_RG, rows_B, *by_kernel)
    torch_lstm_cell(sums_BG, table_RG, rows_B, *by_torch)
    for result, expected in zip(by_kernel, by_torch, strict=True):
        torch.testing.assert_close(result, expected, rtol=1e-3, atol=1e-5)

    filters = Filters(temperature=0.8, min_p=0.05)
    logits_BV = 3 * torch.randn(samples, 65, device=device)
    uniforms_B = torch.rand(samples, dtype=torch.float64, device=device)
    kernel_codes_B, torch_codes_B = torch.zeros(2, samples, dtype=torch.int64, device=device)
    draw(launch_kernel, filters, logits_BV, uniforms_B, kernel_codes_B)
    Draw(filters, device)(logits_BV, uniforms_B, torch_codes_B)
    assert kernel_codes_B.tolist() == torch_codes_B.tolist()
