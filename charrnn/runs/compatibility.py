"""Runs of other versions of charrnn: see the format policy in `docs/reliability.md`."""

from pathlib import Path
from typing import Any

from charrnn.config.checks import UnknownSettingError
from charrnn.errors import CheckpointError
from charrnn.version import __version__, is_newer, parse_version

FORMAT = 2
"""The number of the format. Increase it if a version since 0.2.0 would misread a new run. The tests
contain a run of each format."""


def read_version(record: Any) -> str | None:
    """Return the version of charrnn in a record; None if it contains no valid one."""
    version: str | None = record.get("charrnn")
    return version if parse_version(version) else None


def name_version(version: str | None) -> str:
    """Return a version for a message."""
    return f"charrnn {version}" if version else "an unknown version of charrnn"


def describe_versions(version: str | None, format_number: int, newest: str | None) -> str:
    """Return which version made a run, and which one wrote its newest checkpoint."""
    text = f"made by {name_version(version)} in format {format_number}"
    if newest != version:
        text += f", continued by {name_version(newest)}"
    return text if newest == __version__ else f"{text}; this is charrnn {__version__}"


def make_read_error(path: Path, error: Exception, version: str | None) -> CheckpointError:
    """Return the error about a file of a run, whose contents are not what this version expects.

    `version` is the one that wrote the file. The file is damaged only if that version is not newer
    than this one, and if the problem is not a setting that this version does not know.
    """
    if is_newer(version) or isinstance(error, UnknownSettingError):
        return make_unknown_error(path, str(error), version)
    return CheckpointError(f"{path} is damaged: {error}")


def make_unknown_error(path: Path, problem: str, version: str | None) -> CheckpointError:
    """Return the error about a file of a run that contains what this version does not know."""
    remedies = ["install the newest version of charrnn", "restore the original file"]
    if is_newer(version):
        remedies = [f"install charrnn {version} or newer"]
    return CheckpointError(
        f"charrnn {__version__} cannot read {path}, which {name_version(version)} wrote "
        f"({problem})",
        *remedies,
    )
