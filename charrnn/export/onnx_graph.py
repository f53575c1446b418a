"""A model as an ONNX graph of standard operators, for any runtime (the extra `onnx`).

In go `characters` (T, B), whole numbers, `hidden` (L, B, H) and for an lstm `cell` (L, B, H); out
come `logits` (T, B, V), `hidden_after` and `cell_after`. The vocabulary, in the order of the
numbers, is a JSON list in the metadata.

Shape suffixes: T steps, B streams, V characters, L layers, H units.
"""

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.config.model import ModelConfig
from charrnn.errors import CharrnnError, ConfigError
from charrnn.model.network import CharRNN
from charrnn.model.state import State

TOLERANCE = 1e-4
"""By which logits of the graph may differ from the model's."""

_OPSET, _IR = 17, 8  # of 2022: runtimes since then read it
_OPERATOR = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
# The gates of ONNX's operators, by their places among torch's: i, o, f, c; z, r, h.
_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
_CHECKED = (50, 3)  # steps and streams


def onnx_graph(model: CharRNN) -> bytes:
    """Return the file of a model's graph, held against the model itself by onnxruntime.

    Raises `ConfigError` where onnx or onnxruntime is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            f"an ONNX graph takes {error.name}, which is not installed: pip install "
            '"onnx>=1.17" "onnxruntime>=1.19"'
        ) from None
    graph = _graph(model, onnx.helper, onnx.TensorProto, onnx.numpy_helper)
    made = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], producer_name="charrnn"
    )
    made.ir_version = _IR
    onnx.helper.set_model_props(
        made,
        {
            "vocabulary": json.dumps(model.vocabulary.characters),
            "cell": model.config.cell,
            "line_start": json.dumps(model.line_start),
        },
    )
    onnx.checker.check_model(made)
    data: bytes = made.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    difference = _difference(model, session)
    if not difference <= TOLERANCE:
        raise CharrnnError(
            f"the graph's logits are {difference:.1e} away from the model's, more than "
            f"{TOLERANCE:.0e}: onnxruntime {onnxruntime.__version__} cannot be trusted with it"
        )
    return data


def _graph(model: CharRNN, helper: Any, kinds: Any, numpy_helper: Any) -> Any:
    config, arrays = model.config, model.arrays()
    layers, size = config.num_layers, len(model.vocabulary)
    constants: dict[str, NDArray[Any]] = {
        "size": np.array(size, np.int64),
        "zero_one": np.array([0, 1], np.float32),
        "axis": np.array([1], np.int64),
        "output_weight": arrays["output.weight"].T,
        "output_bias": arrays["output.bias"],
    }
    nodes = [helper.make_node("OneHot", ["characters", "size", "zero_one"], ["inputs_0"], axis=-1)]
    parts = ["hidden", "cell"] if config.cell == "lstm" else ["hidden"]
    for n in range(layers):
        constants |= _layer_constants(n, config, arrays)
        nodes += _layer_nodes(n, config, parts, helper)
    nodes.append(helper.make_node("MatMul", [f"inputs_{layers}", "output_weight"], ["products"]))
    nodes.append(helper.make_node("Add", ["products", "output_bias"], ["logits"]))
    for part in parts:
        after = [f"{part}_after_{n}" for n in range(layers)]
        nodes.append(helper.make_node("Concat", after, [f"{part}_after"], axis=0))
    state = [layers, "B", config.hidden_size]

    def floats(name: str, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, kinds.FLOAT, shape)

    return helper.make_graph(
        nodes,
        "charrnn",
        [
            helper.make_tensor_value_info("characters", kinds.INT64, ["T", "B"]),
            *(floats(part, state) for part in parts),
        ],
        [floats("logits", ["T", "B", size]), *(floats(f"{part}_after", state) for part in parts)],
        [
            numpy_helper.from_array(np.ascontiguousarray(array), name)
            for name, array in constants.items()
        ],
    )


def _layer_constants(
    n: int, config: ModelConfig, arrays: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    def reordered(name: str) -> NDArray[Any]:
        return _reordered(arrays[f"{name}_l{n}"], _GATES[config.cell], config.hidden_size)

    biases = [reordered("bias_ih"), reordered("bias_hh")]
    return {
        f"weight_ih_{n}": reordered("weight_ih")[None],
        f"weight_hh_{n}": reordered("weight_hh")[None],
        f"bias_{n}": np.concatenate(biases)[None],
        f"layer_{n}": np.array([n], np.int64),
    }


def _layer_nodes(n: int, config: ModelConfig, parts: list[str], helper: Any) -> list[Any]:
    """Return the nodes from `inputs_n` and the parts of the state to `inputs_(n + 1)`."""
    states = [f"{part}_{n}" for part in parts]
    recurrence = helper.make_node(
        _OPERATOR[config.cell],
        [f"inputs_{n}", f"weight_ih_{n}", f"weight_hh_{n}", f"bias_{n}", "", *states],
        [f"outputs_{n}", *(f"{part}_after_{n}" for part in parts)],
        hidden_size=config.hidden_size,
        **({"linear_before_reset": 1} if config.cell == "gru" else {}),
    )
    return [
        *(
            helper.make_node("Gather", [part, f"layer_{n}"], [state], axis=0)
            for part, state in zip(parts, states, strict=True)
        ),
        recurrence,
        helper.make_node("Squeeze", [f"outputs_{n}", "axis"], [f"inputs_{n + 1}"]),
    ]


def _reordered(weights: NDArray[Any], gates: tuple[int, ...], units: int) -> NDArray[Any]:
    return np.concatenate([weights[gate * units : (gate + 1) * units] for gate in gates])


@torch.inference_mode()
def _difference(model: CharRNN, session: Any) -> float:
    """Return by how much logits and states differ at most, for characters drawn at random."""
    steps, streams = _CHECKED
    draws = np.random.default_rng(0)
    codes_TB = draws.integers(0, len(model.vocabulary), (steps, streams))
    shape = model.config.num_layers, streams, model.config.hidden_size
    names = ["hidden", "cell"][: len(model.initial_state(1).parts_LBH)]
    parts = {name: draws.uniform(-1, 1, shape).astype(np.float32) for name in names}
    state = State(tuple(torch.from_numpy(each).to(model.device) for each in parts.values()))
    logits_TBV, after = model(torch.from_numpy(codes_TB).to(model.device), state)
    expected = [logits_TBV, *after.parts_LBH]
    outputs = session.run(None, {"characters": codes_TB, **parts})
    return max(
        float(np.abs(mine.float().cpu().numpy() - theirs).max())
        for mine, theirs in zip(expected, outputs, strict=True)
    )
