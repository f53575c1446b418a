"""Models on the Hugging Face Hub, downloaded with the package huggingface_hub.

Its cache, its token and its environment variables apply, such as HF_ENDPOINT and HF_HUB_OFFLINE.
Only the model file is downloaded. It contains no code, and its digest is verified when it is read.
"""

from pathlib import Path
from typing import Any

from charrnn.errors import CheckpointError, ConfigError, DownloadError

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


def explain_hub_error(error: Exception, name: str) -> Exception:
    """Return the error of charrnn for one of huggingface_hub; other errors are returned as is."""
    from huggingface_hub import errors

    reason = " ".join(str(error).split())[:200]
    explanations: list[tuple[type[Exception], Exception]] = [  # the first that fits
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
            OSError,  # also errors of HTTP
            DownloadError(
                f"the hub did not answer as expected for {name}: {reason}", "try again later"
            ),
        ),
    ]
    return next((ours for kind, ours in explanations if isinstance(error, kind)), error)
