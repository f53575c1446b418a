import pytest

from charrnn.config.benchmark import BenchConfig
from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.config.training import TrainConfig
from charrnn.errors import ConfigError


@pytest.mark.parametrize(
    ("config", "settings", "sentence"),
    [
        (ModelConfig, {"hidden_size": 0}, "hidden_size must be a whole number from 1 to 16,384"),
        (ModelConfig, {"cell": "tree"}, "cell must be one of lstm, gru, rnn, not 'tree'"),
        (ModelConfig, {"num_layers": True}, "num_layers must be a whole number"),
        (TrainConfig, {"dropout": 1.0}, "dropout must be a number from 0 to 0.95, not 1.0"),
        (TrainConfig, {"learning_rate": float("nan")}, "learning_rate must be a number"),
        (TrainConfig, {"max_steps": 0}, "max_steps must be a whole number from 1"),
        (ModelConfig, {"hidden_size": None}, "hidden_size must be a whole number"),
        (TrainConfig, {"weight_decay": 11}, "weight_decay must be a number from 0 to 10"),
        (TrainConfig, {"clip_norm": None}, "clip_norm must be a number from 1e-06 to 1,000,000"),
        (TrainConfig, {"loss_temperature": 0}, "loss_temperature must be a number from 0.1 to 10"),
        (SampleConfig, {"temperature": -1}, "temperature must be a number from 0 to 100, not -1"),
        (SampleConfig, {"stop": ""}, "stop must be at least one character"),
    ],
)
def test_values_out_of_range_are_named_with_the_range(config, settings, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=sentence):
        config(**settings)


def test_a_size_out_of_range_is_named() -> None:
    with pytest.raises(ConfigError, match="seq_length"):
        BenchConfig(seq_length=1)
