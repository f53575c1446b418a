"""Stages 4 and 7: time training steps with and without a CUDA graph and in PyTorch; profile them.

    python -m gpu_check.steps TEXT [--cudnn | --profile]

All contenders of a size run in turns. `--cudnn` turns the kernel off. A step includes everything
that `charrnn train` does: inputs, masks, forward, backward, clipping, optimizer, averages.

Shape suffixes: T steps, B streams.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.nn.functional import cross_entropy

from charrnn.config.model import ModelConfig
from charrnn.config.training import DeviceName, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.numerics.precision import allow_tf32
from charrnn.recurrence.cuda.persistent import SWITCH
from charrnn.training.setup.new_run import prepare_new_run
from gpu_check.results import print_result
from gpu_check.stand_ins import device_name, prepare_device, use_eager_steps, use_graph_steps

SHAPES = ((32, 64), (128, 128))  # streams, steps of a sequence
COMPARED_STEPS = 20
ROUNDS, STEPS = 3, 30  # rounds, and steps of a contender in each round
_NEVER = 1_000_000
Contender = Callable[[int], list[float]]
"""Takes at least this number of steps and waits for them; returns their losses, or zeros."""


def train_steps(
    text: Corpus, streams: int, steps: int, model: ModelConfig, device: DeviceName
) -> Contender:
    """Return a function that takes steps of a run with the default settings."""
    config = TrainConfig(
        batch_size=streams,
        seq_length=steps,
        device=device,
        max_steps=_NEVER,
        eval_every=_NEVER,
        save_every=_NEVER,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = prepare_new_run(text, config, model, out_dir=Path(folder) / "run").trainer

    def take(count: int) -> list[float]:
        losses: list[float] = []
        while len(losses) < count:
            losses += [step.train_loss for step in run.take_steps(write_rows=False)]
        return losses

    return take


def stock_steps(
    text: Corpus, streams: int, steps: int, model: ModelConfig, device: torch.device, tf32: bool
) -> Contender:
    """Return steps of the usual PyTorch model: Embedding, LSTM, Linear, clipping, AdamW."""
    characters, units = len(text.vocabulary), model.hidden_size
    embedding, output = nn.Embedding(characters, units), nn.Linear(units, characters)
    layers = nn.LSTM(units, units, model.num_layers)
    modules = nn.ModuleList([embedding, layers, output]).to(device)
    optimizer = torch.optim.AdamW(modules.parameters(), lr=1e-3)
    x_TB, y_TB = torch.randint(characters, (2, steps, streams), device=device)

    def take(count: int) -> list[float]:
        for _ in range(count):
            optimizer.zero_grad()
            logits_TBV = output(layers(embedding(x_TB))[0])
            cross_entropy(logits_TBV.flatten(0, 1), y_TB.flatten()).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return [0.0] * count

    def take_with_precision(count: int) -> list[float]:
        precision = allow_tf32(device) if tf32 else contextlib.nullcontext()
        with precision, torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
            return take(count)

    return take_with_precision


def time_steps(contenders: dict[str, Contender], rounds: int, steps: int) -> dict[str, list[float]]:
    """Return the seconds of a step in each round; the contenders run in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, take in contenders.items():
            start = time.perf_counter()
            count = len(take(steps))
            seconds[name].append((time.perf_counter() - start) / count)
    return seconds


def make_contenders(
    text: Corpus, shape: tuple[int, int], model: ModelConfig, rehearse: bool
) -> dict[str, Contender]:
    """Return the contenders of a size: with graph, without graph, stock float32, stock TF32."""
    name = device_name(rehearse)
    with use_graph_steps(rehearse):
        graph = train_steps(text, *shape, model, name)
    with use_eager_steps():
        eager = train_steps(text, *shape, model, name)
    engine = "cudnn" if os.environ.get(SWITCH) == "off" else "kernel"
    return {
        f"{engine}-graph": graph,
        f"{engine}-eager": eager,
        "stock-float32": stock_steps(text, *shape, model, torch.device(name), tf32=False),
        "stock-tf32": stock_steps(text, *shape, model, torch.device(name), tf32=True),
    }


def compare(contenders: dict[str, Contender], size: str, characters: int, steps: int) -> None:
    """Time the contenders of a size; print their speeds, and the losses of the first steps.

    `characters` is the number of characters of a step.
    """
    losses = [take(COMPARED_STEPS)[:COMPARED_STEPS] for take in contenders.values()]
    for name, values in zip(contenders, losses[:2], strict=False):
        print(f"losses {size} {name}: {' '.join(f'{value:.5f}' for value in values)}")
    difference = max(abs(a - b) for a, b in zip(*losses[:2], strict=True))
    print_result(f"graph-loss-difference-{size}", difference, "nats")
    seconds = time_steps(contenders, ROUNDS, steps)
    for name, times in seconds.items():
        print(f"{size} {name}: {' '.join(f'{1000 * value:.3f}' for value in times)} ms a step")
        print_result(f"steps-{size}-{name}", 1000 * statistics.median(times), "ms a step")
    graph, _, stock, _ = seconds.values()
    ratio = statistics.median(a / b for a, b in zip(stock, graph, strict=True))
    print_result(f"training-{size}", characters / statistics.median(graph), "char/s")
    print_result(f"training-{size}-times-stock", ratio, "times")


def profile(take: Contender, device: torch.device) -> None:
    """Profile some steps; print the time of each operation."""
    take(COMPARED_STEPS)
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profiled:
        count = len(take(COMPARED_STEPS))
    averages = profiled.key_averages()
    column = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    print(averages.table(sort_by=column, row_limit=50, max_name_column_width=70))
    kernels = [
        row
        for row in averages
        if row.device_type == DeviceType.CUDA and not getattr(row, "is_user_annotation", False)
    ]
    busy = sum(row.self_device_time_total for row in kernels) / 1000 / count
    print_result("profile-gpu-time", busy, "ms a step")
    print_result("profile-kernels", sum(row.count for row in kernels) / count, "a step")


def main() -> None:
    """Time the steps of all sizes, or profile those of the first size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--cudnn", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    if options.cudnn:
        os.environ[SWITCH] = "off"
    device, suffix = prepare_device(options.rehearse), "-cudnn" if options.cudnn else ""
    text, model, steps = Corpus.open(options.text), ModelConfig(), STEPS
    if options.rehearse:
        text = Corpus.from_text(options.text.read_text("utf-8")[:20_000], name=options.text.stem)
        model, steps = ModelConfig(num_layers=2, hidden_size=16), 10
    for shape in SHAPES:
        streams, length = (4, 8) if options.rehearse else shape
        if options.profile:
            with use_graph_steps(options.rehearse):
                run = train_steps(text, streams, length, model, device_name(options.rehearse))
            profile(run, device)
            return
        contenders = make_contenders(text, (streams, length), model, options.rehearse)
        size = f"{shape[0]}x{shape[1]}{suffix}"
        compare(contenders, size, streams * length, steps)


if __name__ == "__main__":
    main()
