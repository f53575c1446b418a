"""Models on the Hugging Face Hub, downloaded with the package huggingface_hub.

Its cache, its token and its environment variables apply, such as HF_ENDPOINT and HF_HUB_OFFLINE.
Only the model file is downloaded. It contains no code, and its digest is verified when it is read.
"""

from pathlib import Path
from typing import Any

from charrnn.errors import CharrnnError, CheckpointError, ConfigError, DownloadError
from charrnn.files import list_disk_remedies

PREFIX = "hf:"
FILE = "model.safetensors"
CARD = "README.md"


def parse_hub_name(name: str) -> tuple[str, str | None]:
    """Return the repository and the revision of `hf:owner/name` or `hf:owner/name@revision`."""
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    owner, _, model = repository.partition("/")
    if not owner or not model or "/" in model:
        raise ConfigError(
            f"{name[:80]!r} is not the name of a model on the hub",
            f"write {PREFIX}owner/name, or {PREFIX}owner/name@revision",
        )
    return repository, revision or None


def download_model(name: str) -> Path:
    """Download the model `hf:owner/name[@revision]` if it is not in the cache; return its path.

    Raises `DownloadError`, or `CheckpointError` if it is not there.
    """
    repository, revision = parse_hub_name(name)
    hub = import_hub()
    try:
        return Path(
            hub.hf_hub_download(repository, FILE, revision=revision, library_name="charrnn")
        )
    except Exception as error:
        raise explain_hub_error(error, name) from None


def import_hub() -> Any:
    """Import the package huggingface_hub; raise `ConfigError` if it is not installed."""
    try:
        import huggingface_hub
    except ImportError:
        raise ConfigError(
            "models on the hub need the package huggingface-hub, which is not installed",
            'install it with `pip install "charrnn[hub]"`',
        ) from None
    return huggingface_hub


def explain_hub_error(error: Exception, name: str) -> CharrnnError:
    """Return the error of charrnn for an error of a call of huggingface_hub."""
    from huggingface_hub import errors

    reason = " ".join(str(error).split())[:200]
    status = getattr(getattr(error, "response", None), "status_code", None)
    is_missing = isinstance(error, errors.RepositoryNotFoundError)  # has the status 401, too
    if status in (401, 403) and not is_missing:
        return DownloadError(
            f"the hub allows no access to {name}: {reason}",
            "log in with `hf auth login` as the owner, or as a member of the organization",
        )
    if isinstance(error, OSError) and (remedies := list_disk_remedies(error)):
        return DownloadError(f"{name} cannot be stored ({error.strerror})", *remedies)
    # Other errors are those of the HTTP library, which depends on the version of huggingface_hub.
    other = DownloadError(
        f"the hub did not answer for {name}: {reason}", "check the network connection"
    )
    explanations = _list_explanations(name, reason)
    return next((ours for kind, ours in explanations if isinstance(error, kind)), other)


def _list_explanations(name: str, reason: str) -> list[tuple[type[Exception], CharrnnError]]:
    """Return errors of huggingface_hub with the errors of charrnn; the first that fits counts."""
    from huggingface_hub import errors

    return [
        (
            errors.HFValidationError,
            ConfigError(
                f"{name[:80]!r} is not the name of a model on the hub", f"write {PREFIX}owner/name"
            ),
        ),
        (
            errors.RevisionNotFoundError,
            CheckpointError(
                f"{name} has no such revision", "give a branch, a tag or a commit after the @"
            ),
        ),
        (
            errors.RepositoryNotFoundError,
            CheckpointError(
                f"there is no model {name}, or you may not read it",
                "check the name",
                "log in with `hf auth login`",
            ),
        ),
        (
            errors.LocalEntryNotFoundError,
            DownloadError(
                f"{name} is not in the cache, and the hub cannot be reached",
                "check the network connection, and whether HF_HUB_OFFLINE is set",
            ),
        ),
        (
            errors.EntryNotFoundError,
            CheckpointError(
                f"{name} has no file {FILE}, so `charrnn push` did not write it",
                "choose a model that charrnn wrote",
            ),
        ),
        (
            errors.HfHubHTTPError,
            DownloadError(
                f"the hub did not answer as expected for {name}: {reason}", "try again later"
            ),
        ),
    ]
