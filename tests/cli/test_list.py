import json

from tests.conftest import Cli


def test_without_runs_list_tells_how_to_make_one(cli: Cli) -> None:
    outcome = cli("list")
    assert (outcome.code, outcome.out) == (0, "")
    assert "charrnn train" in outcome.err
    assert json.loads(cli("list", "--json").out) == []
