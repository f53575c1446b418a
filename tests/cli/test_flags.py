import dataclasses
import inspect

import pytest

from charrnn.cli.app import COMMANDS
from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.config.text import ReadingConfig, TextConfig
from charrnn.config.training import Budget, TrainConfig
from charrnn.errors import CorpusError
from charrnn.training import loop
from charrnn.training.events import Finished
from tests.conftest import Cli


@pytest.mark.parametrize(
    ("command", "configs", "others"),
    [
        (
            "train",
            [TextConfig, ModelConfig, TrainConfig],
            {
                "corpus",
                "out_dir",
                "init_from",
                "dry_run",
                "context",
                "config",
                "like",
                "as_json",
                "report_to",
            },
        ),
        ("resume", [ReadingConfig, Budget], {"run", "corpus", "device", "threads", "report_to"}),
        (
            "sample",
            [ReadingConfig, SampleConfig],
            {
                "context",
                "run",
                "escape",
                "prompt",
                "prompt_file",
                "adapt",
                "precision",
                "no_prompt",
                "interactive",
                "novelty",
                "logprobs",
                "checkpoint",
                "device",
                "as_json",
            },
        ),
    ],
)
def test_every_field_has_a_flag_and_every_flag_a_field(
    command: str, configs: list[type], others: set[str]
) -> None:
    flags = set(inspect.signature(COMMANDS[command]).parameters)
    fields = {field.name for config in configs for field in dataclasses.fields(config)}
    assert flags == fields | others


def test_flags_reach_the_configs(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, finished: Finished
) -> None:
    received: dict[str, object] = {}

    def fake_train(
        corpus: object, config: TrainConfig, model: ModelConfig, text: TextConfig, **_: object
    ) -> object:
        received.update(corpus=corpus, config=config, model=model, text=text)
        raise CorpusError("stop here")

    monkeypatch.setattr(loop, "train", fake_train)
    cli("train", "x.txt", "--cell", "gru", "--max-time", "1h30m", "--patience", 0, "--dropout", 0.5,
        "--encoding", "cp1252", "--newline", "lf", "--min-count", 3)  # fmt: skip
    assert received["corpus"] == ["x.txt"]
    assert received["model"] == ModelConfig(cell="gru")
    assert received["text"] == TextConfig(encoding="cp1252", newline="lf", min_count=3)
    assert received["config"] == TrainConfig(max_time=5400.0, patience=0, dropout=0.5)
