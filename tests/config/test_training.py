import dataclasses
import inspect
from typing import Any

import pytest

from charrnn.config.training import Budget, ResolvedTrainConfig, TrainConfig
from charrnn.errors import ConfigError
from tests.conftest import UNREGULARIZED

RESOLVED_FIELDS = list(inspect.get_annotations(ResolvedTrainConfig))
OPTIONAL_FIELDS = {
    "save_every",
    "target_loss",
    *(field.name for field in dataclasses.fields(Budget)),
}


@pytest.mark.parametrize("name", RESOLVED_FIELDS)
def test_a_resolved_config_requires_every_value(name: str) -> None:
    values = {**dataclasses.asdict(UNREGULARIZED)}
    with pytest.raises(ConfigError, match=f"{name} must be .*, not None"):
        ResolvedTrainConfig(**{**values, name: None})
    del values[name]
    with pytest.raises(TypeError, match=name):
        ResolvedTrainConfig(**values)


@pytest.mark.parametrize("name", ["device", "precision"])
def test_a_resolved_config_does_not_accept_auto(name: str) -> None:
    settings: dict[str, Any] = {name: "auto"}
    with pytest.raises(ConfigError, match=f"{name} must be one of .*, not 'auto'"):
        dataclasses.replace(UNREGULARIZED, **settings)


def test_only_limits_and_save_every_of_a_resolved_config_may_be_none() -> None:
    for field in dataclasses.fields(ResolvedTrainConfig):
        settings: dict[str, Any] = {field.name: None}
        if field.name in OPTIONAL_FIELDS:
            dataclasses.replace(UNREGULARIZED, **settings)
        else:
            with pytest.raises(ConfigError, match=f"{field.name} must be"):
                dataclasses.replace(UNREGULARIZED, **settings)


def test_a_resolved_config_has_the_ranges_of_train_config() -> None:
    with pytest.raises(ConfigError, match=r"dropout must be a number from 0 to 0\.95, not 1"):
        dataclasses.replace(UNREGULARIZED, dropout=1)


def test_a_budget_with_any_limit_has_a_limit() -> None:
    assert not Budget().has_limit
    assert not TrainConfig(batch_size=3).has_limit
    limits: list[dict[str, Any]] = [{"epochs": 1}, {"max_steps": 1}, {"max_time": 1}]
    for limit in limits:
        assert Budget(**limit).has_limit
        assert TrainConfig(**limit).limits == Budget(**limit)


@pytest.mark.parametrize(
    "settings", [{"device": "cuda"}, {"precision": "bfloat16"}, {"threads": 2}, {"max_time": 1}]
)
def test_a_reproducible_run_refuses_what_depends_on_the_machine(settings: dict[str, Any]) -> None:
    TrainConfig(**settings)
    TrainConfig(reproducible=True, device="cpu", precision="float32", threads=1, epochs=1)
    with pytest.raises(ConfigError, match="a reproducible run"):
        TrainConfig(reproducible=True, **settings)
