import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli


@pytest.mark.parametrize("arguments", [(), ("-o", "a.txt"), ("--to", "onnx", "-o", "a.html")])
def test_what_to_make_is_told_or_seen_from_the_name(
    arguments: tuple[str, ...], finished: Finished, cli: Cli
) -> None:
    assert cli("export", *arguments).code == 2
