import signal
import subprocess
import sys
from pathlib import Path


def test_a_second_signal_during_the_handler_of_the_first_does_not_hang(text_file: Path) -> None:
    process = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("signal_inside_handler.py"))],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == -signal.SIGINT
