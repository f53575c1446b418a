from pathlib import Path

import pytest

from charrnn.training.events import Finished
from tests.cli.process import TINY
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


def test_only_a_model_card_may_not_replace_the_text(text_file: Path, cli: Cli) -> None:
    markdown = text_file.with_name("novel.md")
    markdown.write_bytes(text_file.read_bytes())
    assert cli("train", "novel.md", *TINY).code == 0
    assert cli("export", "novel", "--to", "html").code == 0
    outcome = cli("export", "novel", "--to", "safetensors")
    assert (outcome.code, outcome.out) == (1, "")
    assert "novel.md is the text of" in outcome.err
    assert markdown.read_bytes() == text_file.read_bytes()
