"""A model as an ONNX graph of standard operators, for any runtime (the extra `onnx`).

Inputs: `characters` (T, B), the codes as int64, `hidden` (L, B, H) and, for an lstm, `cell`
(L, B, H). Outputs: `logits` (T, B, V), `hidden_after` and, for an lstm, `cell_after`. The
vocabulary is a JSON list in the metadata; its order gives the codes.

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
"""Largest allowed difference between the outputs of the graph and of the model."""

_OPSET, _IR = 17, 8  # versions of 2022, so that runtimes from then on can read the file
_OPERATOR = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
# The index in torch's order of each gate of the ONNX operators (i, o, f, c and z, r, h).
_GATE_ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
_CHECK_SHAPE = (50, 3)  # steps and streams of the comparison with the model


def build_onnx_model(model: CharRNN) -> bytes:
    """Return the bytes of an ONNX file, after a comparison with the model in onnxruntime.

    Raises `ConfigError` if onnx or onnxruntime is not installed, and `CharrnnError` if the outputs
    differ from those of the model.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            f"an ONNX graph needs {error.name}, which is not installed",
            'install it with `pip install "onnx>=1.17" "onnxruntime>=1.19"`',
        ) from None
    graph = _build_graph(model, onnx.helper, onnx.TensorProto, onnx.numpy_helper)
    onnx_model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], producer_name="charrnn"
    )
    onnx_model.ir_version = _IR
    onnx.helper.set_model_props(
        onnx_model,
        {
            "vocabulary": json.dumps(model.vocabulary.characters),
            "cell": model.config.cell,
            "line_start": json.dumps(model.line_start),
            **_describe_separator(model),
        },
    )
    onnx.checker.check_model(onnx_model)
    file_bytes: bytes = onnx_model.SerializeToString()
    session = onnxruntime.InferenceSession(file_bytes, providers=["CPUExecutionProvider"])
    difference = _max_difference(model, session)
    if not difference <= TOLERANCE:
        raise CharrnnError(
            f"the outputs of the ONNX graph differ from those of the model by {difference:.1e}, "
            f"which is more than {TOLERANCE:.0e}",
            f"try another version of onnxruntime (this is {onnxruntime.__version__})",
            "export the weights with --to safetensors",
        )
    return file_bytes


def _describe_separator(model: CharRNN) -> dict[str, str]:
    if model.separator_code is None:
        return {}
    return {"separator": json.dumps(model.vocabulary.characters[model.separator_code])}


def _build_graph(model: CharRNN, helper: Any, tensor_types: Any, numpy_helper: Any) -> Any:
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
    state_names = ["hidden", "cell"] if config.cell == "lstm" else ["hidden"]
    for n in range(layers):
        constants |= _make_layer_constants(n, config, arrays)
        nodes += _make_layer_nodes(n, config, state_names, helper)
    nodes.append(helper.make_node("MatMul", [f"inputs_{layers}", "output_weight"], ["products"]))
    nodes.append(helper.make_node("Add", ["products", "output_bias"], ["logits"]))
    for name in state_names:
        after = [f"{name}_after_{n}" for n in range(layers)]
        nodes.append(helper.make_node("Concat", after, [f"{name}_after"], axis=0))
    state_shape = [layers, "B", config.hidden_size]

    def float_tensor(name: str, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, tensor_types.FLOAT, shape)

    return helper.make_graph(
        nodes,
        "charrnn",
        [
            helper.make_tensor_value_info("characters", tensor_types.INT64, ["T", "B"]),
            *(float_tensor(name, state_shape) for name in state_names),
        ],
        [
            float_tensor("logits", ["T", "B", size]),
            *(float_tensor(f"{name}_after", state_shape) for name in state_names),
        ],
        [
            numpy_helper.from_array(np.ascontiguousarray(array), name)
            for name, array in constants.items()
        ],
    )


def _make_layer_constants(
    n: int, config: ModelConfig, arrays: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    def onnx_order(name: str) -> NDArray[Any]:
        return _reorder_gates(arrays[f"{name}_l{n}"], _GATE_ORDER[config.cell], config.hidden_size)

    biases = [onnx_order("bias_ih"), onnx_order("bias_hh")]
    return {
        f"weight_ih_{n}": onnx_order("weight_ih")[None],
        f"weight_hh_{n}": onnx_order("weight_hh")[None],
        f"bias_{n}": np.concatenate(biases)[None],
        f"layer_{n}": np.array([n], np.int64),
    }


def _make_layer_nodes(
    n: int, config: ModelConfig, state_names: list[str], helper: Any
) -> list[Any]:
    """Return the nodes that compute `inputs_(n + 1)` from `inputs_n` and the state of layer n."""
    states = [f"{name}_{n}" for name in state_names]
    recurrence = helper.make_node(
        _OPERATOR[config.cell],
        [f"inputs_{n}", f"weight_ih_{n}", f"weight_hh_{n}", f"bias_{n}", "", *states],
        [f"outputs_{n}", *(f"{name}_after_{n}" for name in state_names)],
        hidden_size=config.hidden_size,
        **({"linear_before_reset": 1} if config.cell == "gru" else {}),
    )
    return [
        *(
            helper.make_node("Gather", [name, f"layer_{n}"], [state], axis=0)
            for name, state in zip(state_names, states, strict=True)
        ),
        recurrence,
        helper.make_node("Squeeze", [f"outputs_{n}", "axis"], [f"inputs_{n + 1}"]),
    ]


def _reorder_gates(weights: NDArray[Any], order: tuple[int, ...], units: int) -> NDArray[Any]:
    return np.concatenate([weights[gate * units : (gate + 1) * units] for gate in order])


@torch.inference_mode()
def _max_difference(model: CharRNN, session: Any) -> float:
    """Return the largest difference of logits and states, for random characters and states."""
    steps, streams = _CHECK_SHAPE
    generator = np.random.default_rng(0)
    codes_TB = generator.integers(0, len(model.vocabulary), (steps, streams))
    shape = model.config.num_layers, streams, model.config.hidden_size
    names = ["hidden", "cell"][: len(model.initial_state(1).parts_LBH)]
    state_names = {name: generator.uniform(-1, 1, shape).astype(np.float32) for name in names}
    state = State(tuple(torch.from_numpy(array).to(model.device) for array in state_names.values()))
    logits_TBV, after = model(torch.from_numpy(codes_TB).to(model.device), state)
    expected = [logits_TBV, *after.parts_LBH]
    outputs = session.run(None, {"characters": codes_TB, **state_names})
    return max(
        float(np.abs(reference.float().cpu().numpy() - output).max())
        for reference, output in zip(expected, outputs, strict=True)
    )
