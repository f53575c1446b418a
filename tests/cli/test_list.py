import json

from tests.conftest import Cli


def test_list_without_runs_shows_how_to_start_one(cli: Cli) -> None:
    outcome = cli("list")
    assert (outcome.code, outcome.out) == (0, "")
    assert "charrnn train" in outcome.err
    assert json.loads(cli("list", "--json").out) == []
