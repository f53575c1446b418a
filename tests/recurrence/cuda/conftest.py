"""Fixtures of the tests of kernels."""

import shutil

import pytest

from tests.recurrence.cuda.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    """The kernels for NVIDIA GPUs on this processor; without a C++ compiler, tests are skipped."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler to run the kernels on a processor with: install g++")
    return Emulator(tmp_path_factory.mktemp("emulated"), compiler)
