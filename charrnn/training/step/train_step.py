"""One training step. It updates the weights, their average and the carried state.

Shape suffixes: T steps, B streams, V characters of the vocabulary, L layers, H units.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig
from charrnn.errors import CheckpointError
from charrnn.model.dropout import make_masks
from charrnn.model.loss import cross_entropy_loss
from charrnn.model.network import Arrays, CharRNN, to_array
from charrnn.model.state import State
from charrnn.numerics.precision import allow_tf32, autocast
from charrnn.training.step.inputs import ReadInputs, StepInputs
from charrnn.training.step.optimization import make_optimizer, update_average

Sync = Callable[[Tensor], Tensor]
"""Averages the gradients over all processes; takes and returns the loss."""


class TrainStep:
    """A training step and everything that it updates.

    These are the weights, the optimizer, the averaged weights, and the carried state of `streams`,
    the streams of this process. The initial state is zero.
    """

    is_async = False
    """Whether a call returns before the step has finished."""

    def __init__(self, model: CharRNN, config: ResolvedTrainConfig, streams: slice) -> None:
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.state = model.initial_state(streams.stop - streams.start)
        self._config = config
        self._streams = streams
        self._optimizer = make_optimizer(model, config)

    def __call__(self, read_inputs: ReadInputs, sync: Sync) -> Tensor:
        """Take a step; return the loss in nats per character and the gradient norm before clipping.

        On a GPU, the call does not wait for the result, except in `sync` of several processes.
        """
        return self._compute(read_inputs(), sync)

    def _compute(self, inputs: StepInputs, sync: Sync) -> Tensor:
        for group in self._optimizer.param_groups:
            group["lr"] = inputs.learning_rate
        precision, temperature = self._config.precision, self._config.loss_temperature
        x_TB, y_TB = inputs.window_TB[:-1], inputs.window_TB[1:]
        masks = make_masks(inputs.mask_bytes, self._config).select_streams(self._streams)
        with allow_tf32(self.model.device):
            with autocast(self.model.device, precision):
                logits_TBV, state = self.model(x_TB, self.state, masks)
            loss = cross_entropy_loss(logits_TBV.flatten(0, 1), y_TB.flatten(), temperature)
            self._optimizer.zero_grad()
            scale = _loss_scale(y_TB.numel()) if precision == "float16" else 1
            scaled_loss = loss * scale if scale > 1 else loss
            scaled_loss.backward()  # type: ignore[no-untyped-call]
        if scale > 1:
            gradients = [parameter.grad for parameter in self.model.parameters()]
            torch._foreach_div_([grad for grad in gradients if grad is not None], scale)
        loss = sync(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._config.clip_norm)
        self._optimizer.step()
        update_average(self.average, self.model, inputs.ema_weight)
        self._store_state(state.detach())
        return torch.stack((loss, norm)).double()

    def _store_state(self, state: State) -> None:
        self.state = state

    def reset_state(self) -> None:
        """Set the state of all streams to zero."""
        for part in self.state.parts_LBH:
            part.zero_()

    def arrays(self, full_state: State) -> dict[str, Any]:
        """Return everything that a resume needs except the averaged weights, by name.

        `full_state` is the state of the streams of all processes.
        """
        arrays: dict[str, Any] = {}
        for name, parameter in self.model.named_parameters():
            moments = self._optimizer.state[parameter]
            arrays[f"weights.{name}"] = to_array(parameter)
            arrays[f"first.{name}"] = to_array(moments["exp_avg"])
            arrays[f"second.{name}"] = to_array(moments["exp_avg_sq"])
        for number, part in enumerate(full_state.parts_LBH):
            arrays[f"state.{number}"] = to_array(part)
        return arrays

    @torch.no_grad()
    def restore(self, average: Arrays, arrays: Arrays, step: int) -> None:
        """Load the averaged weights, and the result of `arrays` after `step` steps.

        Raises `CheckpointError` if an array is missing or has another shape.
        """
        groups: dict[str, dict[str, Any]] = {"weights": {}, "first": {}, "second": {}, "state": {}}
        for name, array in arrays.items():
            group, _, name_in_group = name.partition(".")
            groups.setdefault(group, {})[name_in_group] = array
        self.average.set_arrays(average)
        self.model.set_arrays(groups["weights"])
        for name, parameter in self.model.named_parameters():
            moments = self._optimizer.state[parameter]
            moments["step"].fill_(step)
            for group, moment in (("first", "exp_avg"), ("second", "exp_avg_sq")):
                moments[moment].copy_(_checked_tensor(groups[group], name, tuple(parameter.shape)))
        for number, part in enumerate(self.state.parts_LBH):
            layers, _, units = part.shape
            full_shape = (layers, self._config.batch_size, units)
            full = _checked_tensor(groups["state"], f"{number}", full_shape)
            part.copy_(full[:, self._streams])


def _loss_scale(characters: int) -> int:
    """Return the loss scale for float16, which keeps small gradients from being rounded to zero.

    It is a power of two that makes the mean loss about as large as the sum of losses. The gradient
    of the logits of one character is then at most 1, where float16 is precise (Micikevicius et al.,
    2018).
    """
    scale: int = 1 << (characters - 1).bit_length()
    return scale


def _checked_tensor(arrays: Arrays, name: str, shape: tuple[int, ...]) -> Tensor:
    """Return the array `name` as a tensor; raise `CheckpointError` unless it has this shape."""
    if name not in arrays or arrays[name].shape != shape:
        raise CheckpointError(
            f"the checkpoint does not match the settings of its run: the array {name} is missing "
            f"or does not have the shape {shape}",
            "check the files of the run with `charrnn verify`",
        )
    return torch.from_numpy(arrays[name])
