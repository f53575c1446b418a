from pathlib import Path

from charrnn.training.events import Finished
from tests.conftest import Cli


def test_memory_is_plotted_on_the_terminal(finished: Finished, text_file: Path, cli: Cli) -> None:
    outcome = cli("plot", "--memory", "--farthest", 20, "--text", text_file)
    assert outcome.code == 0
    assert "characters back" in outcome.out
    assert "verse (lstm)" in outcome.out
