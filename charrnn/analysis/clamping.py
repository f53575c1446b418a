"""Clamp units of a model to fixed activities, and measure the effect on the predictions.

Only the weights change, so a clamped model works with all engines. The cell of a clamped lstm unit
has its forget gate closed, its input gate open and a candidate of 1, so it is 1 after every
character. The weights that read the unit are scaled to give the requested activity. The output
gate is unchanged.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softmax

from charrnn.analysis.units import Unit
from charrnn.data.vocabulary import Codes
from charrnn.errors import ConfigError
from charrnn.model.document_forward import forward_documents
from charrnn.model.forward import check_length, forward_chunks
from charrnn.model.network import CharRNN

_SATURATED = 100.0  # a bias that fully opens a gate in float32; if negative, it closes the gate
_MAX_ACTIVITY = 0.9999  # largest argument of atanh


@dataclass(frozen=True)
class Effect:
    """How clamping changes the predictions along a text.

    `divergence` is the mean Kullback-Leibler divergence of the clamped model's predictions from the
    original model's, in nats per character. `changes` are characters with their mean probabilities
    in the original and in the clamped model, largest change first.
    """

    divergence: float
    changes: tuple[tuple[str, float, float], ...]


def _compute_logits(model: CharRNN, codes: Codes) -> Tensor:
    """Return the logits (N, V) of each character of documents, or after each of a text."""
    if model.separator_code is not None:
        chunks = forward_documents(model, codes, len(codes))
        return torch.cat([chunk.logits_TBV[chunk.is_target_TB] for chunk in chunks]).double()
    (chunk,) = forward_chunks(model, codes[:, None], chunk_size=len(codes))
    return chunk.logits_TBV[:, 0].double()


def measure_effect(
    original: CharRNN, clamped_model: CharRNN, codes: Codes, count: int = 6
) -> Effect:
    """Compare the predictions of two models along a text (N,) of a few thousand characters.

    The result lists the `count` characters whose probabilities change most.
    """
    check_length(codes, separator_code=original.separator_code)
    original_NV, clamped_NV = (_compute_logits(model, codes) for model in (original, clamped_model))
    p_NV, q_NV = softmax(original_NV, -1), softmax(clamped_NV, -1)
    log_ratio_NV = original_NV.log_softmax(-1) - clamped_NV.log_softmax(-1)
    p_V, q_V = p_NV.mean(0), q_NV.mean(0)
    changed_codes = (q_V - p_V).abs().argsort(descending=True)[:count].tolist()
    return Effect(
        divergence=float((p_NV * log_ratio_NV).sum(-1).mean()),
        changes=tuple(
            (original.vocabulary.characters[code], float(p_V[code]), float(q_V[code]))
            for code in changed_codes
        ),
    )


@torch.no_grad()
def clamp_units(model: CharRNN, activities: Mapping[Unit, float]) -> CharRNN:
    """Return a copy of the model whose units have these activities (-1 to 1) at every character."""
    result = copy.deepcopy(model)
    units = model.config.hidden_size
    for unit, activity in activities.items():
        if not -1 <= activity <= 1:
            raise ConfigError(
                f"the activity of unit {unit} must be between -1 and 1, not {activity:g}"
            )
        index = unit.number - 1
        weights = result.layer_weights(unit.layer - 1)
        for gate, bias in enumerate(_clamp_biases(model.config.cell, activity)):
            if bias is not None:
                row = gate * units + index
                for parameter in weights:
                    parameter[row] = 0
                weights.bias_ih_G[row] = bias
        if model.config.cell == "lstm":
            scale = activity / math.tanh(1)
            weights.weight_hh_GH[:, index] *= scale
            if unit.layer == model.config.num_layers:
                reading_weights = result.output.weight
            else:
                reading_weights = result.layer_weights(unit.layer).weight_ih_GI
            reading_weights[:, index] *= scale
    return result


def _clamp_biases(cell: str, activity: float) -> tuple[float | None, ...]:
    """Return the gate biases that clamp a unit; None leaves a gate unchanged."""
    candidate = math.atanh(max(-_MAX_ACTIVITY, min(_MAX_ACTIVITY, activity)))
    if cell == "lstm":
        return _SATURATED, -_SATURATED, _SATURATED, None
    if cell == "gru":
        return 0.0, -_SATURATED, candidate
    return (candidate,)
