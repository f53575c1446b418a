"""The kernels that come with torch: oneDNN on a CPU, cuDNN on an NVIDIA GPU."""

import functools
import warnings

import torch
from torch import Tensor
from torch.nn.functional import embedding, one_hot

from charrnn.config.model import Cell
from charrnn.errors import DeviceWarning
from charrnn.numerics.devices import ignore_compaction_warning
from charrnn.numerics.precision import allow_tf32
from charrnn.recurrence.layer import LayerState, LayerWeights


def run_layer(
    cell: Cell, inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Run one layer with one call of torch; see `charrnn.recurrence.dispatch.run_layer`."""
    if not inputs.is_floating_point():
        inputs, weights = _look_up(inputs, weights)
    on_gpu = inputs.device.type == "cuda"
    call = _call_in_autocast_dtype if on_gpu and torch.is_autocast_enabled("cuda") else _call
    outputs_TBH, last = call(cell, inputs, state, weights)
    pairs = zip(last, state, strict=True)
    return outputs_TBH, tuple(part.to(initial.dtype) for part, initial in pairs)


def _call(
    cell: Cell, inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Call torch's function for a layer; return the outputs and the last state."""
    states = [part.unsqueeze(0) for part in state]
    arguments = (list(weights), True, 1, 0.0, torch.is_grad_enabled(), False, False)
    with ignore_compaction_warning(inputs.device):
        if cell == "lstm":
            outputs_TBH, *last = torch.lstm(inputs, states, *arguments)
        else:
            kernel = torch.gru if cell == "gru" else torch.rnn_tanh
            outputs_TBH, *last = kernel(inputs, states[0], *arguments)
    return outputs_TBH, tuple(part.squeeze(0) for part in last)


def _call_in_autocast_dtype(
    cell: Cell, inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Disable autocast and call torch's function in the dtype of autocast.

    Under autocast, torch computes recurrent layers in float16 on a GPU, whatever its dtype is. If
    cuDNN does not compute in bfloat16, the function runs in TF32.
    """
    dtype, device = torch.get_autocast_dtype("cuda"), inputs.device
    if dtype == torch.bfloat16 and not computes_in_bfloat16(device):
        dtype = torch.float32
    inputs, *tensors = (tensor.to(dtype) for tensor in (inputs, *state, *weights))
    state, weights = tuple(tensors[: len(state)]), LayerWeights(*tensors[len(state) :])
    with torch.autocast("cuda", enabled=False), allow_tf32(device):
        return _call(cell, inputs, state, weights)


@functools.cache
def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether cuDNN computes an LSTM and its gradients in bfloat16 on a GPU.

    It does from version 9.13 on, if torch was built with that (pytorch pull request 164411).
    Otherwise torch either runs its own kernels for each step, which are far slower, or raises
    `RuntimeError`. In that case this function issues a `DeviceWarning`: the layers run in TF32.
    """

    def ones(*shape: int) -> Tensor:
        return torch.ones(shape, dtype=torch.bfloat16, device=device, requires_grad=True)

    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cuda", enabled=False):
        weights = LayerWeights(ones(16, 4), ones(16, 4), ones(16), ones(16))
        try:
            outputs_TBH, _ = _call("lstm", ones(3, 2, 4), (ones(2, 4), ones(2, 4)), weights)
            torch.autograd.grad(outputs_TBH.sum(), list(weights))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
        else:
            if "cudnn" in type(outputs_TBH.grad_fn).__name__.lower():
                return True
            reason = f"torch {torch.__version__} does not use cuDNN for this"
    warnings.warn(
        f"cuDNN does not compute recurrent layers in bfloat16 on this GPU ({reason}): they run in "
        "float32 with TF32 products, which is more exact and slower",
        DeviceWarning,
        stacklevel=2,
    )
    return False


def _look_up(inputs_TB: Tensor, weights: LayerWeights) -> tuple[Tensor, LayerWeights]:
    """Convert codes to the dense inputs that the kernels need.

    These are one-hot vectors (T, B, V), or, for a vocabulary larger than the gates, the looked-up
    columns of the weights (T, B, G) with an identity matrix as input weights. The smaller of the
    two is returned.
    """
    gates, characters = weights.weight_ih_GI.shape
    weight_GV = weights.weight_ih_GI
    if characters <= gates:
        return one_hot(inputs_TB, characters).to(weight_GV.dtype), weights
    identity = torch.eye(gates, dtype=weight_GV.dtype, device=weight_GV.device)
    return embedding(inputs_TB, weight_GV.t()), weights._replace(weight_ih_GI=identity)
