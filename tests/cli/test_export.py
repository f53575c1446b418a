import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli


@pytest.mark.parametrize("arguments", [(), ("-o", "a.txt"), ("--to", "onnx", "-o", "a.html")])
def test_a_missing_or_contradictory_format_is_wrong_usage(
    arguments: tuple[str, ...], finished: Finished, cli: Cli
) -> None:
    assert cli("export", *arguments).code == 2
