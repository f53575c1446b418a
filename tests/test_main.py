import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["typer", "rich", "charrnn.console"])
def test_ctrl_c_during_the_imports_ends_the_program_without_a_traceback(module: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name("interrupted_load.py")), module]
    process = subprocess.run(command, capture_output=True, check=False)
    assert process.returncode in (-signal.SIGINT, 130)
    assert process.stderr.strip() == b""
