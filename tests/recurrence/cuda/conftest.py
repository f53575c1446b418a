"""Fixtures for the tests of the CUDA kernels."""

import shutil

import pytest

from tests.recurrence.cuda.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    """The CUDA kernels on a CPU; without a C++ compiler, the test is skipped."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler to run the kernels on a CPU: install g++")
    return Emulator(tmp_path_factory.mktemp("emulated"), compiler)
