"""The engine for several texts of an LSTM on a CPU: weights packed once, fused gates.

Without rules, each thread samples blocks of characters of its own texts. So the threads do not wait
for each other, also while other programs use a core.

Shape suffixes: K characters of a block or factors of a sum of products, B samples, H units, L
layers, G gate rows (4H: i, f, g, o), V characters, R rows of a table.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import pad

from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Codes
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.numerics.precision import has_bfloat16
from charrnn.numerics.threads import count_parts, divide_streams, start_in_threads
from charrnn.recurrence.cpu.matmul import MatmulFunction, as_array, prepare_row_matmul
from charrnn.sampling.engines.cpu_step_kernels import draw, lstm_cell
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.interface import BlockSamplingEngine, Rows, add_separator
from charrnn.sampling.filters import Filters

_VECTOR = 16  # numbers of the longest vectors of a CPU
_MIN_TEXTS = 32  # per thread, for which blocks were measured to be faster


class PackedEngine(EagerEngine, BlockSamplingEngine):
    """Run an LSTM with packed weights; the model reads the prompt.

    `auto` rounds the products of the layers and their factors to bfloat16 if the CPU has
    instructions for it. Gates, cells and the output layer are float32.
    """

    copies_weights = True
    needs_full_blocks = False
    max_prompt_in_rows = 32  # a step of several rows takes little more time than that of one

    def __init__(self, model: CharRNN, precision: Literal["auto", "float32"] = "auto") -> None:
        super().__init__(model)
        rounds = precision == "auto" and has_bfloat16()
        self.dtype = torch.bfloat16 if rounds else torch.float32
        self._units = model.config.hidden_size
        self._products: list[MatmulFunction] = []
        self._tables_RG: list[NDArray[np.float32]] = []
        """Rows that are added to the products: the biases; in the first layer, the biases plus
        the weights of each character."""
        with torch.inference_mode():
            for n in range(model.config.num_layers):
                layer = model.layer_weights(n)
                weight_GK, table_RG = layer.weight_hh_GH, (layer.bias_ih_G + layer.bias_hh_G)[None]
                if n:
                    weight_GK = torch.cat((layer.weight_ih_GI, weight_GK), dim=1)
                else:
                    table_RG = table_RG + layer.weight_ih_GI.t()
                self._products.append(prepare_row_matmul(weight_GK.to(self.dtype)))
                self._tables_RG.append(as_array(table_RG.contiguous()))
            # Whole vectors of columns: products with 107 columns were a third slower.
            padding = (0, -len(model.output.bias) % _VECTOR)
            self._output_HV = pad(model.output.weight.t(), padding)
            self._output_bias_V = pad(model.output.bias, padding)

    def make_rows(self) -> Rows:
        """Return rows without a text."""
        return PackedRows(self)

    @torch.inference_mode()
    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], State]:
        """Read a prompt from the initial state; see `SamplingEngine`.

        A short prompt is read by steps, as rows of a running batch read it.
        """
        codes_T = add_separator(codes_T, self.separator_code)
        if len(codes_T) > self.max_prompt_in_rows:
            return self._read_prompt(codes_T)
        memory = _StepMemory.from_state(self.initial_state(), self.dtype)
        for code in codes_T.astype(np.int64):
            logits_BV = self.advance(code[None], memory)
        return logits_BV, memory.state()

    def prefers_blocks(self, config: SampleConfig) -> bool:
        """Whether there are enough texts for several threads, and none may end early."""
        can_end = bool(config.stop) or self.separator_code is not None
        return count_parts(config.num_samples, _MIN_TEXTS) > 1 and not can_end

    @torch.inference_mode()
    def step(self, state: State, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], State]:
        """Read one character for each sample."""
        memory = _StepMemory.from_state(state, self.dtype)
        return self.advance(codes_B, memory), memory.state()

    @torch.inference_mode()
    def sample_block(
        self, logits_BV: Any, state: Any, uniforms_KB: NDArray[np.float64], filters: Filters
    ) -> tuple[Callable[[], NDArray[np.int64]], None, "list[Future[_Shard]]"]:
        """Start to sample K characters of each sample; see `BlockSamplingEngine`.

        Each thread goes on to its next block without waiting for the others.
        """
        codes_KB = np.empty(uniforms_KB.shape, np.int64)

        def start(samples: slice) -> _Shard:
            memory = _StepMemory.from_state(state.select_streams(samples), self.dtype)
            return _Shard(samples, memory, logits_BV[samples])

        def run(started: Future[_Shard]) -> _Shard:
            samples, memory, shard_BV = started.result()
            for uniforms_B, codes_B in zip(
                uniforms_KB[:, samples], codes_KB[:, samples], strict=True
            ):
                draw(shard_BV, filters, uniforms_B, codes_B)
                shard_BV = self.advance(codes_B, memory)
            return _Shard(samples, memory, shard_BV)

        shards = state
        if isinstance(state, State):
            parts = divide_streams(uniforms_KB.shape[1], _MIN_TEXTS)
            shards = start_in_threads(start, parts)
        shards = start_in_threads(run, shards)

        def wait() -> NDArray[np.int64]:
            for shard in shards:
                shard.result()
            return codes_KB

        return wait, None, shards

    def advance(self, codes_B: NDArray[np.int64], memory: "_StepMemory") -> NDArray[np.float32]:
        """Read one character for each sample and change the state; return the logits."""
        rows_B, arrays = codes_B, memory.arrays
        for n, (product, table_RG) in enumerate(zip(self._products, self._tables_RG, strict=True)):
            sums_BG = as_array(product(memory.factors[n]))
            lstm_cell(rows_B, table_RG, sums_BG, memory.cells[n], arrays[n], arrays[n + 1])
            rows_B = memory.first_row_B
        # The product of a single row has another order of sums than that of several rows.
        factors_BH = memory.factors[-1].expand(max(2, len(codes_B)), -1)
        logits_BV = torch.addmm(self._output_bias_V, factors_BH, self._output_HV)
        return as_array(logits_BV)[: len(codes_B), : len(self.vocabulary)]


class PackedRows(Rows):
    """Rows in the memory of a step, which has room for all of them."""

    max_rows = 64

    def __init__(self, engine: PackedEngine) -> None:
        self._engine = engine
        states = engine.initial_state().select_streams([0] * self.max_rows)
        self._all_rows = _StepMemory.from_state(states, engine.dtype)
        self._memory = self._all_rows.first(0)

    @torch.inference_mode()
    def append(self, states: Sequence[State]) -> None:
        """Add rows; see `Rows`."""
        first = len(self._memory.first_row_B)
        self._memory = self._all_rows.first(first + len(states))
        for row, state in enumerate(states, first):
            self._all_rows.set_row(row, state)

    @torch.inference_mode()
    def keep(self, rows_B: NDArray[np.int64]) -> None:
        """Keep only these rows."""
        self._all_rows.move_to_front(rows_B)
        self._memory = self._all_rows.first(len(rows_B))

    @torch.inference_mode()
    def state(self, row: int) -> State:
        """Return a copy of the state of a row."""
        return self._memory.state().select_streams([row])

    @torch.inference_mode()
    def advance(self, codes_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one character for each row."""
        return self._engine.advance(codes_B, self._memory)

    def draw(
        self, logits_BV: NDArray[np.float32], filters: Filters, uniforms_B: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Sample one code for each row."""
        codes_B = np.empty(len(logits_BV), np.int64)
        draw(logits_BV, filters, uniforms_B, codes_B)
        return codes_B


class _StepMemory:
    """The state of some samples, in the memory of a step."""

    def __init__(self, cells_LBH: torch.Tensor, factors: list[torch.Tensor]) -> None:
        self._cells_LBH, self._units = cells_LBH, cells_LBH.shape[2]
        self.cells = as_array(cells_LBH)
        self.factors = factors
        """Factors of the layers' products: the inputs of a layer next to its own units, so that one
        product has both. Last, in float32, those of the output layer."""
        self.arrays = [as_array(factors_BK) for factors_BK in factors]
        self.first_row_B = np.zeros(cells_LBH.shape[1], np.int64)

    @classmethod
    def from_state(cls, state: State, dtype: torch.dtype) -> "_StepMemory":
        """Copy a state; its hidden units are rounded to `dtype`."""
        hidden_LBH, cells_LBH = state.parts_LBH
        layers, samples, units = cells_LBH.shape
        factors = [
            torch.empty(samples, units * (2 if n else 1), dtype=dtype) for n in range(layers)
        ]
        for factors_BK, hidden_BH in zip(factors, hidden_LBH, strict=True):
            factors_BK[:, -units:] = hidden_BH
        factors.append(torch.empty(samples, units))
        return cls(cells_LBH.clone(memory_format=torch.contiguous_format), factors)

    def first(self, samples: int) -> "_StepMemory":
        """Return the first samples, in the same memory."""
        factors = [factors_BK[:samples] for factors_BK in self.factors]
        return _StepMemory(self._cells_LBH[:, :samples], factors)

    def set_row(self, row: int, state: State) -> None:
        """Replace the state of a sample by that of one text."""
        hidden_L1H, cells_L1H = state.parts_LBH
        for factors_BK, hidden_1H in zip(self.factors, hidden_L1H, strict=False):
            factors_BK[row, -self._units :] = hidden_1H[0]
        self._cells_LBH[:, row] = cells_L1H[:, 0]

    def move_to_front(self, rows_B: NDArray[np.int64]) -> None:
        """Move these samples to the front, in this order."""
        if np.array_equal(rows_B, np.arange(len(rows_B))):
            return
        rows = torch.from_numpy(rows_B)
        for factors_BK in self.factors:
            factors_BK[: len(rows)] = factors_BK[rows]
        self._cells_LBH[:, : len(rows)] = self._cells_LBH[:, rows]

    def state(self) -> State:
        """Return the state; the next step changes its cells."""
        hidden_LBH = torch.stack(
            [factors_BK[:, -self._units :] for factors_BK in self.factors[:-1]]
        )
        return State((hidden_LBH, self._cells_LBH))


class _Shard(NamedTuple):
    """The samples of one thread, after a block."""

    samples: slice
    memory: _StepMemory
    logits_BV: NDArray[np.float32]
