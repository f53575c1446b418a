import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.numerics.child import child_environment, python_command


def test_a_child_finds_charrnn_but_no_module_of_the_working_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("queue.py").write_text("raise RuntimeError('a module of the working folder')")
    monkeypatch.syspath_prepend("")  # as in a notebook
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path.cwd())])
    command = python_command("-c", "import charrnn.files, queue; print(queue.Queue.__name__)")
    child = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    assert (child.stdout, child.stderr) == ("Queue\n", "")
