import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from charrnn.config.model import Cell
from tests.conftest import Cli
from tests.export.small_models import train_checkpoint


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_code_in_the_model_card_generates_text(cell: Cell, text_file: Path, cli: Cli) -> None:
    train_checkpoint(text_file, cell)
    assert cli("export", cell, "-o", "a.safetensors").code == 0
    card = Path("a.md").read_text()
    assert f"2 layers of 20 {cell} units" in card
    code = card.split("```python\n")[1].split("```")[0]
    assert "/ 0.9)" in code
    assert "0.05 * p.max()" in code
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert len(output) == 201
    assert set(output) <= {*text_file.read_text(), "\n"}


def test_the_code_in_the_model_card_of_documents_generates_one(text_file: Path, cli: Cli) -> None:
    train_checkpoint(text_file, separator="e")
    assert cli("export", "lstm", "-o", "a.safetensors").code == 0
    code = Path("a.md").read_text().split("```python\n")[1].split("```")[0]
    lines = f"for seed in range(9):\n    torch.manual_seed(seed)\n{indent(code, '    ')}"
    output = subprocess.run(
        [sys.executable, "-c", f"import torch\n{lines}    print(end='---')"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    documents = output.split("\n---")[:-1]
    assert len(documents) == 9
    assert "e" not in "".join(documents)
    assert any(documents)
