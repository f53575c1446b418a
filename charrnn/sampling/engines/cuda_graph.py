"""The writer on a GPU: many characters as one CUDA graph, sampling included.

The random numbers come from outside, so the text is that of any other writer, but for how products
are rounded. Not measured on a GPU.

Shape suffixes: K characters of a block, B samples, V characters of the vocabulary.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from charrnn.config.sampling import SampleConfig
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.numerics.cuda_graph import Capture, Work, cuda_graph
from charrnn.sampling.engines.eager import TorchWriter
from charrnn.sampling.engines.interface import BlockWriter
from charrnn.sampling.filters import distribution, sample_codes


@dataclass(frozen=True)
class _Block:
    """A captured block, and the memory that it reads and writes."""

    replay: Work
    logits_BV: Tensor
    state: State
    uniforms_KB: Tensor
    codes_KB: Tensor


class GraphWriter(TorchWriter, BlockWriter):
    """Drive a `CharRNN` a block of characters at a time; see `BlockWriter`."""

    def __init__(self, model: CharRNN, capture: Capture = cuda_graph) -> None:
        super().__init__(model)
        self._capture = capture
        self._blocks: dict[tuple[object, ...], _Block] = {}

    @torch.inference_mode()
    def sample_block(
        self,
        logits_BV: NDArray[np.float32],
        state: State,
        uniforms_KB: NDArray[np.float64],
        config: SampleConfig,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], State]:
        """Sample and read K characters of each sample."""
        block = self._block(uniforms_KB.shape, config)
        block.logits_BV.copy_(torch.from_numpy(logits_BV))
        block.uniforms_KB.copy_(torch.from_numpy(uniforms_KB))
        for mine, given in zip(block.state.parts_LBH, state.parts_LBH, strict=True):
            mine.copy_(given)
        block.replay()
        after = State(tuple(part.clone() for part in block.state.parts_LBH))
        return block.codes_KB.cpu().numpy(), block.logits_BV.cpu().numpy().copy(), after

    def _block(self, shape: tuple[int, ...], config: SampleConfig) -> _Block:
        """Return the block for these sizes and filters, captured when first asked for."""
        key = (shape, config.temperatures, config.top_k, config.top_p, config.min_p)
        if key not in self._blocks:
            length, samples = shape
            device, vocabulary = self._model.device, len(self.vocabulary)
            logits_BV = torch.zeros(samples, vocabulary, device=device)
            state = self._model.initial_state(samples)
            uniforms_KB = torch.zeros(length, samples, dtype=torch.float64, device=device)
            codes_KB = torch.zeros(length, samples, dtype=torch.int64, device=device)

            def work() -> None:
                latest, carried = logits_BV, state
                for uniforms_B, codes_B in zip(uniforms_KB, codes_KB, strict=True):
                    codes_B.copy_(sample_codes(distribution(latest, config), uniforms_B))
                    latest, carried = self._after(codes_B, carried)
                logits_BV.copy_(latest)
                for mine, new in zip(state.parts_LBH, carried.parts_LBH, strict=True):
                    mine.copy_(new)

            replay = self._capture(work)
            self._blocks[key] = _Block(replay, logits_BV, state, uniforms_KB, codes_KB)
        return self._blocks[key]

    def _after(self, codes_B: Tensor, state: State) -> tuple[Tensor, State]:
        """Read a character of each sample: in few kernels for an LSTM of no huge vocabulary."""
        config, characters = self._model.config, len(self.vocabulary)
        if config.cell != "lstm" or characters > 4 * config.hidden_size:
            logits_1BV, state = self._model(codes_B[None], state)
            return logits_1BV[0], state
        inputs = one_hot(codes_B, characters).to(self._model.output.weight.dtype)
        states = []
        for layer in range(config.num_layers):
            states.append(
                torch.lstm_cell(inputs, state.layer(layer), *self._model.layer_weights(layer))
            )
            inputs = states[-1][0]
        parts = tuple(torch.stack(part) for part in zip(*states, strict=True))
        return self._model.output(inputs), State(parts)
