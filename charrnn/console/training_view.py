"""A training run on the terminal."""

from types import TracebackType
from typing import Self

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from charrnn.console.live_screen import LiveScreen, pace, progress_line
from charrnn.console.output import messages
from charrnn.console.run_facts import run_facts
from charrnn.console.tables import print_facts
from charrnn.console.text import duration, nats, printable
from charrnn.data.progress import Reading
from charrnn.numerics.information import nats_to_bits
from charrnn.runs.progress import MAX_ROLLBACKS
from charrnn.training.events import Evaluated, Event, Finished, RolledBack, Saved, Started, Step

_PLAIN_LINE_SECONDS = 30.0  # between two lines of progress where there is no terminal
_PREVIEW_LINES = 5
_WIDE = 105  # columns that a line on an evaluation takes whole
_REASONS = {
    "epochs": "all epochs done",
    "max_steps": "all steps done",
    "max_time": "the time is up",
    "patience": "the held-out loss stopped falling",
}


class TrainingView:
    """Shows the events of a training run as they come, on standard error.

    On a terminal a screen at the bottom shows how far it is, its losses and what it writes;
    elsewhere a plain line tells how far it is, now and then.
    """

    def __init__(self, shown: bool = True) -> None:
        self._console = messages()
        self._console.quiet = not shown
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._screen = LiveScreen(self._console)
        self._next_line = 0.0
        self._beside = ""
        self._task = ""

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Started():
                self._started(event)
            case Step():
                self._step(event)
            case Evaluated():
                self._evaluated(event)
            case Finished():
                self._finished(event)
            case RolledBack():
                self.say(
                    f"{event.cause}; back to step {event.step:,} with half the learning rate, at "
                    f"most {event.learning_rate:.2g} ({event.rollbacks} of at most {MAX_ROLLBACKS})"
                )
            case Saved():
                pass

    def say(self, sentence: str) -> None:
        """Show a sentence above the progress."""
        self._console.print(Text(printable(sentence)))

    def show_reading(self, reading: Reading) -> None:
        """Show how far the work on a large text is."""
        share = reading.done / max(1, reading.total)
        if self._console.is_terminal:
            row = Table.grid(padding=(0, 2))
            row.add_row(
                ProgressBar(total=1.0, completed=min(1.0, share), width=40),
                Text(f"{min(1.0, share):.0%}"),
                Text(printable(reading.task), overflow="ellipsis", no_wrap=True),
            )
            self._live.update(row)
        elif reading.task != self._task:
            self.say(reading.task)
        self._task = reading.task

    def _started(self, event: Started) -> None:
        print_facts(run_facts(event.run.config, event.budget, event), self._console)
        if self._console.is_terminal:
            self._screen.begin(event)
        baseline = event.run.config.baseline
        if baseline is not None:
            self._beside = f" (5-gram {nats_to_bits(baseline):.4f})"
        for note in event.notes:
            self.say(f"note: {note}")
        if event.added_characters:
            self.say(
                f"{len(event.added_characters)} characters are new to the earlier model, and "
                f"added to it: {''.join(event.added_characters)!r}"
            )
        elif event.added_characters is not None:
            self.say("the earlier model knows every character of this text")
        what = "text" if event.notes else "budget"
        if event.replanned:
            self.say(
                f"a new {what}: the learning rate is planned anew from step {event.step:,}, so "
                "this is not the run that a larger budget would have given from the start"
            )
        elif event.step:
            self.say(f"going on from step {event.step:,}")

    def _step(self, event: Step) -> None:
        if self._console.is_terminal:
            self._live.update(self._screen.step(event))
        elif event.seconds >= self._next_line:
            self._next_line = event.seconds + _PLAIN_LINE_SECONDS
            self.say(f"{progress_line(event)}  {pace(event)}")

    def _evaluated(self, event: Evaluated) -> None:
        narrow = self._console.is_terminal and self._console.width < _WIDE
        train = "" if event.train_loss is None or narrow else f"train {event.train_loss:.4f}  "
        self._console.print(
            Text(f"step {event.step:,}  epoch {event.epoch:.2f}  {train}")
            + Text(f"held-out {nats(event.val_loss)}", style="bold")
            + Text("" if narrow else self._beside)
            + Text("  best so far" if event.improved else "", style="green")
            + Text(f"  {duration(event.seconds)}")
        )
        if self._console.is_terminal:
            self._screen.evaluated(event)
            return
        for line in event.preview.strip("\n").split("\n")[:_PREVIEW_LINES]:
            self._console.print(Text("    " + printable(line), style="dim"))

    def _finished(self, event: Finished) -> None:
        self._live.stop()
        if self._console.is_terminal:
            self._console.print(self._screen.losses())
        best = ""
        if event.best_val_loss is not None:
            best = f"; best held-out loss {nats(event.best_val_loss)} at step {event.best_step:,}"
        why = "stopped" if event.reason == "stopped" else f"finished ({_REASONS[event.reason]})"
        self.say(f"{why} at step {event.step:,} after {duration(event.seconds)}{best}")
