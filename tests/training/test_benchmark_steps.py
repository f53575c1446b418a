import functools
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from charrnn.config.benchmark import BenchConfig
from charrnn.errors import DeviceWarning
from charrnn.numerics.cuda_graph import CaptureError, Work, graph_or_eager
from charrnn.training import benchmark_steps as module
from tests.training.test_benchmark import SMALL


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_bfloat16_is_measured_if_the_cpu_supports_it(
    has_bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "has_bfloat16", lambda: has_bfloat16)
    contenders = module.make_contenders(SMALL, torch.device("cpu"))
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
    assert list(module.make_contenders(SMALL, torch.device("cuda"))) == [
        *("charrnn float32", "stock float32", "stock TF32", "limit float32"),
        *("charrnn bfloat16", "stock bfloat16", "limit bfloat16"),
        *("charrnn float16", "stock float16", "limit float16"),
    ]


def test_a_step_that_cannot_be_captured_is_measured_without_a_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(work: Work) -> Work:
        raise CaptureError("operation not permitted")

    eager: Work = object()  # type: ignore[assignment]
    monkeypatch.setattr(module, "measured_precisions", lambda device: ["bfloat16"])
    monkeypatch.setattr(module, "graph_or_eager", functools.partial(graph_or_eager, capture=fail))
    for name in ("_stock_step", "_limit_step"):
        monkeypatch.setattr(module, name, lambda *sizes: lambda: None)
    monkeypatch.setattr(module, "_charrnn_step", lambda *sizes: eager)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)
    with pytest.warns(DeviceWarning, match="a training step in bfloat16 cannot be captured"):
        contenders = module.make_contenders(SMALL, torch.device("cuda"))
    assert contenders["charrnn bfloat16"] is eager
