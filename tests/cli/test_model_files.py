"""A model file as the RUN of each command."""

import json
from pathlib import Path

import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli
from tests.runs.test_file_run import OLD_FILE


@pytest.fixture
def model_file(finished: Finished, cli: Cli) -> str:
    assert cli("export", "verse", "-o", "model.safetensors").out == "model.safetensors\n"
    return "model.safetensors"


def test_commands_give_the_same_results_for_a_model_file(
    model_file: str, text_file: Path, cli: Cli
) -> None:
    long_text = Path("long.txt")
    long_text.write_text(text_file.read_text("utf-8") * 20, "utf-8")
    for command in (
        ("sample", "-p", "The", "-n", 50, "-s", 1),
        ("sample", "-p", "The", "-n", 50, "-s", 1, "--num-samples", 3),
        ("next", "-p", "The"),
        ("neurons", "--text", long_text),
    ):
        name, *options = command
        expected = cli(name, "verse", *options)
        outcome = cli(name, model_file, *options)
        assert (outcome.code, outcome.out) == (0, expected.out), outcome.err
    scores = [
        json.loads(cli("score", run, text_file, "--json").out) for run in ("verse", model_file)
    ]
    assert scores[1] == scores[0] | {"run": model_file}
    for target in ("html", "onnx", "safetensors"):
        for run, path in (("verse", f"a.{target}"), (model_file, f"b.{target}")):
            corpus_flags = ("--corpus", text_file) if target == "html" else ()
            assert cli("export", run, "-o", path, *corpus_flags).code == 0
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()


def test_info_and_verify_describe_a_model_file(model_file: str, cli: Cli) -> None:
    facts, expected = (json.loads(cli("info", run, "--json").out) for run in (model_file, "verse"))
    assert facts == expected | {
        "run": model_file,
        "checkpoints": [model_file],
        "bytes": Path(model_file).stat().st_size,
    }
    assert "all files are intact" in cli("verify", model_file).err
    data = bytearray(Path(model_file).read_bytes())
    data[-1] ^= 1
    Path(model_file).write_bytes(data)
    outcome = cli("verify", model_file)
    assert outcome.code == 1
    assert "is damaged: expected SHA-256" in " ".join(outcome.out.split())
    damaged = cli("sample", model_file)
    assert (damaged.code, damaged.out) == (1, "")


def test_what_a_model_file_cannot_do_is_an_error(model_file: str, cli: Cli) -> None:
    resumed = cli("resume", model_file)
    assert resumed.code == 1
    assert "cannot be resumed: start a new run from these weights with" in resumed.err
    plotted = cli("plot", model_file)
    assert plotted.code == 1
    assert "has no curves to plot" in plotted.err
    replaced = cli("export", model_file, "-o", model_file)
    assert replaced.code == 1
    assert "is the model to read" in replaced.err


def test_what_a_file_of_version_0_1_0_does_not_say_is_unknown(cli: Cli) -> None:
    shown = cli("info", OLD_FILE).out
    assert [line.split()[-1] for line in shown.splitlines() if "progress" in line] == ["unknown"]
    facts = json.loads(cli("info", OLD_FILE, "--json").out)
    assert all(facts[key] is None for key in ("corpus", "characters", "step", "epoch", "val_loss"))
    assert facts["parameters"] == 6_406
    assert "it has no digest to verify" in " ".join(cli("verify", OLD_FILE).out.split())
    assert cli("export", OLD_FILE, "-o", "new.safetensors").code == 0
    card = Path("new.md").read_text("utf-8")
    for name in ("Text", "Training", "Held-out loss"):
        assert f"- **{name}**: unknown.\n" in card
    refused = cli("score", OLD_FILE)
    assert refused.code == 1
    assert "does not say which text it was trained on" in refused.err
