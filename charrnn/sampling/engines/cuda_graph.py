"""The engine for a GPU: it samples a block of characters as one CUDA graph.

The caller passes the random numbers. So the text is the same as that of other engines, except for
the rounding of products.

Shape suffixes: K characters of a block, B samples, V characters of the vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.data.vocabulary import Codes
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.numerics.cuda_graph import (
    Capture,
    CaptureError,
    Work,
    cuda_graph,
    warn_not_captured,
)
from charrnn.sampling.engines import step_kernels
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.interface import BlockSamplingEngine
from charrnn.sampling.engines.network_step import LstmStep, ModelStep, NetworkStep
from charrnn.sampling.engines.step_kernels import Launch, usable_launch
from charrnn.sampling.filters import Filters, apply_min_p, distribution


@dataclass(frozen=True)
class _Block:
    """A function that samples a block, and the memory that it reads and writes."""

    run: Work
    logits_BV: Tensor
    state: State
    uniforms_KB: Tensor
    codes_KB: Tensor


class CudaGraphEngine(EagerEngine, BlockSamplingEngine):
    """Run a `CharRNN` one block of characters at a time; see `BlockSamplingEngine`.

    Blocks are always full, because a GPU captures each length separately.

    `launch` launches the kernels of `step_kernels`; by default, a GPU uses them if it can.

    `auto` rounds the factors of an LSTM's products to float16 on a GPU: weights, and hidden units
    between -1 and 1. Sums, gates, cells and the output layer stay float32, and the prompt is read
    in float32. The bundled model's loss on held-out text changes by less than 0.0001 bits per
    character (`benchmarks/sampling_rounding.py`).
    """

    def __init__(
        self,
        model: CharRNN,
        capture: Capture = cuda_graph,
        precision: Literal["auto", "float32"] = "auto",
        launch: Launch | None = None,
    ) -> None:
        super().__init__(model)
        self._capture = capture
        self._launch = launch or usable_launch(model.device)
        self._blocks: dict[tuple[object, ...], _Block] = {}
        rounds = precision == "auto" and model.device.type == "cuda"
        self._step: NetworkStep = (
            LstmStep(model, torch.float16 if rounds else torch.float32, self._launch)
            if model.config.cell == "lstm"
            else ModelStep(model)
        )

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], State]:
        """Read a prompt from the initial state; see `SamplingEngine`."""
        self._step.refresh()
        return super().read(codes_T)

    @torch.inference_mode()
    def sample_block(
        self, logits_BV: Any, state: State, uniforms_KB: NDArray[np.float64], filters: Filters
    ) -> tuple[Callable[[], NDArray[np.int64]], Tensor, State]:
        """Start to sample K characters of each sample; see `BlockSamplingEngine`."""
        block = self._block(uniforms_KB.shape, filters)
        block.logits_BV.copy_(torch.as_tensor(logits_BV))
        for target, part in zip(block.state.parts_LBH, state.parts_LBH, strict=True):
            target.copy_(part)
        uniforms = torch.from_numpy(uniforms_KB)
        if block.uniforms_KB.is_cuda:
            uniforms = uniforms.pin_memory()  # otherwise the copy waits for the previous block
        block.uniforms_KB.copy_(uniforms, non_blocking=True)
        block.run()
        new_state = State(
            tuple(
                part.new_empty(part.shape).copy_(new_part)
                for new_part, part in zip(block.state.parts_LBH, state.parts_LBH, strict=True)
            )
        )
        return _start_copy_to_cpu(block.codes_KB), block.logits_BV.clone(), new_state

    def _block(self, shape: tuple[int, ...], filters: Filters) -> _Block:
        """Return the block for these sizes and filters; capture it at the first call."""
        key = (shape, filters)
        if key not in self._blocks:
            length, samples = shape
            device = self._model.device
            logits_BV = torch.zeros(samples, len(self.vocabulary), device=device)
            state = self._step.allocate(samples)
            uniforms_KB = torch.zeros(length, samples, dtype=torch.float64, device=device)
            codes_KB = torch.zeros(length, samples, dtype=torch.int64, device=device)
            draw = Draw(filters, device, self._launch)

            def work() -> None:
                latest_BV, first = logits_BV, self._step.carried(state)
                carried = first
                for uniforms_B, codes_B in zip(uniforms_KB, codes_KB, strict=True):
                    draw(latest_BV, uniforms_B, codes_B)
                    latest_BV, carried = self._step.advance(codes_B, carried)
                for target, new in zip((logits_BV, *first), (latest_BV, *carried), strict=True):
                    if target is not new:
                        target.copy_(new)

            run = self._capture_or_warn(work)
            self._blocks[key] = _Block(run, logits_BV, state, uniforms_KB, codes_KB)
        return self._blocks[key]

    def _capture_or_warn(self, work: Work) -> Work:
        """Capture work; if that fails, warn, and capture no block from then on."""
        try:
            return self._capture(work)
        except CaptureError as error:
            warn_not_captured("the sampling of text", error)
            self._capture = lambda work: work
            return work


class Draw:
    """Sample a code for each row of logits; fewer filters need fewer kernels.

    The result equals that of `distribution` and `sample_codes`, except for rounding. If there is a
    `launch` and no filter sorts, one kernel computes it.
    """

    def __init__(
        self, filters: Filters, device: torch.device, launch: Launch | None = None
    ) -> None:
        self._filters, self._launch = filters, launch
        self._sorts = filters.top_k is not None or filters.top_p is not None
        # An array, not a scalar: the quotient is then float64 without another kernel.
        self._temperature_1 = torch.tensor(
            [filters.temperature], dtype=torch.float64, device=device
        )

    def __call__(self, logits_BV: Tensor, uniforms_B: Tensor, codes_B: Tensor) -> None:
        """Write the code of each row to `codes_B`."""
        if self._filters.temperature == 0:  # the filters always keep the most likely character
            torch.argmax(logits_BV, dim=1, out=codes_B)
            return
        if self._launch and not self._sorts:
            step_kernels.draw(self._launch, self._filters, logits_BV, uniforms_B, codes_B)
            return
        cumulative_BV = self._weights(logits_BV).cumsum(dim=1)
        thresholds_B1 = uniforms_B[:, None] * cumulative_BV[:, -1:]
        torch.searchsorted(cumulative_BV, thresholds_B1, right=True, out=codes_B[:, None])
        codes_B.clamp_(max=logits_BV.shape[1] - 1)  # if the logits are NaN

    def _weights(self, logits_BV: Tensor) -> Tensor:
        """Return weights that are proportional to the probabilities."""
        if self._sorts:
            p_BV: Tensor = distribution(logits_BV, self._filters)
            return p_BV
        p_BV = torch.softmax(logits_BV / self._temperature_1, dim=1)
        if self._filters.min_p is None:
            return p_BV
        kept_BV: Tensor = apply_min_p(p_BV, self._filters.min_p)
        return kept_BV


def _start_copy_to_cpu(codes_KB: Tensor) -> Callable[[], NDArray[np.int64]]:
    """Start to copy codes to the memory of the CPU; return a function that waits for them."""
    codes: Tensor = codes_KB.to("cpu", non_blocking=True, copy=True)
    event = torch.cuda.Event() if codes_KB.is_cuda else None  # type: ignore[no-untyped-call]
    if event:
        event.record()

    def wait() -> NDArray[np.int64]:
        if event:
            event.synchronize()
        array: NDArray[np.int64] = codes.numpy()
        return array

    return wait
