import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from charrnn.config.model import Cell
from charrnn.errors import CharrnnError
from charrnn.export import onnx_graph
from charrnn.export.onnx_graph import TOLERANCE
from charrnn.model.loading import load_checkpoint
from charrnn.training.events import Finished
from tests.conftest import Cli
from tests.export.small_models import train_checkpoint


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_graph_gives_the_logits_and_state_of_the_model(
    cell: Cell, text_file: Path, cli: Cli
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = load_checkpoint(train_checkpoint(text_file, cell))
    assert cli("export", cell, "-o", "a.onnx").code == 0
    session = onnxruntime.InferenceSession("a.onnx")
    vocabulary = json.loads(session.get_modelmeta().custom_metadata_map["vocabulary"])
    assert tuple(vocabulary) == model.vocabulary.characters
    codes_TB = np.random.default_rng(4).integers(0, len(vocabulary), (9, 2))
    state = model.initial_state(2)
    with torch.no_grad():
        logits_TBV, after = model(torch.from_numpy(codes_TB), state)
    names = ("hidden", "cell")[: len(state.parts_LBH)]
    inputs = {name: part.numpy() for name, part in zip(names, state.parts_LBH, strict=True)}
    outputs = session.run(None, {"characters": codes_TB, **inputs})
    for output, expected in zip(outputs, (logits_TBV, *after.parts_LBH), strict=True):
        np.testing.assert_allclose(output, expected.numpy(), atol=TOLERANCE)


def test_a_graph_that_differs_from_the_model_is_rejected(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(onnx_graph._GATE_ORDER, "lstm", (0, 1, 2, 3))
    with pytest.raises(CharrnnError, match="differ from those of the model"):
        onnx_graph.build_onnx_model(load_checkpoint(train_checkpoint(text_file)))


def test_without_onnx_the_error_shows_how_to_install_it(
    finished: Finished, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    outcome = cli("export", "--to", "onnx")
    assert outcome.code == 1
    assert 'pip install "onnx>=1.17" "onnxruntime>=1.19"' in outcome.err
