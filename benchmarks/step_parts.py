"""Measure how long each part of a training step takes.

    python benchmarks/step_parts.py tinyshakespeare.txt

Each part is timed alone, in turns with the others, with the sizes and threads of the step.
"""

import argparse
import statistics
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import torch
from timing import ROUNDS, measure
from torch import Tensor

from charrnn.config.model import ModelConfig
from charrnn.config.training import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.model.dropout import make_masks, random_mask_bytes
from charrnn.model.network import CharRNN
from charrnn.numerics.allocator import keep_freed_memory
from charrnn.numerics.precision import choose_precision
from charrnn.numerics.threads import map_streams, set_threads
from charrnn.recurrence.cpu import gates
from charrnn.recurrence.cpu.matmul import as_array, matmul, prepare_matmul
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.run_config import RunConfig
from charrnn.training.metrics_recorder import MetricsRecorder
from charrnn.training.setup.defaults import resolve_config
from charrnn.training.step.optimization import AdamW, update_average
from charrnn.training.trainer import Trainer

DROPOUT = 0.3


def make_trainer(corpus: Corpus, config: TrainConfig, folder: str) -> Trainer:
    """Return the trainer of a new run with the default network."""
    precision = choose_precision(config.precision, torch.device("cpu"), "lstm")
    training, held_out = corpus.split(config.val_fraction)
    threads = set_threads(config.threads)
    resolved = resolve_config(
        config,
        len(training),
        len(held_out),
        device="cpu",
        precision=precision,
        threads=threads,
    )
    record = RunConfig(
        model=ModelConfig(),
        training=resolved,
        vocabulary=corpus.vocabulary.characters,
        corpus=corpus.record,
    )
    run = Run(Path(folder) / "run", record)
    model = CharRNN(ModelConfig(), corpus.vocabulary).initialize(1)
    run.create()
    return Trainer(run, corpus, model, Progress(budget=resolved.limits))


def products(model: CharRNN, length: int, streams: int, dtype: torch.dtype) -> Callable[[], object]:
    """Return all matrix products of a step, with the shapes that the engine uses."""
    units, rows = model.config.hidden_size, length * streams
    hidden_NH = torch.randn(rows, units).to(dtype)
    gates_NG = torch.randn(rows, 4 * units).to(dtype)
    weight_GH = torch.randn(4 * units, units).to(dtype)
    result_NG = torch.empty_like(gates_NG)

    output_VH, logits_NV = model.output.weight.detach(), torch.randn(rows, len(model.vocabulary))

    def recurrent_products(weight: Tensor, inputs_NK: Tensor, part: int) -> None:
        product = prepare_matmul(weight, part)
        for t in range(length):
            product(inputs_NK[t * part : (t + 1) * part])

    def layer(is_first: bool, part: int) -> None:
        inputs, gradients, result = (
            tensor[: length * part] for tensor in (hidden_NH, gates_NG, result_NG)
        )
        recurrent_products(weight_GH, inputs, part)
        recurrent_products(weight_GH.t(), gradients, part)
        matmul(gradients.t(), inputs)
        if not is_first:
            matmul(inputs, weight_GH.t(), result)
            matmul(gradients.t(), inputs)
            matmul(gradients, weight_GH)

    def multiply(part: slice) -> None:
        size = part.stop - part.start
        for number in range(model.config.num_layers):
            layer(number == 0, size)
        inputs, logits = hidden_NH[: length * size].float(), logits_NV[: length * size]
        torch.mm(inputs, output_VH.t())
        torch.mm(logits.t(), inputs)
        torch.mm(logits, output_VH)

    return lambda: map_streams(multiply, streams)


def all_gates(model: CharRNN, length: int, streams: int, dtype: torch.dtype) -> Callable[[], None]:
    """Return all element-wise computations of the layers of a step."""
    units = model.config.hidden_size
    input_terms, activations = torch.randn(2, length, streams, 4 * units)
    recurrent_BG, bias = torch.zeros(streams, 4 * units).to(dtype), torch.zeros(4 * units)
    gate_gradients = torch.empty(length, streams, 4 * units, dtype=dtype)
    cells, outputs = torch.zeros(length + 1, streams, units), torch.zeros(length, streams, units)
    arrays = [as_array(tensor) for tensor in (input_terms.view(-1, 4 * units), bias, recurrent_BG)]
    places = as_array(torch.arange(length * streams).view(length, streams))
    gates_array, gradient, cell = as_array(activations), as_array(gate_gradients), as_array(cells)
    hidden, cell_gradient = as_array(outputs.to(dtype)), as_array(torch.zeros(streams, units))

    def run(streams_slice: slice) -> None:
        for t in range(length):
            gates.forward(
                places[t, streams_slice],
                arrays[0],
                arrays[1],
                arrays[2][streams_slice],
                gates_array[t, streams_slice],
                cell[t, streams_slice],
                cell[t + 1, streams_slice],
                hidden[t, streams_slice],
            )
        for t in reversed(range(length)):
            gates.backward(
                hidden[t, streams_slice],
                hidden[t, streams_slice],
                gates_array[t, streams_slice],
                cell[t, streams_slice],
                cell[t + 1, streams_slice],
                cell_gradient[streams_slice],
                gradient[t, streams_slice],
            )

    def layers() -> None:
        for _ in range(model.config.num_layers):
            map_streams(run, streams)

    return layers


def make_parts(trainer: Trainer) -> dict[str, Callable[[], object]]:
    """Return the whole step, then its parts."""
    config, model = trainer.run.config.training, trainer.model
    length, streams = config.seq_length, config.batch_size
    dtype = getattr(torch, config.precision)
    average = CharRNN(ModelConfig(), model.vocabulary).initialize(2).requires_grad_(False)
    trainer.take_steps()
    parameters = list(model.parameters())
    optimizer = AdamW(model, config)
    recorder = MetricsRecorder(trainer.run.metrics_path, is_writer=True)
    return {
        "the whole step": trainer.take_steps,
        "products": products(model, length, streams, dtype),
        "gates": all_gates(model, length, streams, dtype),
        "optimizer": lambda: optimizer.step(0.001),
        "clipping": lambda: torch.nn.utils.clip_grad_norm_(parameters, 1.0),
        "averaging": lambda: update_average(average, model, 0.005),
        "dropout masks": lambda: make_masks(random_mask_bytes(config, model.config, 65, 1), config),
        "a row of metrics": lambda: recorder.write_row(trainer.progress),
    }


def main() -> None:
    """Measure and print."""
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--seq-length", type=int)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    train_config = TrainConfig(
        batch_size=arguments.batch_size,
        seq_length=arguments.seq_length,
        precision=arguments.precision,
        dropout=DROPOUT,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(Corpus.open(arguments.corpus), train_config, folder)
        config = trainer.run.config.training
        seconds = measure(make_parts(trainer), ROUNDS)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(
        f"{config.batch_size} streams x {config.seq_length} characters, {config.precision}, "
        f"{config.threads} threads, torch {torch.__version__}, "
        f"{threading.active_count() - 1} workers"
    )
    whole = medians.pop("the whole step")
    print(f"{'the whole step':18} {whole * 1e3:9.2f} ms")
    for name, median in medians.items():
        print(f"{name:18} {median * 1e3:9.2f} ms {median / whole:7.2%}")
    print(f"{'the rest':18} {(whole - sum(medians.values())) * 1e3:9.2f} ms")


if __name__ == "__main__":
    main()
