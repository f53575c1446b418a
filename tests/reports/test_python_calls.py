"""The results of commands as calls in Python."""

import json
from pathlib import Path

import pytest

import charrnn
from charrnn.training.events import Finished
from tests.conftest import Cli


def test_list_runs_returns_what_info_prints(cli: Cli, finished: Finished) -> None:
    (summary,) = charrnn.list_runs()
    printed = json.loads(cli("info", "verse", "--json").out)
    assert printed == json.loads(json.dumps(vars(summary)))
    assert charrnn.list_runs("elsewhere") == []
    (finished.run.path / "config.json").write_text("{", "utf-8")
    with pytest.warns(UserWarning, match="run not listed"):
        assert charrnn.list_runs() == []


def test_export_model_writes_each_format(finished: Finished, text_file: Path) -> None:
    for suffix in ("safetensors", "html", "onnx"):
        path = charrnn.export_model("verse", f"model.{suffix}", offer_units=False)
        assert path.stat().st_size > 1000
    assert charrnn.generate("model.safetensors", "The", seed=1, length=9) == charrnn.generate(
        "verse", "The", seed=1, length=9
    )
    with pytest.raises(charrnn.CharrnnError, match=r"must end in \.html, \.onnx or"):
        charrnn.export_model("verse", "model.bin")


def test_find_neurons_returns_what_the_command_prints(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    long_text = Path("long.txt")
    long_text.write_text(text_file.read_text("utf-8") * 20, "utf-8")
    found = charrnn.find_neurons("verse", long_text, device="cpu")
    printed = json.loads(cli("neurons", "verse", "--text", long_text, "--json").out)["found"]
    assert [(unit.feature, str(unit.unit), unit.correlation) for unit in found] == [
        (unit["feature"], unit["unit"], unit["correlation"]) for unit in printed
    ]
    assert found


def test_plot_runs_returns_a_figure(finished: Finished) -> None:
    figure = charrnn.plot_runs("verse", x="epochs", unit="nats")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "epoch"
    assert len(axes.lines) >= 2
    figure.savefig("losses.png")
    assert Path("losses.png").read_bytes().startswith(b"\x89PNG")
    assert len(charrnn.plot_runs().axes) == 1
