"""All exceptions and warnings of charrnn.

CharrnnError
├── ConfigError          a setting has a value out of range
├── CorpusError          a text is unreadable, empty or too short, or is not text
│   ├── VocabularyError  a text has characters that are not in the vocabulary
│   └── DownloadError    a text of the catalog cannot be downloaded, or has the wrong SHA-256
├── CheckpointError      a run or checkpoint is missing, damaged, of a newer format, or unsuitable
├── DeviceError          the requested device cannot be used on this machine
├── GroupError           another process that trains the same run has ended
└── DivergedError        the loss or the gradient is not finite

DamagedCheckpointWarning  a checkpoint is damaged; charrnn uses another one
DeviceWarning             the device cannot compute something; charrnn uses a slower way

Each message is one sentence for the user at the terminal: what failed, where, what was expected,
and what to do.
"""


class CharrnnError(Exception):
    """Base class of all errors that charrnn raises."""

    reported_by_rank_zero = False
    """Whether the process of rank zero reports this error to the user."""


class ConfigError(CharrnnError):
    """A setting is out of its range, or two settings contradict each other."""


class CorpusError(CharrnnError):
    """A text cannot be read, or cannot be used for training."""


class VocabularyError(CorpusError):
    """A text contains characters that are not in the vocabulary of the model.

    `characters` contains each unknown character once, in order of first appearance.
    """

    def __init__(self, message: str, characters: tuple[str, ...]) -> None:
        super().__init__(message)
        self.characters = characters

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.characters)


class DownloadError(CorpusError):
    """A text cannot be downloaded, or the downloaded text has an unexpected SHA-256."""


class CheckpointError(CharrnnError):
    """A run or a checkpoint is missing, damaged, of a newer format, or unsuitable."""


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint is damaged; charrnn uses another one."""


class DeviceWarning(UserWarning):
    """The device cannot compute something; charrnn uses a slower way."""


class DeviceError(CharrnnError):
    """The requested device cannot be used on this machine."""


class GroupError(CharrnnError):
    """Another process that trains the same run has ended, or cannot be reached."""


class DivergedError(CharrnnError):
    """Training stopped because the loss or the gradient was not finite.

    `step` is the step that failed; its update was not applied. `loss` is its loss in nats.
    """

    def __init__(self, message: str, step: int, loss: float) -> None:
        super().__init__(message)
        self.step = step
        self.loss = loss

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.step, self.loss)
