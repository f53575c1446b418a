"""Run the layers over one stream in parallel: each layer has its own thread.

A layer reads a chunk of steps while the layer below reads the next chunk. Threads synchronize once
per chunk and do not spin, so other work on the machine slows them down little.

Shape suffixes: T steps, B streams, H units, L layers.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import wait
from queue import SimpleQueue

import torch
from torch import Tensor

from charrnn.numerics.threads import start_in_threads
from charrnn.recurrence.layer import LayerState, LayerWeights

_CHUNK = 256  # steps that a layer reads before the next layer reads its outputs
_MIN_CHUNKS = 4

RunLayer = Callable[[Tensor, LayerState, LayerWeights], tuple[Tensor, LayerState]]


def is_preferred(x_TB: Tensor, layers: Sequence[LayerWeights]) -> bool:
    """Whether threads for the layers are faster than threads inside each layer."""
    return (
        x_TB.device.type == "cpu"
        and x_TB.shape[1] == 1
        and len(x_TB) >= _MIN_CHUNKS * _CHUNK
        and len(layers) > 1
        and torch.get_num_threads() > 1
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def run_layers(
    run_layer: RunLayer, x_TB: Tensor, parts_LBH: LayerState, layers: Sequence[LayerWeights]
) -> tuple[Tensor, LayerState]:
    """Run all layers; see `charrnn.recurrence.dispatch.run_layers`."""
    chunks = torch.split(x_TB, _CHUNK)
    queues: list[SimpleQueue[Tensor | None]] = [SimpleQueue() for _ in range(len(layers) + 1)]
    for chunk in chunks:
        queues[0].put(chunk)

    def run(number: int) -> LayerState:
        state = tuple(part[number] for part in parts_LBH)
        try:
            for _ in chunks:
                inputs = queues[number].get()
                if inputs is None:  # a layer below has failed; its future raises the exception
                    break
                outputs_TBH, state = run_layer(inputs, state, layers[number])
                queues[number + 1].put(outputs_TBH)
        finally:
            queues[number + 1].put(None)
        return state

    futures = start_in_threads(run, range(len(layers)), torch_threads=1)
    try:
        states = [future.result() for future in futures]
    finally:
        wait(futures)
    outputs = [queues[-1].get() for _ in chunks]
    outputs_TBH = torch.cat([output for output in outputs if output is not None])
    return outputs_TBH, tuple(torch.stack(part) for part in zip(*states, strict=True))
