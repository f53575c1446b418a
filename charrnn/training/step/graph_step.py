"""A training step as one CUDA graph: started by a single call, and nobody waits for it to end.

A graph reads and writes the same memory each time it is replayed, so what steps differ in is copied
there first, and weights, moments and state stay where they are. Not measured on a GPU.
"""

import dataclasses
import functools

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.numerics.cuda_graph import Capture, Work, cuda_graph, graph_or_eager
from charrnn.training.step.inputs import StepInputs
from charrnn.training.step.train_step import Sync, TrainStep


class GraphedTrainStep(TrainStep):
    """A `TrainStep` of one process on a GPU, whose steps follow each other without waiting.

    Where a step cannot be captured it is computed as it comes, which is said once.
    """

    is_async = True

    def __init__(
        self,
        model: CharRNN,
        config: ResolvedTrainConfig,
        streams: slice,
        capture: Capture = cuda_graph,
    ) -> None:
        super().__init__(model, config, streams)
        self._capture = capture
        self._replay: Work | None = None
        self._learning_rate = torch.zeros((), device=model.device)
        self._ema_weight = torch.zeros((), device=model.device)
        for group in self._optimizer.param_groups:
            group.update(lr=self._learning_rate, capturable=True)
        self._optimizer._warned_capturable_if_run_uncaptured = True

    def __call__(self, inputs: StepInputs, sync: Sync) -> Tensor:
        """Take a step; see `TrainStep`. A single process has no gradients to average."""
        replay = self._replay or self._prepared(inputs)
        self._fill(inputs)
        replay()
        return self._loss_and_norm.clone()

    def _prepared(self, inputs: StepInputs) -> Work:
        """Capture a step, and undo what the rehearsals did, even if one of them fails."""
        there = functools.partial(torch.empty_like, device=self.model.device)
        self._static = dataclasses.replace(
            inputs,
            window_TB=there(inputs.window_TB),
            mask_bytes={name: there(bytes_) for name, bytes_ in inputs.mask_bytes.items()},
        )
        self._fill(inputs)
        moving = [*self.model.parameters(), *self.average.parameters(), *self.state.parts_LBH]
        moving += [each for moments in self._optimizer.state.values() for each in moments.values()]
        kept = [each.detach().clone() for each in moving]
        try:
            self._replay = graph_or_eager(self._work, "a training step", self._capture)
        finally:
            with torch.no_grad():
                for each, before in zip(moving, kept, strict=True):
                    each.copy_(before)
        return self._replay

    def _fill(self, inputs: StepInputs) -> None:
        """Copy what this step differs in to where the graph reads it, without waiting."""
        self._static.window_TB.copy_(_pinned(inputs.window_TB), non_blocking=True)
        for name, bytes_ in inputs.mask_bytes.items():
            self._static.mask_bytes[name].copy_(_pinned(bytes_), non_blocking=True)
        self._learning_rate.fill_(inputs.learning_rate)
        self._ema_weight.fill_(inputs.ema_weight)

    def _work(self) -> None:
        self._loss_and_norm = self._compute(self._static, self._ema_weight, lambda loss: loss)

    def _store_state(self, state: State) -> None:
        for mine, new in zip(self.state.parts_LBH, state.parts_LBH, strict=True):
            mine.copy_(new)


def _pinned(tensor: Tensor) -> Tensor:
    """Return memory that a GPU can read by itself; torch keeps it until it has."""
    wanted = tensor.device.type == "cpu" and torch.cuda.is_available()
    return tensor.pin_memory() if wanted else tensor
