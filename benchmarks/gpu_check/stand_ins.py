"""Replacements for a GPU in a rehearsal: the CPU, an emulation of the kernel, no CUDA graph."""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import torch
from timing import replaced

from charrnn.config.training import DeviceName
from charrnn.numerics.cuda_graph import Work, cuda_graph
from charrnn.numerics.devices import choose_device
from charrnn.training import trainer
from charrnn.training.step.graph_step import GraphedTrainStep
from charrnn.training.step.train_step import TrainStep

REHEARSALS = 3


def device_name(rehearse: bool) -> DeviceName:
    """Return the name of the device that is checked."""
    return "cpu" if rehearse else "cuda"


def prepare_device(rehearse: bool) -> torch.device:
    """Set up the device that is checked, as `charrnn train` does; return it."""
    return choose_device(device_name(rehearse))


def capture(work: Work) -> Work:
    """Capture work as a CUDA graph; without a GPU, call it some times and return it."""
    if torch.cuda.is_available():
        return cuda_graph(work)
    for _ in range(REHEARSALS):
        work()
    return work


def use_graph_steps(rehearse: bool) -> contextlib.AbstractContextManager[None]:
    """Make trainers that are created in the block use a CUDA graph, also in a rehearsal."""
    if not rehearse:
        return contextlib.nullcontext()
    return replaced(trainer, TrainStep=functools.partial(GraphedTrainStep, capture=capture))


def use_eager_steps() -> contextlib.AbstractContextManager[None]:
    """Make trainers that are created in the block use no CUDA graph."""
    return replaced(trainer, GraphedTrainStep=TrainStep)


@contextlib.contextmanager
def use_emulated_kernel(engine: ModuleType) -> Iterator[None]:
    """Launch the kernels of the block on the tests' emulation, which a C++ compiler builds."""
    from tests.recurrence.cuda.emulator import Emulator

    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise SystemExit("a rehearsal of the kernel needs a C++ compiler")
    with (
        tempfile.TemporaryDirectory() as folder,
        replaced(engine, launch_kernel=Emulator(Path(folder), compiler).launch()),
    ):
        yield
