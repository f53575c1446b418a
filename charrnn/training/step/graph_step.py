"""A training step as one CUDA graph: a single call starts it and does not wait for its end.

A graph reads and writes the same memory at each replay. So the inputs, the weights, the moments and
the state have fixed addresses.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.numerics.cuda_graph import Capture, Work, cuda_graph, graph_or_eager
from charrnn.training.step.inputs import ReadInputs
from charrnn.training.step.train_step import Sync, TrainStep


class GraphedTrainStep(TrainStep):
    """A `TrainStep` of one process on a GPU, whose steps follow each other without waiting.

    If a step cannot be captured, its kernels are started one by one, with a warning.
    """

    is_async = True

    def __init__(
        self,
        model: CharRNN,
        config: ResolvedTrainConfig,
        streams: slice,
        teachers: Sequence[CharRNN] = (),
        capture: Capture = cuda_graph,
    ) -> None:
        super().__init__(model, config, streams, teachers)
        self._capture = capture
        self._replay: Work | None = None

    def __call__(self, read_inputs: ReadInputs, sync: Sync) -> Tensor:
        """Take a step; see `TrainStep`. A single process has no gradients to average.

        The first call captures `read_inputs`: it must read the same memory in all later steps.
        """
        if self._replay is None:
            self._replay = self._capture_step(read_inputs)
        self._replay()
        return self._loss_and_norm.clone()

    def _capture_step(self, read_inputs: ReadInputs) -> Work:
        """Capture a step, and undo what the warm-up calls did, even if one of them fails."""

        def work() -> None:
            self._loss_and_norm = self._compute(read_inputs(), lambda loss: loss)

        tensors: list[Tensor] = [*self.model.parameters(), *self.average.parameters()]
        tensors += [part for state in self.states for part in state.parts_LBH]
        for moments in self._optimizer.moments.values():
            tensors += moments
        copies = [tensor.detach().clone() for tensor in tensors]
        try:
            return graph_or_eager(work, "a training step", self._capture)
        finally:
            with torch.no_grad():
                for tensor, copied in zip(tensors, copies, strict=True):
                    tensor.copy_(copied)

    def _store_state(self, state: State) -> None:
        torch._foreach_copy_(self.state.parts_LBH, state.parts_LBH)
