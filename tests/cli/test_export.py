from pathlib import Path

import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli


@pytest.mark.parametrize("arguments", [(), ("-o", "a.txt"), ("--to", "onnx", "-o", "a.html")])
def test_a_missing_or_contradictory_format_is_wrong_usage(
    arguments: tuple[str, ...], finished: Finished, cli: Cli
) -> None:
    assert cli("export", *arguments).code == 2


def test_a_model_card_does_not_replace_another_file(cli: Cli) -> None:
    Path("README.md").write_text("my notes", "utf-8")
    outcome = cli("export", "bard", "-o", "README.safetensors")
    assert outcome.code == 1
    assert "the model card would replace README.md" in outcome.err
    assert Path("README.md").read_text("utf-8") == "my notes"
    assert not Path("README.safetensors").exists()
    assert cli("export", "bard", "-o", "model.safetensors").code == 0
    assert cli("export", "bard", "-o", "model.safetensors").code == 0
