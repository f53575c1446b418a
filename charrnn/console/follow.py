"""Following a training run on the terminal: signals become stop requests, events are shown."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Protocol

from charrnn.config.sampling import SampleConfig
from charrnn.console.output import print_result
from charrnn.console.training_view import TrainingView
from charrnn.data.progress import ProgressCallback
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.loop import generate
from charrnn.training.distributed.ranks import Ranks
from charrnn.training.events import Event, Finished

# Ctrl-C, SIGTERM and, where there is one, what a terminal sends that is closed.
_TO_END = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class StartTraining(Protocol):
    """Start a run; return its events."""

    def __call__(self, *, progress: ProgressCallback, stop: threading.Event) -> Iterator[Event]:
        """Start with a progress callback and an event that requests a stop."""


def follow(start: StartTraining) -> int:
    """Show a training run until its end; return the exit code: 128 + the signal that ended it.

    Of several processes, the first shows it.
    """
    ranks = Ranks.from_environment()
    finished: Finished | None = None
    with (
        TrainingView(shown=ranks.is_rank_zero) as view,
        _stop_on_signals(again_ends=ranks.size == 1) as (stop, received),
    ):
        for event in start(progress=view.show_reading, stop=stop):
            view.show(event)
            if isinstance(event, Finished):
                finished = event
        if finished is None:  # stopped before there was a run
            view.say("stopped while the text was read: nothing to save yet")
            return 128 + received[0]
        if finished.reason == "stopped":
            view.say(f"saved; go on with: charrnn resume {finished.run.path}")
        elif ranks.is_rank_zero:
            _show_sample(finished, view.say)
    if ranks.is_rank_zero:
        print_result(str(finished.run.path))
    return 128 + received[0] if received else 0


@contextlib.contextmanager
def _stop_on_signals(again_ends: bool) -> Iterator[tuple[threading.Event, list[int]]]:
    """Turn the first signal to end into a stop request; a second one ends the process.

    Unless told otherwise: torchrun passes on what the terminal has sent to its processes already,
    and kills those that do not end.
    """
    stop, received = threading.Event(), list[int]()
    before = {number: signal.getsignal(number) for number in _TO_END}

    def request(number: int, _: FrameType | None) -> None:
        for each in before:  # first of all: a second signal in here would wait for itself
            signal.signal(each, signal.SIG_DFL if again_ends else signal.SIG_IGN)
        received.append(number)
        stop.set()

    for number in before:
        signal.signal(number, request)
    try:
        yield stop, received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_sample(finished: Finished, say: Callable[[str], None]) -> None:
    temperature = SampleConfig().temperature
    # The engine that `charrnn sample` takes: what is compiled at its first use is compiled by then.
    engine = engine_for_checkpoint(finished.run.select("best"), device="cpu")
    (text,) = generate(engine, length=600, temperature=temperature, seed=1)
    say(f"\nthe best model writes, at temperature {temperature}:\n\n{text.strip()}\n")
    say(f"more of it: charrnn sample {finished.run.path} --temperature {temperature}")
