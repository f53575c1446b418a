"""The example notebook, executed in Jupyter."""

import shutil
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples/charrnn.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_and_shows_results(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="it is in the extra test-slow")
    nbformat = pytest.importorskip("nbformat")
    shutil.copy(NOTEBOOK, tmp_path)
    notebook: Any = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    outputs = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    train, *_ = (value for source, value in outputs.items() if "charrnn.train" in source)
    shown = "".join(output.get("data", {}).get("text/html", "") for output in train)
    assert "held-out" in shown
    assert "epoch" in shown
    (plot,) = next(value for source, value in outputs.items() if "plot_runs" in source)
    assert "image/png" in plot["data"]
    (scored,) = (value for source, value in outputs.items() if "charrnn.score" in source)
    colored = "".join(output.get("data", {}).get("text/html", "") for output in scored)
    assert colored.count("background-color") > 5
    assert (tmp_path / "play/config.json").exists()
