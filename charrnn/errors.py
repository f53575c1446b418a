"""Every way charrnn can fail.

CharrnnError
├── ConfigError          a value out of range: names it, and the range
├── CorpusError          unreadable, empty, too short, not text
│   ├── VocabularyError  characters that the model does not know
│   └── DownloadError    a text of the catalogue cannot be fetched, or is not the expected one
├── CheckpointError      missing, damaged, of a newer format, or not fitting what it resumes
├── DeviceError          a device that this machine does not have
├── GroupError           another process that trains the same run has ended
└── DivergedError        the loss is no longer a number

No failures, but said: a `DamagedCheckpointWarning`, where an older checkpoint serves in place of a
damaged one, and a `DeviceWarning`, where charrnn computes in a slower way than the device should.

Each message is one sentence for the person at the terminal: what, where, what was expected and
what to do.
"""


class CharrnnError(Exception):
    """Base of all errors that charrnn raises on purpose."""

    reported_by_rank_zero = False
    """Whether another process, the one of rank zero, reports this error to the user."""


class ConfigError(CharrnnError):
    """A setting is out of its range, or two settings contradict each other."""


class CorpusError(CharrnnError):
    """A text cannot be read, or cannot be trained on."""


class VocabularyError(CorpusError):
    """A text holds characters that the model does not know.

    `characters` holds each unknown character once, in order of first appearance.
    """

    def __init__(self, message: str, characters: tuple[str, ...]) -> None:
        super().__init__(message)
        self.characters = characters

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.characters)


class DownloadError(CorpusError):
    """A text cannot be fetched, or what was fetched has another SHA-256 than expected."""


class CheckpointError(CharrnnError):
    """A run or a checkpoint is missing, damaged, too new, or does not fit."""


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint is damaged, and another one is used in its place."""


class DeviceWarning(UserWarning):
    """A device cannot compute something, and charrnn computes it in another, slower way."""


class DeviceError(CharrnnError):
    """The device asked for cannot be used on this machine."""


class GroupError(CharrnnError):
    """Another process that trains the same run has ended, or cannot be reached."""


class DivergedError(CharrnnError):
    """Training stopped because the loss or the gradient was not finite.

    `step` is the step that failed (nothing of it was applied), `loss` its loss in nats.
    """

    def __init__(self, message: str, step: int, loss: float) -> None:
        super().__init__(message)
        self.step = step
        self.loss = loss

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.step, self.loss)
