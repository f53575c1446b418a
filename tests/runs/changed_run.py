"""A stored run with changed records and valid digests, as another version would write it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charrnn.runs import manifest as manifests

DATA = Path(__file__).parents[1] / "data"
NEWER = "99.0.0"

Change = Callable[[Any], object]


def keep(record: Any) -> None:
    """Change nothing."""


def copy_run(
    path: Path,
    *,
    config: Change = keep,
    state: Change = keep,
    manifest: Change = keep,
    version: str = NEWER,
    source: str = "run-0.2.0.dev0",
) -> Path:
    """Copy a stored run to `path`; change its config, and the records of its newest checkpoint."""
    shutil.copytree(DATA / source / "run", path)
    config_record = change_json(path / "config.json", config, version)
    folders = sorted(path.glob("step-*"))
    for folder in folders:
        is_newest = folder == folders[-1]
        contents = json.loads((folder / "manifest.json").read_bytes())
        del contents["digest"]
        contents["config"] = config_record
        if is_newest:
            contents["files"]["state.json"] = change_json(folder / "state.json", state)
            contents["charrnn"] = version
            manifest(contents)
        data = manifests.to_json_bytes(manifests.with_digest(contents))
        (folder / "manifest.json").write_bytes(data)
    return path


def change_config(run: Path, change: Change) -> None:
    """Change the config of a run, and its record in the manifests of all checkpoints."""
    record = change_json(run / "config.json", change)
    for folder in run.glob("step-*"):
        contents = json.loads((folder / "manifest.json").read_bytes())
        del contents["digest"]
        data = manifests.to_json_bytes(manifests.with_digest(contents | {"config": record}))
        (folder / "manifest.json").write_bytes(data)


def change_json(path: Path, change: Change, version: str | None = None) -> dict[str, Any]:
    """Change a JSON file; return its record for the manifest."""
    record = json.loads(path.read_bytes())
    if version:
        record["charrnn"] = version
    change(record)
    data = manifests.to_json_bytes(record)
    path.write_bytes(data)
    return manifests.file_record(data)
