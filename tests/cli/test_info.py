import json

import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli


def test_info_and_list(cli: Cli, finished: Finished) -> None:
    facts = json.loads(cli("info", "verse", "--json").out)
    assert facts["run"] == "checkpoints/verse"
    assert facts["step"] == 30
    assert facts["epoch"] == pytest.approx(30 / 23, abs=1e-6)
    assert facts["val_loss"] == finished.best_val_loss
    assert facts["parameters"] == 6406
    assert facts["vocabulary_size"] == 38
    assert facts["characters"] == 820
    assert json.loads(cli("list", "--json").out) == [facts]
    listed = cli("list")
    assert "checkpoints/verse" in listed.out
    assert "2 x 16 lstm" in listed.out
    shown = cli("info")
    assert "step 30, epoch 1.30" in shown.out
    assert "step-00000020, step-00000030" in shown.out
