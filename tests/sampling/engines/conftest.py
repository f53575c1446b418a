import pytest

from charrnn.sampling.engines.step_kernels import Launch
from tests.sampling.engines.step_kernels_emulator import build_launch


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """A function that launches the kernels of `step_kernels` on the CPU."""
    return build_launch(tmp_path_factory.mktemp("step_kernels"))
