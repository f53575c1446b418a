"""One training step. It updates the weights, their average and the carried state.

Shape suffixes: L layers, B streams, H units.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig
from charrnn.errors import CheckpointError
from charrnn.model.dropout import make_masks
from charrnn.model.network import Arrays, CharRNN, to_array
from charrnn.model.state import State
from charrnn.numerics.precision import allow_tf32
from charrnn.training.step.gradients import compute_gradients, split_window
from charrnn.training.step.inputs import ReadInputs, StepInputs
from charrnn.training.step.optimization import AdamW, update_average
from charrnn.training.step.teachers import Teachers

Sync = Callable[[Tensor], Tensor]
"""Averages the gradients over all processes; takes and returns the loss."""


class TrainStep:
    """A training step and everything that it updates.

    These are the weights, the optimizer, the averaged weights, and the carried state of `streams`,
    the streams of this process. The initial state is zero. With `teachers`, the network also learns
    from the mean of their predictions.
    """

    is_async = False
    """Whether a call returns before the step has finished."""

    def __init__(
        self,
        model: CharRNN,
        config: ResolvedTrainConfig,
        streams: slice,
        teachers: Sequence[CharRNN] = (),
    ) -> None:
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False)
        num_streams = streams.stop - streams.start
        self.state = model.initial_state(num_streams)
        self._teachers = Teachers(teachers, num_streams, config.precision) if teachers else None
        self._config = config
        self._streams = streams
        self._optimizer = AdamW(model, config)

    def __call__(self, read_inputs: ReadInputs, sync: Sync) -> Tensor:
        """Take a step; return the loss in nats per character and the gradient norm before clipping.

        On a GPU, the call does not wait for the result, except in `sync` of several processes.
        """
        return self._compute(read_inputs(), sync)

    def _compute(self, inputs: StepInputs, sync: Sync) -> Tensor:
        if self.model.separator_code is not None:
            self._reset_streams(inputs.window_TB[0] == self.model.separator_code)
        masks = make_masks(inputs.mask_bytes, self._config).select_streams(self._streams)
        self._optimizer.zero_grad()
        with allow_tf32(self.model.device):
            teacher_TBV = None
            if self._teachers:
                teacher_TBV = self._teachers.predict(split_window(inputs.window_TB)[0])
            loss, state = compute_gradients(
                self.model,
                inputs.window_TB,
                self.state,
                masks,
                precision=self._config.precision,
                temperature=self._config.loss_temperature,
                teacher_TBV=teacher_TBV,
                num_targets=inputs.num_targets,
            )
        loss = sync(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._config.clip_norm)
        self._optimizer.step(inputs.learning_rate)
        update_average(self.average, self.model, inputs.ema_weight)
        self._store_state(state)
        return torch.stack((loss, norm)).double()

    def _store_state(self, state: State) -> None:
        self.state = state

    def _reset_streams(self, starts_B: Tensor) -> None:
        """Set the state of the streams that start a document to zero."""
        for state in self.states:
            for part_LBH in state.parts_LBH:
                part_LBH.masked_fill_(starts_B[:, None], 0)

    def reset_state(self) -> None:
        """Set the state of all streams to zero."""
        for state in self.states:
            for part in state.parts_LBH:
                part.zero_()

    @property
    def states(self) -> tuple[State, ...]:
        """The carried state of the network, then that of each teacher."""
        return (self.state, *(self._teachers.states if self._teachers else ()))

    def arrays(self, full_states: Sequence[State]) -> dict[str, Any]:
        """Return everything that a resume needs except the averaged weights, by name.

        `full_states` are `states`, with the streams of all processes.
        """
        arrays: dict[str, Any] = {}
        for name, parameter in self.model.named_parameters():
            moments = self._optimizer.moments[name]
            arrays[f"weights.{name}"] = to_array(parameter)
            arrays[f"first.{name}"] = to_array(moments.first)
            arrays[f"second.{name}"] = to_array(moments.second)
        for prefix, state in zip(self._state_names(), full_states, strict=True):
            for number, part in enumerate(state.parts_LBH):
                arrays[f"{prefix}.{number}"] = to_array(part)
        return arrays

    def _state_names(self) -> list[str]:
        """Return the prefix of the names of the arrays of each of `states`."""
        return ["state", *(f"teacher-{number}" for number in range(1, len(self.states)))]

    @torch.no_grad()
    def restore(self, average: Arrays, arrays: Arrays, step: int) -> None:
        """Load the averaged weights, and the result of `arrays` after `step` steps.

        Raises `CheckpointError` if an array is missing or has another shape.
        """
        state_names = self._state_names()
        groups: dict[str, dict[str, Any]] = {
            name: {} for name in ("weights", "first", "second", *state_names)
        }
        for name, array in arrays.items():
            group, _, name_in_group = name.partition(".")
            groups.setdefault(group, {})[name_in_group] = array
        self.average.set_arrays(average)
        self.model.set_arrays(groups["weights"])
        for name, parameter in self.model.named_parameters():
            moments = self._optimizer.moments[name]
            moments.step.fill_(step)
            for group, moment in (("first", moments.first), ("second", moments.second)):
                moment.copy_(_checked_tensor(groups[group], name, tuple(parameter.shape)))
        if not step:  # all states are zero, and teachers did not exist yet
            self.reset_state()
            return
        for name, state in zip(state_names, self.states, strict=True):
            for number, part in enumerate(state.parts_LBH):
                layers, _, units = part.shape
                full_shape = (layers, self._config.batch_size, units)
                full = _checked_tensor(groups[name], f"{number}", full_shape)
                part.copy_(full[:, self._streams])


def _checked_tensor(arrays: Arrays, name: str, shape: tuple[int, ...]) -> Tensor:
    """Return the array `name` as a tensor; raise `CheckpointError` unless it has this shape."""
    if name not in arrays or arrays[name].shape != shape:
        raise CheckpointError(
            f"the checkpoint does not match the settings of its run: the array {name} is missing "
            f"or does not have the shape {shape}",
            "check the files of the run with `charrnn verify`",
        )
    return torch.from_numpy(arrays[name])
