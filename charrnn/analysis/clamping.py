"""What a model writes while units of it are held at an activity, whatever they read.

A unit is held by its weights alone, so that every engine and every writer serves. An lstm cell
that forgets all and takes in a candidate of 1 is at 1 after every character; what reads it is
scaled, so that it sees the activity asked for. The output gate goes on as it did.
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
from charrnn.model.forward import check_length, forward_chunks
from charrnn.model.network import CharRNN

_SHUT = 100.0  # added up by a gate, it is open, or shut, to the last bit of a float32
_MOST = 0.9999


@dataclass(frozen=True)
class Effect:
    """What forcing changes in what is foretold along a text.

    `divergence` is the mean Kullback-Leibler divergence of the forced model's forecasts from the
    free one's, in nats per character; `changes` are characters with their mean probabilities, free
    and forced, those that change most first.
    """

    divergence: float
    changes: tuple[tuple[str, float, float], ...]


def _logits(model: CharRNN, codes: Codes) -> Tensor:
    """Return the logits (N, V) after each character of a text, from one pass."""
    (chunk,) = forward_chunks(model, codes[:, None], chunk_size=len(codes))
    return chunk.logits_TBV[:, 0].double()


def effect(free: CharRNN, held: CharRNN, codes: Codes, most: int = 6) -> Effect:
    """Return what differs in the forecasts of two models along a text (N,) of a few thousand."""
    check_length(codes)
    free_NV, held_NV = (_logits(model, codes) for model in (free, held))
    p_NV, q_NV = softmax(free_NV, -1), softmax(held_NV, -1)
    log_ratio_NV = free_NV.log_softmax(-1) - held_NV.log_softmax(-1)
    p_V, q_V = p_NV.mean(0), q_NV.mean(0)
    changed = (q_V - p_V).abs().argsort(descending=True)[:most].tolist()
    return Effect(
        divergence=float((p_NV * log_ratio_NV).sum(-1).mean()),
        changes=tuple(
            (free.vocabulary.characters[code], float(p_V[code]), float(q_V[code]))
            for code in changed
        ),
    )


@torch.no_grad()
def forced(model: CharRNN, activities: Mapping[Unit, float]) -> CharRNN:
    """Return a copy of the model with units at activities, from -1 to 1, after every character."""
    result = copy.deepcopy(model)
    units = model.config.hidden_size
    for unit, activity in activities.items():
        if not -1 <= activity <= 1:
            raise ConfigError(f"an activity is between -1 and 1, not {activity:g}")
        j = unit.number - 1
        weights = result.layer_weights(unit.layer - 1)
        for gate, bias in enumerate(_held(model.config.cell, activity)):
            if bias is not None:
                row = gate * units + j
                for each in weights:
                    each[row] = 0
                weights.bias_ih_G[row] = bias
        if model.config.cell == "lstm":
            scale = activity / math.tanh(1)
            weights.weight_hh_GH[:, j] *= scale
            last = unit.layer == model.config.num_layers
            above = result.output.weight if last else result.layer_weights(unit.layer).weight_ih_GI
            above[:, j] *= scale
    return result


def _held(cell: str, activity: float) -> tuple[float | None, ...]:
    """Return the biases of a unit's gates that hold it; None leaves a gate as it is."""
    candidate = math.atanh(max(-_MOST, min(_MOST, activity)))
    if cell == "lstm":
        return _SHUT, -_SHUT, _SHUT, None
    if cell == "gru":
        return 0.0, -_SHUT, candidate
    return (candidate,)
