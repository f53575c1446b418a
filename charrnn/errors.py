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

OutputError               standard output accepts no more text

DamagedCheckpointWarning  a checkpoint is damaged; charrnn uses another one
UnknownCharactersWarning  a text has characters that are not in the vocabulary
DeviceWarning             the device cannot compute something; charrnn uses a slower way

The message of a `CharrnnError` is one sentence for the user at the terminal: what failed, where,
what was expected, and what to do.
"""

import math
import re
from collections.abc import Collection


class CharrnnError(Exception):
    """Base class of all errors that charrnn raises.

    `message` says what is wrong, where, and what was expected. Each of `remedies` is a clause that
    says what to do, such as "give another name with --out-dir". Flags belong in a remedy, because a
    command shows only the remedies whose flags it has.
    """

    reported_by_rank_zero = False
    """Whether the process of rank zero reports this error to the user."""

    def __init__(self, message: str, *remedies: str) -> None:
        super().__init__(message, *remedies)
        self.message = message
        self.remedies = remedies

    def __str__(self) -> str:
        return self.explain()

    def explain(self, flags: Collection[str] | None = None) -> str:
        """Return the message with the remedies; with `flags`, those that need no other flag.

        Flags of another command, in backticks as in "run `charrnn train --epochs 1`", are not
        compared.
        """
        usable = [
            remedy for remedy in self.remedies if flags is None or flags_in(remedy) <= set(flags)
        ]
        message = self._state_problem(flags)
        if not usable:
            return message
        *first, last = usable
        return f"{message}: {', '.join(first)}{', or ' if first else ''}{last}"

    def _state_problem(self, flags: Collection[str] | None) -> str:
        """Return the message, in the terms of a command that has `flags`."""
        return self.message


def flags_in(text: str) -> set[str]:
    """Return the flags that a text names, without those in backticks."""
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"`[^`]*`", "", text)))


class ConfigError(CharrnnError):
    """A setting is out of its range, or two settings contradict each other.

    `setting` is the name of the setting with which the message starts, if it starts with one. On
    the command line, the message names its flag instead.
    """

    def __init__(self, message: str, *remedies: str, setting: str = "") -> None:
        super().__init__(message, *remedies)
        self.setting = setting

    def _state_problem(self, flags: Collection[str] | None) -> str:
        if flags is None or not self.setting:
            return self.message
        flag = "--" + self.setting.replace("_", "-")
        name = flag if flag in flags else self.setting.replace("_", " ")
        return name + self.message.removeprefix(self.setting)


class CorpusError(CharrnnError):
    """A text cannot be read, or cannot be used for training."""


class VocabularyError(CorpusError):
    """A text contains characters that are not in the vocabulary of the model.

    `characters` contains each unknown character once, in order of first appearance.
    """

    def __init__(self, message: str, *remedies: str, characters: tuple[str, ...] = ()) -> None:
        super().__init__(message, *remedies)
        self.characters = characters


class DownloadError(CorpusError):
    """A download or an upload failed, or a downloaded text has an unexpected SHA-256."""


class CheckpointError(CharrnnError):
    """A run or a checkpoint is missing, damaged, of a newer format, or unsuitable."""


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint is damaged; charrnn uses another one."""


class UnknownCharactersWarning(UserWarning):
    """A text has characters that are not in the vocabulary, which can make results misleading."""


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

    def __init__(self, message: str, *remedies: str, step: int = 0, loss: float = math.nan) -> None:
        super().__init__(message, *remedies)
        self.step = step
        self.loss = loss


class OutputError(Exception):
    """Standard output accepts no more text.

    `reason` is what the operating system says, or empty if standard output was closed. This is
    neither a `CharrnnError` nor an `OSError`: code that handles those must not handle it. Only the
    command line does.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
