import dataclasses
import inspect
import itertools
import operator
import typing
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.training import FROM_TEXT, Budget, ResolvedTrainConfig, TrainConfig
from charrnn.data.document_index import locate_documents
from charrnn.training.setup.defaults import Regularization, resolve_config

TINYSHAKESPEARE = 1_115_394  # characters
FIELDS = Regularization._fields


def resolved(config: TrainConfig, characters: int, device: str = "cpu") -> ResolvedTrainConfig:
    """Resolve a config for a text with this number of characters, a tenth of them held out."""
    training = int(0.9 * characters)
    return resolve_config(
        config, training, characters - training, device=device, precision="float32", threads=1
    )


def resolved_for_documents(length: int, count: int, **settings: Any) -> ResolvedTrainConfig:
    codes = np.array(([1] * length + [0]) * count, np.uint8)
    return resolve_config(
        TrainConfig(**settings),
        len(codes),
        len(codes) // 10,
        device="cpu",
        precision="float32",
        threads=1,
        documents=locate_documents(codes, 0),
    )


def test_short_documents_get_batches_of_as_many_characters_as_a_stream() -> None:
    stream = resolved(TrainConfig(), 1_115_394)
    assert (stream.batch_size, stream.seq_length) == (32, 64)
    names = resolved_for_documents(8, 111_539)
    assert names.batch_size == 256
    assert names.batch_size * 9 == pytest.approx(32 * 64, rel=0.3)
    assert names.seq_length == 64
    recipes = resolved_for_documents(600, 1_800)
    assert (recipes.batch_size, recipes.seq_length) == (32, 64)
    assert resolved_for_documents(8, 100_000, batch_size=40).batch_size == 40
    assert resolved_for_documents(8, 60).batch_size == 4  # an epoch has at least eight batches
    # They are evaluated as often as a stream, measured in characters.
    assert names.eval_every * 256 * 9 == pytest.approx(stream.eval_every * 32 * 64, rel=0.15)


def test_with_teachers_the_network_is_regularized_as_in_fewer_passes() -> None:
    taught = resolved(TrainConfig(teachers=2, epochs=30), TINYSHAKESPEARE)
    alone = resolved(TrainConfig(epochs=10), TINYSHAKESPEARE)
    assert [getattr(taught, name) for name in FIELDS] == [getattr(alone, name) for name in FIELDS]
    assert taught.dropout < resolved(TrainConfig(epochs=30), TINYSHAKESPEARE).dropout


@given(st.integers(1, 10**12))
def test_every_text_gets_a_batch_that_is_smaller_than_the_text(characters: int) -> None:
    config = resolved(TrainConfig(), characters)
    assert config.batch_size * config.seq_length < max(2, int(0.9 * characters))
    assert config.epochs


def test_specified_settings_are_kept() -> None:
    given_config = TrainConfig(
        batch_size=3,
        seq_length=5,
        dropout=0.0,
        max_steps=7,
        eval_every=2,
        eval_characters=500,
        seed=9,
        output_dropout=0.1,
        weight_drop=0.2,
        weight_decay=0.0,
        learning_rate=0.1,
        loss_temperature=2.0,
        patience=4,
    )
    specified = dataclasses.asdict(given_config)
    assert dataclasses.asdict(resolved(given_config, 5000)) == {
        **specified,
        "device": "cpu",
        "precision": "float32",
        "threads": 1,
    }


def test_specifying_one_limit_removes_the_default_of_the_others() -> None:
    assert resolved(TrainConfig(), 50_000).limits.has_limit
    assert resolved(TrainConfig(max_time=60.0), 50_000).limits == Budget(max_time=60.0)


def test_a_run_of_known_length_is_evaluated_ten_times() -> None:
    steps_per_epoch = (90_000 - 1) // (16 * 64)
    short = resolved(TrainConfig(epochs=2, batch_size=16, seq_length=64), 100_000)
    assert short.eval_every == 2 * steps_per_epoch // 10
    first = resolved(TrainConfig(epochs=2, max_steps=40, batch_size=16, seq_length=64), 100_000)
    assert first.eval_every == 4
    unknown = resolved(TrainConfig(max_time=9.0, batch_size=16, seq_length=64), 100_000)
    assert unknown.eval_every == 100_000 // (16 * 64)


def test_evaluations_of_a_short_run_read_fewer_characters() -> None:
    short = resolved(TrainConfig(max_steps=40, batch_size=16, seq_length=64), 100_000)
    assert short.eval_characters == int(0.3 * 4 * 16 * 64)
    assert resolved(TrainConfig(), 100_000).eval_characters == 1_000_000


def test_larger_texts_get_more_streams_and_a_bounded_run() -> None:
    sizes = [resolved(TrainConfig(), n) for n in (20_000, 200_000, 2_000_000)]
    streams = [config.batch_size for config in sizes]
    assert streams == sorted(streams)
    assert streams[0] < streams[-1]
    assert (sizes[-1].epochs or 0) * int(0.9 * 2_000_000) <= 30_000_000


@given(st.integers(1, 10**12))
def test_a_gpu_gets_the_settings_of_a_cpu_apart_from_epochs_and_evaluations(
    characters: int,
) -> None:
    cpu, gpu = (resolved(TrainConfig(), characters, device) for device in ("cpu", "cuda"))
    assert cpu.epochs is not None
    assert gpu.epochs is not None
    assert gpu.epochs >= cpu.epochs
    intervals = [config.eval_every * config.characters_per_step for config in (cpu, gpu)]
    assert intervals[1] > intervals[0] - gpu.characters_per_step
    with_passes = resolve_config(
        TrainConfig(),
        int(0.9 * characters),
        characters - int(0.9 * characters),
        device="cpu",
        precision="float32",
        threads=1,
        timed_passes=gpu.epochs,
    )
    expected = dataclasses.replace(
        with_passes,
        device="cuda",
        epochs=gpu.epochs,
        eval_every=gpu.eval_every,
        eval_characters=gpu.eval_characters,
    )
    assert gpu == expected


def regularization(**settings: Any) -> tuple[float, ...]:
    characters = settings.pop("characters", TINYSHAKESPEARE)
    return tuple(getattr(resolved(TrainConfig(**settings), characters), name) for name in FIELDS)


def test_regularization_grows_with_the_number_of_passes() -> None:
    assert regularization(epochs=1) == regularization(epochs=2) == (0.0, 0.0, 0.0, 0.02, 1.0)
    assert regularization(epochs=3) == (0.1, 0.1, 0.0, 0.02, 1.0)
    assert regularization(epochs=50) == regularization(epochs=99) == (0.3, 0.4, 0.4, 0.2, 0.9)
    passes = [regularization(epochs=epochs) for epochs in range(3, 51, 4)]
    for weaker, stronger in itertools.pairwise(passes):
        assert all(map(operator.lt, weaker[:-1], stronger[:-1]))
        assert weaker[-1] > stronger[-1]


def test_each_limit_determines_the_regularization() -> None:
    steps_per_epoch = int(0.9 * TINYSHAKESPEARE) // (32 * 64)
    few = regularization(epochs=2)
    assert regularization(epochs=22, max_steps=2 * steps_per_epoch) == few
    assert regularization(epochs=2, max_steps=10**6) == few
    assert regularization() == regularization(epochs=22)
    assert regularization(max_time=9.0) == regularization()  # its passes are not known here


def test_a_run_with_few_updates_gets_a_higher_learning_rate() -> None:
    def rate(**settings: Any) -> float:
        return resolved(TrainConfig(**settings), TINYSHAKESPEARE).learning_rate

    rates = [rate(max_steps=steps) for steps in (1, 500, 1_000, 2_000, 4_000, 8_000)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == rates[1] == 0.009
    assert rate(max_steps=10_000) == rate(max_steps=10**6) == rate() == 0.004
    assert rate(max_steps=500, learning_rate=0.001) == 0.001


def test_only_huge_texts_get_no_dropout() -> None:
    for characters in (9_000, 149_000, 10_000_000):
        assert regularization(characters=characters, epochs=3) == (0.1, 0.1, 0.0, 0.02, 1.0)
        assert regularization(characters=characters, epochs=50) == (0.3, 0.4, 0.4, 0.2, 0.9)
    assert regularization(characters=200_000_000) == (0.0, 0.0, 0.0, 0.02, 1.0)


def test_a_run_gets_about_ten_thousand_updates() -> None:
    batches = {
        (characters, device): (config.batch_size, config.seq_length)
        for characters in (149_000, TINYSHAKESPEARE, 3_000_000, 12_000_000)
        for device in ("cpu", "cuda")
        for config in [resolved(TrainConfig(), characters, device)]
    }
    assert batches == {
        (149_000, "cpu"): (16, 64),
        (149_000, "cuda"): (16, 64),
        (TINYSHAKESPEARE, "cpu"): (32, 64),
        (TINYSHAKESPEARE, "cuda"): (32, 64),
        (3_000_000, "cpu"): (32, 64),
        (3_000_000, "cuda"): (64, 64),
        (12_000_000, "cpu"): (32, 64),
        (12_000_000, "cuda"): (64, 128),
    }


def test_a_gpu_reads_at_most_ten_times_as_many_characters() -> None:
    epochs = {
        device: [
            resolved(TrainConfig(), characters, device).epochs
            for characters in (100_000, TINYSHAKESPEARE, 5_000_000, 500_000_000)
        ]
        for device in ("cpu", "cuda")
    }
    assert epochs == {"cpu": [8, 22, 6, 1], "cuda": [8, 22, 46, 1]}


def test_a_gpu_is_evaluated_every_million_characters() -> None:
    cpu, gpu = (resolved(TrainConfig(), TINYSHAKESPEARE, device) for device in ("cpu", "cuda"))
    assert cpu.eval_every * cpu.characters_per_step > 5 * 111_000
    assert gpu.eval_every == 1_000_000 // gpu.characters_per_step
    large = resolved(TrainConfig(), 10_000_000, "cuda")
    assert large.eval_every == 5 * 1_000_000 // large.characters_per_step


def test_a_short_run_on_a_gpu_is_evaluated_ten_times() -> None:
    short = resolved(TrainConfig(epochs=2, batch_size=16, seq_length=64), 100_000, "cuda")
    assert short.eval_every == 2 * ((90_000 - 1) // (16 * 64)) // 10


def test_every_field_that_is_marked_as_derived_from_the_text_is_derived() -> None:
    hints = typing.get_type_hints(TrainConfig, include_extras=True)
    marked = {name for name, hint in hints.items() if FROM_TEXT in typing.get_args(hint)}
    from_elsewhere = {"device", "precision", "threads", "patience"}
    assert marked - {"epochs"} == set(inspect.get_annotations(ResolvedTrainConfig)) - from_elsewhere
    derived = resolved(TrainConfig(), 1_000_000)
    assert {name for name in marked if getattr(derived, name) is None} == set()
