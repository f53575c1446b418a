import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["typer", "rich", "charrnn.console"])
def test_ctrl_c_while_the_program_is_loaded_ends_it_without_a_traceback(module: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name("interrupted_load.py")), module]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (-signal.SIGINT, 130)
    assert done.stderr.strip() == b""
