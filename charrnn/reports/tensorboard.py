"""Training as TensorBoard shows it: losses, learning rate, speed, gradient norm, generated text."""

from charrnn.console.text import format_code_block
from charrnn.errors import CharrnnError
from charrnn.runs.layout import TENSORBOARD_FOLDER
from charrnn.runs.run import Run
from charrnn.training.events import Evaluated, Event, Finished, RolledBack, Started, Step

try:
    from torch.utils.tensorboard import SummaryWriter
except ModuleNotFoundError as error:
    raise CharrnnError(
        f"a report to TensorBoard needs the package {error.name}",
        'run: pip install "charrnn[tensorboard]"',
    ) from None


class TensorBoardReport:
    """Writes the events of a run to the folder `tensorboard` of the run.

    Each network of a run with teachers has its own folder. After a resume and after a rollback,
    TensorBoard hides what was written about later steps.
    """

    def __init__(self) -> None:
        self._run: Run | None = None
        self._writer: SummaryWriter | None = None
        self._log_every = 1
        self._unwritten: Step | None = None

    def add(self, event: Event) -> None:
        """Write what is new."""
        match event:
            case Started():
                self._run, self._log_every = event.run, event.config.training.log_every
                self._open(event.step)
            case RolledBack():
                self._open(event.step)
            case Step() if event.step % self._log_every == 0:
                self._add_step(event)
            case Step():
                self._unwritten = event
            case Evaluated():
                if event.val_loss is not None:
                    self._add_scalars(event.step, {"loss/held out": event.val_loss})
                if self._writer:
                    preview = format_code_block(event.preview)
                    self._writer.add_text("generated", preview, event.step)
                    self._writer.flush()
            case Finished():
                if self._unwritten:
                    self._add_step(self._unwritten)
                self.close()

    def close(self) -> None:
        """Write what is buffered."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def _open(self, step: int) -> None:
        self.close()
        assert self._run
        folder = str(self._run.path / TENSORBOARD_FOLDER)
        self._writer = SummaryWriter(folder, purge_step=step + 1)

    def _add_step(self, event: Step) -> None:
        self._unwritten = None
        self._add_scalars(
            event.step,
            {
                "loss/train": event.train_loss,
                "learning_rate": event.learning_rate,
                "gradient_norm": event.gradient_norm,
                "characters_per_second": event.characters_per_second,
            },
        )

    def _add_scalars(self, step: int, values: dict[str, float]) -> None:
        if self._writer:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
