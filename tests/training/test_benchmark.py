import dataclasses

import pytest
import torch

from charrnn.analysis.scoring import character_nats
from charrnn.config.benchmark import BenchConfig
from charrnn.data import catalogue
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.information import nats_to_bits
from charrnn.numerics.quantization import quantize
from charrnn.runs.find import find_run
from charrnn.training import benchmark as module
from charrnn.training.benchmark import measure_quantization_cost, run_benchmark
from charrnn.training.events import Finished

SMALL = BenchConfig(
    num_layers=2,
    hidden_size=8,
    batch_size=4,
    seq_length=6,
    vocabulary_size=5,
    device="cpu",
    threads=1,
    max_time=0.001,
)


@pytest.fixture
def short_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute the loss of the 8-bit weights from few characters: it takes most of the time."""
    monkeypatch.setattr(module, "_SCORED_CHARACTERS", 300)


@pytest.mark.usefixtures("short_text")
def test_each_contender_is_measured_in_every_round() -> None:
    result = run_benchmark(SMALL)
    assert [contender.name for contender in result.measured][:3] == [
        "charrnn float32",
        "stock float32",
        "limit float32",
    ]
    assert result.rounds >= 1
    for contender in result.measured:
        assert 0 < contender.minimum <= contender.median <= contender.maximum
    stock = next(contender for contender in result.measured if contender.name == "stock float32")
    assert stock.times_stock == 1.0
    assert result.default_shape is not None
    assert (result.default_shape.batch_size, result.default_shape.seq_length) == (32, 64)
    names = [contender.name for contender in result.default_shape.measured]
    assert names == [contender.name for contender in result.measured]


@pytest.mark.usefixtures("short_text")
def test_the_default_shape_is_measured_once() -> None:
    config = dataclasses.replace(SMALL, batch_size=32, seq_length=64)
    assert run_benchmark(config).default_shape is None
    assert run_benchmark(SMALL, with_default_shape=False).default_shape is None


def test_the_engine_of_each_precision_on_a_cpu_is_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "measured_precisions", lambda device: ["float32", "bfloat16"])
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert module._describe_engines(SMALL, torch.device("cpu")) == {
        "float32": "torch's kernels (the compiled LSTM engine is not faster with so few streams)",
        "bfloat16": "compiled LSTM engine",
    }
    many_streams = dataclasses.replace(SMALL, batch_size=32)
    engines = module._describe_engines(many_streams, torch.device("cpu"))
    assert engines["float32"] == "compiled LSTM engine"


def test_the_quantization_cost_is_the_loss_with_quantized_weights(finished: Finished) -> None:
    cost = measure_quantization_cost("verse")
    checkpoint = find_run("verse").select()
    text = catalogue.bundled_path().read_text("utf-8")[:10_000]
    codes = Vocabulary(checkpoint.run.config.vocabulary).encode(text, "skip")
    assert cost.characters == len(codes) < 10_000
    for array in (arrays := checkpoint.load("model")):
        if array.startswith("weight") and array != "weight_ih_l0":
            arrays[array] = quantize(arrays[array]).dequantize()
    rounded = load_checkpoint(checkpoint, "cpu").set_arrays(arrays)
    expected = nats_to_bits(character_nats(rounded, codes).mean())
    assert cost.quantized_bits == pytest.approx(expected, abs=1e-4)
    assert cost.float32_bits != cost.quantized_bits
    assert cost.change == cost.quantized_bits - cost.float32_bits


def test_the_engine_of_each_precision_on_a_gpu_is_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        module, "measured_precisions", lambda device: ["float32", "bfloat16", "float16"]
    )
    assert module._describe_engines(SMALL, torch.device("cuda")) == {
        "float32": "cuDNN (the CUDA kernel is not used: it computes in bfloat16 or float16 only)",
        "bfloat16": "cuDNN (the CUDA kernel is not used: it needs 8 steps or more)",
        "float16": "cuDNN (the CUDA kernel is not used: it needs 8 steps or more)",
    }


@pytest.mark.gpu
def test_a_gpu_is_measured() -> None:
    result = run_benchmark(dataclasses.replace(SMALL, device="cuda", hidden_size=64, batch_size=16))
    assert result.device == "cuda"
    assert set(result.engines) >= {"float32", "float16"}
    assert {"charrnn float32", "stock TF32", "limit float16"} <= {
        contender.name for contender in result.measured
    }
