import dataclasses
import functools
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from charrnn.analysis.scoring import character_nats
from charrnn.config.benchmark import BenchConfig
from charrnn.data import catalogue
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DeviceWarning
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.cuda_graph import CaptureError, Work, graph_or_eager
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


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_bfloat16_is_measured_if_the_cpu_supports_it(
    has_bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "has_bfloat16", lambda: has_bfloat16)
    contenders = module._contenders(SMALL, torch.device("cpu"))
    for name in ("charrnn bfloat16", "stock bfloat16", "limit bfloat16"):
        assert (name in contenders) == has_bfloat16


def test_stock_bfloat16_is_not_float16_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    computed, to = [], nn.Module.to

    def recorded(self: nn.LSTM, inputs_TBH: torch.Tensor) -> tuple[torch.Tensor, None]:
        weights = {weight.dtype for weight in self.parameters()}
        computed.append((inputs_TBH.dtype, weights, torch.is_autocast_enabled("cuda")))
        return inputs_TBH, None

    def to_dtype(self: nn.Module, target: torch.device | torch.dtype) -> nn.Module:
        return to(self, target) if isinstance(target, torch.dtype) else self

    def zeros(self: nn.Embedding, x_TB: torch.Tensor) -> torch.Tensor:
        return self.weight.new_zeros(*x_TB.shape, self.embedding_dim)

    monkeypatch.setattr(nn.LSTM, "forward", recorded)
    monkeypatch.setattr(nn.Module, "to", to_dtype)
    monkeypatch.setattr(nn.Embedding, "forward", zeros)
    loss = SimpleNamespace(backward=lambda: None)
    monkeypatch.setattr(module, "cross_entropy", lambda *_: loss)
    with FakeTensorMode():
        x_TB = torch.zeros(6, 4, dtype=torch.long, device="cuda")
    for precision in ("float32", "bfloat16"):
        module._stock_step(SMALL, precision, x_TB, x_TB)()
    assert computed == [
        (torch.float32, {torch.float32}, False),
        (torch.bfloat16, {torch.bfloat16}, False),
    ]


def test_the_limit_has_as_many_operations_as_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = []
    multiply = torch.mm

    def counted(left: torch.Tensor, right: torch.Tensor, **keywords: torch.Tensor) -> torch.Tensor:
        operations.append(2 * left.shape[0] * left.shape[1] * right.shape[1])
        return multiply(left, right, **keywords)

    monkeypatch.setattr(torch, "mm", counted)
    config = BenchConfig(num_layers=3, hidden_size=16, vocabulary_size=11, seq_length=8)
    module._limit_step(config, torch.float32, torch.device("cpu"))()
    per_character = 6 * (5 * 16 * 64 + 16 * 11)  # operations, as counted by hand
    assert sum(operations) == pytest.approx(per_character * config.batch_size * 8, rel=0.001)


def test_on_a_gpu_each_precision_is_compared_with_stock_and_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "choose_precision", lambda name, device, cell: name)
    monkeypatch.setattr(module, "graph_or_eager", lambda work, name: work)
    for name in ("_charrnn_step", "_stock_step", "_limit_step"):
        monkeypatch.setattr(module, name, lambda *sizes: lambda: None)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)
    assert list(module._contenders(SMALL, torch.device("cuda"))) == [
        *("charrnn float32", "stock float32", "stock TF32", "limit float32"),
        *("charrnn bfloat16", "stock bfloat16", "limit bfloat16"),
        *("charrnn float16", "stock float16", "limit float16"),
    ]


def test_the_engine_of_each_precision_on_a_gpu_is_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert module._describe_engines(SMALL, torch.device("cpu")) == {}
    monkeypatch.setattr(module, "choose_precision", lambda name, device, cell: name)
    assert module._describe_engines(SMALL, torch.device("cuda")) == {
        "float32": "cuDNN (the CUDA kernel is not used: it computes in bfloat16 or float16 only)",
        "bfloat16": "cuDNN (the CUDA kernel is not used: it needs 8 steps or more)",
        "float16": "cuDNN (the CUDA kernel is not used: it needs 8 steps or more)",
    }


def test_a_step_that_cannot_be_captured_is_measured_without_a_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(work: Work) -> Work:
        raise CaptureError("operation not permitted")

    eager: Work = object()  # type: ignore[assignment]
    monkeypatch.setattr(module, "_precisions", lambda device: ["bfloat16"])
    monkeypatch.setattr(module, "graph_or_eager", functools.partial(graph_or_eager, capture=fail))
    for name in ("_stock_step", "_limit_step"):
        monkeypatch.setattr(module, name, lambda *sizes: lambda: None)
    monkeypatch.setattr(module, "_charrnn_step", lambda *sizes: eager)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)
    with pytest.warns(DeviceWarning, match="a training step in bfloat16 cannot be captured"):
        contenders = module._contenders(SMALL, torch.device("cuda"))
    assert contenders["charrnn bfloat16"] is eager


@pytest.mark.gpu
def test_a_gpu_is_measured() -> None:
    result = run_benchmark(dataclasses.replace(SMALL, device="cuda", hidden_size=64, batch_size=16))
    assert result.device == "cuda"
    assert set(result.engines) >= {"float32", "float16"}
    assert {"charrnn float32", "stock TF32", "limit float16"} <= {
        contender.name for contender in result.measured
    }
