from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from charrnn.config.model import Cell, ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.sampling.engines.cuda_graph import CudaGraphEngine, Draw
from charrnn.sampling.engines.network_step import LstmStep, ModelStep, NetworkStep
from charrnn.sampling.engines.step_kernels import Launch
from charrnn.sampling.filters import Filters

CODES_TB = torch.randint(0, 12, (9, 5), generator=torch.Generator().manual_seed(1))


def network(cell: Cell = "lstm", num_layers: int = 3) -> CharRNN:
    vocabulary = Vocabulary("\n abcdefghij")
    shape = ModelConfig(cell=cell, num_layers=num_layers, hidden_size=20)
    return CharRNN(shape, vocabulary).initialize(5).requires_grad_(False)


def all_logits(step: NetworkStep) -> tuple[Tensor, State]:
    state = step.allocate(CODES_TB.shape[1])
    carried, logits = step.carried(state), []
    for codes_B in CODES_TB:
        logits_BV, carried = step.advance(codes_B, carried)
        logits.append(logits_BV)
    return torch.stack(logits), state


@pytest.mark.parametrize("num_layers", [1, 3])
def test_characters_one_by_one_give_the_logits_of_the_model(
    num_layers: int, launch: Launch
) -> None:
    model = network(num_layers=num_layers)
    expected_TBV, _ = model(CODES_TB, model.initial_state(5))
    by_kernels = LstmStep(model, torch.float32, launch)
    for step in (LstmStep(model, torch.float32), by_kernels, ModelStep(model)):
        torch.testing.assert_close(all_logits(step)[0], expected_TBV, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells_are_computed_by_the_model(cell: Cell) -> None:
    model = network(cell)
    expected_TBV, _ = model(CODES_TB, model.initial_state(5))
    torch.testing.assert_close(all_logits(ModelStep(model))[0], expected_TBV, rtol=1e-5, atol=1e-5)


def test_rounded_factors_change_the_logits_a_little(launch: Launch) -> None:
    model = network()
    expected_TBV, _ = model(CODES_TB, model.initial_state(5))
    for step in (LstmStep(model, torch.float16), LstmStep(model, torch.float16, launch)):
        logits_TBV, state = all_logits(step)
        largest = (logits_TBV - expected_TBV).abs().max().item()
        assert 1e-6 < largest < 1e-3
        assert logits_TBV.dtype == torch.float32
        assert [part.dtype for part in state.parts_LBH] == [torch.float16, torch.float32]


def test_advance_updates_the_state_in_place(launch: Launch) -> None:
    model = network()
    _, expected = model(CODES_TB, model.initial_state(5))
    for step in (LstmStep(model, torch.float32), LstmStep(model, torch.float32, launch)):
        _, state = all_logits(step)
        for part, expected_part in zip(state.parts_LBH, expected.parts_LBH, strict=True):
            torch.testing.assert_close(part, expected_part, rtol=1e-5, atol=1e-5)


def test_weights_that_changed_in_place_are_read_by_refresh() -> None:
    model, other = network(), network().initialize(6)
    step = LstmStep(model, torch.float32)
    for parameter, new in zip(model.parameters(), other.parameters(), strict=True):
        parameter.copy_(new)
    step.refresh()
    expected_TBV, _ = other(CODES_TB, other.initial_state(5))
    torch.testing.assert_close(all_logits(step)[0], expected_TBV, rtol=1e-5, atol=1e-5)


class KernelCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that start a kernel: all except views and allocations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: Counter[str] = Counter()
        self._is_inside = False

    def count_as_one(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function; a call of it counts as one kernel, as on a GPU."""

        def counted(*arguments: Any) -> Any:
            self.count[name] += 1
            self._is_inside = True
            try:
                return function(*arguments)
            finally:
                self._is_inside = False

        return counted

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name, returns = function._schema.name, function._schema.returns
        is_view = any(value.alias_info and not value.alias_info.is_write for value in returns)
        if not (self._is_inside or is_view or name.startswith("aten::empty")):
            self.count[name] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(temperature=0.8), 8),
        (Filters(temperature=0.8, min_p=0.05), 8),
        (Filters(temperature=0.0, top_k=3), 8),
        (Filters(temperature=0.8, top_k=3), 25),
        (Filters(temperature=0.8, top_p=0.9), 32),
    ],
)
def test_a_character_takes_few_kernels(filters: Filters, expected: int) -> None:
    """The starts of kernels, about 2 us each, take most of the time for one text."""
    kernels = KernelCounter()
    launch = kernels.count_as_one("launch", lambda *arguments: None)

    def count_kernels(length: int) -> int:
        engine = CudaGraphEngine(network(), lambda work: work, launch=launch)
        block = engine._block((length, 4), filters)
        kernels.count.clear()
        with torch.no_grad(), kernels:
            block.run()
        return kernels.count.total()

    assert count_kernels(6) - count_kernels(5) == expected
    assert count_kernels(5) - 5 * expected == 1  # the copy of the last logits


@pytest.mark.parametrize(
    ("filters", "expected"),
    [(Filters(temperature=0.8), 6), (Filters(temperature=0.8, min_p=0.05), 13)],
)
def test_a_draw_by_torch_takes_few_kernels(filters: Filters, expected: int) -> None:
    kernels, draw = KernelCounter(), Draw(filters, torch.device("cpu"))
    uniforms_B, codes_B = torch.zeros(4, dtype=torch.float64), torch.zeros(4, dtype=torch.int64)
    logits_BV = torch.zeros(4, 12)
    with kernels:
        draw(logits_BV, uniforms_B, codes_B)
    assert kernels.count.total() == expected
