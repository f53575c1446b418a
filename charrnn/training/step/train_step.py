"""One training step: it updates the weights, their average and the carried state.

Shape suffixes: T steps, B streams, V characters of the vocabulary, L layers, H units.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.config.training import ResolvedTrainConfig
from charrnn.errors import CheckpointError
from charrnn.model.dropout import make_masks
from charrnn.model.network import Arrays, CharRNN, to_array
from charrnn.model.state import State
from charrnn.numerics.precision import allow_tf32, autocast
from charrnn.training.step.inputs import ReadInputs, StepInputs
from charrnn.training.step.optimization import make_optimizer, update_average

Sync = Callable[[Tensor], Tensor]
"""Averages the gradients over all processes; takes and returns the loss."""


class TrainStep:
    """A training step, with what it updates: weights, optimizer, averaged weights, carried state.

    The state is that of `streams`, the streams that this process reads; it starts with zeros.
    """

    is_async = False
    """Whether a call only starts a step, so that waiting for each result costs time."""

    def __init__(self, model: CharRNN, config: ResolvedTrainConfig, streams: slice) -> None:
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.state = model.initial_state(streams.stop - streams.start)
        self._config = config
        self._streams = streams
        self._optimizer = make_optimizer(model, config)

    def __call__(self, read_inputs: ReadInputs, sync: Sync) -> Tensor:
        """Take a step; return the loss in nats per character, and the norm of its gradient.

        On a GPU, nothing here waits for it, except `sync` of several processes.
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
            logits_NV = logits_TBV.flatten(0, 1) / temperature
            loss = cross_entropy(logits_NV, y_TB.flatten())
            self._optimizer.zero_grad()
            scale = _loss_scale(y_TB.numel()) if precision == "float16" else 1
            scaled = loss * scale if scale > 1 else loss
            scaled.backward()  # type: ignore[no-untyped-call]
        if scale > 1:
            parameters = self.model.parameters()
            torch._foreach_div_([each.grad for each in parameters if each.grad is not None], scale)
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

    def arrays(self, whole_state: State) -> dict[str, Any]:
        """Return, by name, everything that resuming needs except the averaged weights.

        `whole_state` is the state of the streams of all processes.
        """
        arrays: dict[str, Any] = {}
        for name, parameter in self.model.named_parameters():
            moments = self._optimizer.state[parameter]
            arrays[f"weights.{name}"] = to_array(parameter)
            arrays[f"first.{name}"] = to_array(moments["exp_avg"])
            arrays[f"second.{name}"] = to_array(moments["exp_avg_sq"])
        for number, part in enumerate(whole_state.parts_LBH):
            arrays[f"state.{number}"] = to_array(part)
        return arrays

    @torch.no_grad()
    def restore(self, model: Arrays, arrays: Arrays, step: int) -> None:
        """Load the averaged weights `model` and what `arrays` returned after `step` steps.

        Raises `CheckpointError` if they do not fit.
        """
        groups: dict[str, dict[str, Any]] = {"weights": {}, "first": {}, "second": {}, "state": {}}
        for name, array in arrays.items():
            group, _, rest = name.partition(".")
            groups.setdefault(group, {})[rest] = array
        self.average.set_arrays(model)
        self.model.set_arrays(groups["weights"])
        for name, parameter in self.model.named_parameters():
            moments = self._optimizer.state[parameter]
            moments["step"].fill_(step)
            for group, moment in (("first", "exp_avg"), ("second", "exp_avg_sq")):
                moments[moment].copy_(_fitting(groups[group], name, tuple(parameter.shape)))
        for number, part in enumerate(self.state.parts_LBH):
            layers, _, units = part.shape
            whole = (layers, self._config.batch_size, units)
            part.copy_(_fitting(groups["state"], f"{number}", whole)[:, self._streams])


def _loss_scale(characters: int) -> int:
    """Return what float16 gradients are multiplied by, so that small ones are not rounded to zero.

    The power of two that makes of the mean loss about the sum: the gradient of a single character's
    logits is then at most 1, where float16 is at its best (Micikevicius et al., 2018).
    """
    scale: int = 1 << (characters - 1).bit_length()
    return scale


def _fitting(arrays: Arrays, name: str, shape: tuple[int, ...]) -> Tensor:
    if name not in arrays or arrays[name].shape != shape:
        raise CheckpointError(
            f"the checkpoint does not fit what it resumes: {name} should have the shape {shape}"
        )
    return torch.from_numpy(arrays[name])
