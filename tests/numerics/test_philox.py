"""The kernel of random bytes, on the CPU, draws the same bytes as numpy."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.numerics import nvrtc, philox
from charrnn.numerics.philox import Launch, RandomBytes, find_defect
from charrnn.numerics.randomness import Purpose, mask_bytes, mask_key
from tests.numerics.philox_emulator import build_launch

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    return build_launch(tmp_path_factory.mktemp("philox"))


@dataclasses.dataclass(frozen=True)
class Key:
    seed: int
    purpose: Purpose
    step: int

    def values(self) -> tuple[int, Purpose, int]:
        return self.seed, self.purpose, self.step


KEYS = st.builds(Key, st.integers(0, 2**70), st.sampled_from(Purpose), st.integers(0, 2**40))


def pack_keys(keys: list[Key]) -> torch.Tensor:
    keys_M2 = np.array([mask_key(*key.values()) for key in keys], np.uint64).reshape(-1, 2)
    return torch.from_numpy(keys_M2.view(np.int64))


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, st.integers(0, 20_000)), max_size=6))
def test_the_kernel_draws_the_bytes_of_numpy(launch: Launch, arrays: list[tuple[Key, int]]) -> None:
    drawn = RandomBytes({str(n): (size,) for n, (_, size) in enumerate(arrays)}, CPU, launch)
    drawn.draw(pack_keys([key for key, _ in arrays]))
    for array, (key, size) in zip(drawn.arrays.values(), arrays, strict=True):
        assert np.array_equal(array.numpy(), mask_bytes(*key.values(), (size,)))


def test_arrays_have_their_shapes_and_new_keys_draw_new_bytes(launch: Launch) -> None:
    shapes = {"first": (3, 7), "empty": (0, 4), "last": (2, 5, 11)}
    drawn = RandomBytes(shapes, CPU, launch)
    for step in range(3):
        keys = [Key(1, purpose, step) for purpose in (Purpose.DROPOUT, *[Purpose.STATE_DROP] * 2)]
        drawn.draw(pack_keys(keys))
        for (name, shape), key in zip(shapes.items(), keys, strict=True):
            expected = mask_bytes(*key.values(), shape)
            assert np.array_equal(drawn.arrays[name].numpy(), expected)


def test_a_kernel_that_draws_other_bytes_has_a_defect(launch: Launch) -> None:
    def skip(device: torch.device, blocks: int, fields: Any) -> None:
        launch(device, blocks, [*fields[:-1], fields[-1] - 1])  # without the last 32 bytes

    def refuse(device: torch.device, blocks: int, fields: Any) -> None:
        raise nvrtc.CudaError("nvrtcCompileProgram: compilation failed\nline 1: error")

    assert find_defect(CPU, launch) is None
    assert find_defect(CPU, skip) == "its bytes differ from those of the CPU"
    assert find_defect(CPU, refuse) == "nvrtcCompileProgram: compilation failed"


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_nvrtc_compiles_the_kernel(architecture: str) -> None:
    try:
        nvrtc._nvrtc()
    except OSError as error:
        pytest.skip(f"NVRTC is not installed: {error}")
    code = nvrtc.compile_source(philox.source(), {}, architecture)
    assert code.startswith(b"\x7fELF")
    assert philox.KERNEL.encode() in code


@pytest.mark.gpu
def test_a_gpu_draws_the_bytes_of_numpy() -> None:
    device, key = torch.device("cuda", 0), Key(1, Purpose.WEIGHT_DROP, 9)
    assert find_defect(device) is None
    drawn = RandomBytes({"large": (3, 2048, 512)}, device, philox.launch_kernel)
    drawn.draw(pack_keys([key]).to(device))
    expected = mask_bytes(*key.values(), (3, 2048, 512))
    assert np.array_equal(drawn.arrays["large"].cpu().numpy(), expected)
