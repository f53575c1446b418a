"""The terminal view of a training run."""

import math
from dataclasses import replace
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from charrnn.config.counts import format_count
from charrnn.config.training import LONG_RUN_LEARNING_RATE, SHORT_RUN_LEARNING_RATE
from charrnn.console.live_screen import LiveScreen, format_progress, format_speed
from charrnn.console.notebook import NotebookDisplay
from charrnn.console.output import make_displayable, stderr_console
from charrnn.console.progress_line import REFRESHES_PER_SECOND, ProgressLine
from charrnn.console.run_facts import (
    compare_loss,
    describe_evaluated_part,
    format_run_facts,
    uniform_loss,
)
from charrnn.console.tables import print_facts
from charrnn.console.text import format_duration, format_loss, make_printable
from charrnn.data.progress import Reading
from charrnn.files import quote_path
from charrnn.numerics.information import nats_to_bits
from charrnn.runs.progress import MAX_ROLLBACKS
from charrnn.runs.run_config import RunConfig
from charrnn.training.events import (
    Evaluated,
    Event,
    Finished,
    RolledBack,
    Saved,
    Started,
    Step,
    TeacherFinished,
)

_PROGRESS_LINE_SECONDS = 30.0  # between two lines of progress, if there is no terminal
_PREVIEW_LINES = 5
_OVERFITTED = 0.9  # a training loss below this fraction of the held-out loss: the text is memorized
_FULL_LINE_COLUMNS = 115  # of an evaluation line with all its parts
_END_REASONS = {
    "epochs": "all epochs done",
    "max_steps": "all steps done",
    "max_time": "time limit reached",
    "patience": "the held-out loss no longer falls",
    "target_loss": "the held-out loss is low enough",
}


class TrainingView:
    """Shows the events of a training run on standard error.

    On a terminal or in a notebook, a live screen shows the progress, the losses and a sample.
    Elsewhere, a line of progress is printed every 30 seconds.
    """

    def __init__(self, is_visible: bool = True) -> None:
        self._console = stderr_console()
        self._console.quiet |= not is_visible
        self._is_live = self._console.is_terminal or self._console.is_jupyter
        """Whether there is a part of the output that is replaced, for the progress."""
        self._live: Live | NotebookDisplay = (
            NotebookDisplay()
            if self._console.is_jupyter
            else Live(
                console=self._console, refresh_per_second=REFRESHES_PER_SECOND, transient=True
            )
        )
        self._screen = LiveScreen(self._console)
        self._network = ""
        self._next_line_at = 0.0  # seconds of training
        self._config: RunConfig | None = None
        self._baseline_note = self._evaluated_part = ""
        self._is_overfitted = False
        """Whether the last evaluation is not the best one, and its training loss is much lower."""
        self._uniform_nats = math.inf
        self._progress_line = ProgressLine(self._console, self._live)

    def __enter__(self) -> Self:
        if self._is_live and not self._console.quiet:
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
                self._show_start(event)
            case Step():
                self._show_step(event)
            case Evaluated():
                self._show_evaluation(event)
            case TeacherFinished():
                self._show_teacher_end(event)
            case Finished():
                self._show_end(event)
            case RolledBack():
                self.show_message(
                    f"{event.cause}; training continues from step {event.step:,} with half the "
                    f"learning rate, at most {event.learning_rate:.2g} "
                    f"(rollback {event.rollbacks} of at most {MAX_ROLLBACKS})"
                )
            case Saved():
                pass

    def show_message(self, message: str) -> None:
        """Show a message above the progress."""
        self._console.print(Text(make_displayable(message, self._console)))

    def show_text(self, text: str) -> None:
        """Show generated text above the progress, with ? for what the encoding lacks."""
        self._console.print(Text(make_printable(text)))

    def show_reading(self, reading: Reading) -> None:
        """Show the progress of reading a large text."""
        self._progress_line.show(reading)

    def _show_start(self, event: Started) -> None:
        if self._config is None:
            described = event
            if event.student:
                described = replace(event, run=event.student, config=event.student.config)
            facts = format_run_facts(described.config, event.budget, described)
            print_facts(facts, self._console)
        self._start_network(event)
        self._config = event.config
        self._uniform_nats = uniform_loss(event.config)
        self._evaluated_part = describe_evaluated_part(
            event.config.training, event.held_out_characters
        )
        baseline = event.config.baseline
        if baseline is not None:
            self._baseline_note = f" (5-gram {nats_to_bits(baseline):z.4f} bits)"
        for note in event.notes:
            self.show_message(f"note: {note}")
        if event.added_characters:
            added = format_count(len(event.added_characters), "character")
            verb = "was" if len(event.added_characters) == 1 else "were"
            self.show_message(
                f"{added} of this text {verb} not in the vocabulary of the earlier model and "
                f"{verb} added: {''.join(event.added_characters)!r}"
            )
        elif event.added_characters is not None:
            self.show_message(
                "every character of this text is in the vocabulary of the earlier model"
            )
        change = "text" if event.other_text else "limit"
        if event.replanned:
            self.show_message(
                f"new {change}: the learning-rate schedule is recomputed from step {event.step:,}; "
                f"the result differs from that of a run with this {change} from the start"
            )
        elif event.step:
            self.show_message(f"continuing from step {event.step:,}")

    def _start_network(self, event: Started) -> None:
        """Name the network that is trained, if the run has several, and reset the screen."""
        if event.student:
            count = event.student.config.training.teachers
            self._network = f"teacher {event.teacher} of {count}"
            self.show_message(f"\n{self._network}, seed {event.config.training.seed}")
        elif self._network:
            self._network = "the network of the run"
            self.show_message(f"\n{self._network}, which also learns from its teachers")
        self._next_line_at = 0.0
        self._screen = LiveScreen(self._console, self._network)
        if self._is_live:
            self._screen.load_history(event)

    def _show_step(self, event: Step) -> None:
        if self._is_live:
            self._live.update(self._screen.add_step(event))
        elif event.seconds >= self._next_line_at:
            self._next_line_at = event.seconds + _PROGRESS_LINE_SECONDS
            network = f"{self._network}  " if self._network else ""
            self.show_message(f"{network}{format_progress(event)}  {format_speed(event)}")

    def _show_evaluation(self, event: Evaluated) -> None:
        val_loss = 0.0 if event.val_loss is None else event.val_loss
        train_loss = math.inf if event.train_loss is None else event.train_loss
        self._is_overfitted = not event.improved and train_loss < _OVERFITTED * val_loss
        is_narrow = self._is_live and self._console.width < _FULL_LINE_COLUMNS
        train = ""
        if event.train_loss is not None and not is_narrow:
            train = f"train {event.train_loss:z.4f} nats  "
        self._console.print(
            Text(f"step {event.step:,}  epoch {event.epoch:z.2f}  {train}")
            + (Text() if event.val_loss is None else self._describe_loss(event, is_narrow))
            + Text(f"  {format_duration(event.seconds)}")
        )
        if self._is_live:
            self._screen.add_evaluation(event)
            return
        for line in event.preview.strip("\n").split("\n")[:_PREVIEW_LINES]:
            self._console.print(Text("    " + make_printable(line), style="dim"))

    def _describe_loss(self, event: Evaluated, is_narrow: bool) -> Text:
        """Return the held-out loss, and what it shows."""
        assert event.val_loss is not None
        return (
            Text(f"held-out {format_loss(event.val_loss)}", style="bold")
            + Text("" if is_narrow else self._baseline_note)
            + self._describe_result(event.val_loss, event.improved, is_narrow)
        )

    def _describe_result(self, loss: float, improved: bool, is_narrow: bool) -> Text:
        """Return whether a loss is the best so far, or shows that nothing is learned yet."""
        if loss >= self._uniform_nats:
            guess = f"not better than a random guess ({nats_to_bits(self._uniform_nats):.4f} bits)"
            return Text(f"  {'not learned' if is_narrow else guess}", style="red")
        return Text("  best so far" if improved else "", style="green")

    def _show_teacher_end(self, event: TeacherFinished) -> None:
        if self._is_live:
            self._console.print(self._screen.render_loss_chart())
        self.show_message(
            f"{self._network} finished after {format_duration(event.seconds)}"
            f"{self._describe_best(event)}"
        )

    def _show_end(self, event: Finished) -> None:
        self._live.stop()
        if self._is_live:
            self._console.print(self._screen.render_loss_chart())
        outcome = (
            "stopped" if event.reason == "stopped" else f"finished ({_END_REASONS[event.reason]})"
        )
        network = f"{self._network} " if self._network else ""
        self.show_message(
            f"{network}{outcome} at step {event.step:,} after {format_duration(event.seconds)}"
            f"{self._describe_best(event)}"
        )
        if event.best_val_loss is not None:
            self._show_advice(event.best_val_loss, self._config or event.run.config)

    def _describe_best(self, event: Finished | TeacherFinished) -> str:
        if event.best_val_loss is None:
            return ""
        loss = format_loss(event.best_val_loss)
        best = f"; best held-out loss {loss} at step {event.best_step:,}"
        if isinstance(event, Finished) and self._evaluated_part:
            run = quote_path(event.run.path)
            best += f"{self._evaluated_part} (`charrnn score {run}` reads all)"
        return best

    def _show_advice(self, best_loss: float, config: RunConfig) -> None:
        """Say what to try if a model has learned nothing, or too little."""
        comparison = compare_loss(best_loss, config)
        if not comparison:
            return
        advice = "train longer, or on more text of the same kind"
        if self._is_overfitted:
            advice = (
                "the text is too short for this network: add text of the same kind, or start from "
                "a model of similar text with `charrnn train --init-from RUN`"
            )
        subject = "the loss is"
        if best_loss >= self._uniform_nats:
            subject = "the model has learned nothing, because its loss is"
            low, high = LONG_RUN_LEARNING_RATE / 10, SHORT_RUN_LEARNING_RATE
            if not low < config.training.learning_rate <= high:
                rate = LONG_RUN_LEARNING_RATE
                advice = f"start again with `charrnn train --learning-rate {rate:g}`"
        self.show_message(f"{subject} {comparison}: {advice}")
