import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.benchmark import BenchConfig
from charrnn.config.checks import (
    UNLIMITED,
    CheckedFields,
    Range,
    UnknownSettingError,
    check_value,
    create_from_record,
    field_checks,
)
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import Budget, ResolvedTrainConfig, TrainConfig
from charrnn.data.corpus_record import CorpusRecord
from charrnn.errors import ConfigError
from charrnn.runs.progress import Progress
from charrnn.runs.run_config import RunConfig

CONFIGS: tuple[type, ...] = (
    *(TextConfig, ModelConfig, Budget, TrainConfig, ResolvedTrainConfig, SampleConfig),
    *(AdaptConfig, BenchConfig),
)


@pytest.mark.parametrize(
    ("config", "settings", "message"),
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
def test_the_error_names_the_setting_and_its_range(config, settings, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=message):
        config(**settings)


def test_a_benchmark_size_out_of_range_is_an_error() -> None:
    with pytest.raises(ConfigError, match="seq_length"):
        BenchConfig(seq_length=1)


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
)


def is_valid(value: object, expected_type: object, value_range: Range = UNLIMITED) -> bool:
    """Return whether `check_value` accepts a value; if not, check the error message."""
    try:
        check_value("setting", value, expected_type, value_range)
    except ConfigError as error:
        message = str(error)
    else:
        return True
    assert message.startswith("setting must be ")
    shown = str(value)[:80] if expected_type in (str, str | None) else value
    assert message.endswith(f", not {shown!r}")
    assert str(value_range) in message or value_range == UNLIMITED
    return False


@given(ANYTHING, st.integers(), st.integers())
def test_whole_numbers_within_the_range_are_valid(value: object, low: int, high: int) -> None:
    expected = type(value) is int and low <= value <= high
    assert is_valid(value, int, Range(low, high)) == expected
    assert is_valid(value, int | None, Range(low, high)) == (expected or value is None)


@given(ANYTHING, st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_numbers_within_the_range_are_valid(value: object, low: float, high: float) -> None:
    expected = isinstance(value, int | float) and type(value) is not bool and low <= value <= high
    assert is_valid(value, float, Range(low, high)) == expected
    assert is_valid(value, float | None, Range(low, high)) == (expected or value is None)


@given(st.integers(0, 9), st.integers(0, 9))
def test_both_ends_of_a_range_are_valid(low: int, size: int) -> None:
    value_range = Range(low, low + size)
    for number_type in (int, float):
        for inside in (low, low + size):
            assert is_valid(inside, number_type, value_range)
        for outside in (low - 1, low + size + 1):
            assert not is_valid(outside, number_type, value_range)


@given(st.lists(st.floats(-2, 2)).map(tuple))
def test_each_number_of_a_tuple_is_checked(numbers: tuple[float, ...]) -> None:
    expected_type, value_range = float | tuple[float, ...], Range(0, 1)
    invalid = [number for number in numbers if not 0 <= number <= 1]
    if invalid:
        with pytest.raises(ConfigError, match=f"from 0 to 1, not {invalid[0]!r}"):
            check_value("setting", numbers, expected_type, value_range)
    else:
        check_value("setting", numbers, expected_type, value_range)
    with pytest.raises(ConfigError, match="must be a number"):
        check_value("setting", numbers, float, value_range)


@given(ANYTHING)
def test_strings_and_choices_are_checked(value: object) -> None:
    assert is_valid(value, str) == isinstance(value, str)
    assert is_valid(value, str | None) == (isinstance(value, str) or value is None)
    assert is_valid(value, Literal["a", "b"]) == (value in ("a", "b"))
    assert is_valid(value, Literal["a", "b"] | None) == (value in ("a", "b", None))


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_infinities_and_nan_are_invalid(number: float) -> None:
    assert not is_valid(number, float, Range(-1e300, 1e300))


def test_integers_too_large_for_a_float_are_invalid() -> None:
    assert not is_valid(10**400, float, Range(-1e300, 1e300))


def test_a_record_with_a_setting_that_is_not_known_is_an_error() -> None:
    assert create_from_record(ModelConfig, {"cell": "gru"}) == ModelConfig(cell="gru")
    with pytest.raises(UnknownSettingError, match=r"the setting 'x+' is not known"):
        create_from_record(ModelConfig, {"cell": "gru", "x" * 1000: 1})
    records: tuple[Any, ...] = (None, 1, [])
    for record in records:
        with pytest.raises(TypeError):
            create_from_record(ModelConfig, record)


def config_classes(base: type[CheckedFields] = CheckedFields) -> Iterator[type]:
    for cls in base.__subclasses__():
        yield from (cls, *config_classes(cls))


def test_every_number_has_a_range() -> None:
    classes = list(config_classes())
    assert {*CONFIGS, RunConfig, Progress, CorpusRecord} <= set(classes)
    for cls in classes:
        for name, (expected_type, value_range) in field_checks(cls).items():
            types = {expected_type, *get_args(expected_type)}
            assert (value_range == UNLIMITED) != bool(types & {int, float}), (cls, name)


def test_every_setting_has_a_type_that_is_checked() -> None:
    for cls in CONFIGS:
        for name, (expected_type, value_range) in field_checks(cls).items():
            assert not is_valid(object(), expected_type, value_range), (cls, name)
