"""Runs of newer versions, older versions, and runs that name no version."""

import json
from pathlib import Path

import pytest

from charrnn.errors import CheckpointError
from charrnn.runs.compatibility import FORMAT
from charrnn.runs.run import Run
from charrnn.runs.verification import verify_run
from charrnn.version import __version__
from tests.conftest import Cli
from tests.runs.changed_run import DATA, NEWER, Change, copy_run

TEXT = DATA / "run-0.2.0.dev0/corpus.txt"
CANNOT_READ = f"charrnn {__version__} cannot read {{}}, which charrnn {NEWER} wrote ({{}})"
NEW_CONFIGS: dict[str, tuple[Change, str]] = {
    "setting of training": (
        lambda config: config["training"].update(warp=2),
        "the setting 'warp' is not known",
    ),
    "setting of the network": (
        lambda config: config["model"].update(residual=True),
        "the setting 'residual' is not known",
    ),
    "setting of the text": (
        lambda config: config["text"].update(case="lower"),
        "the setting 'case' is not known",
    ),
    "fact of the text": (
        lambda config: config["corpus"].update(language="en"),
        "the setting 'language' is not known",
    ),
    "cell": (
        lambda config: config["model"].update(cell="mogrifier"),
        "cell must be one of lstm, gru, rnn, not 'mogrifier'",
    ),
    "larger range": (
        lambda config: config["model"].update(num_layers=65),
        "num_layers must be a whole number from 1 to 64, not 65",
    ),
    "format": (
        lambda config: config.update(format=FORMAT + 1),
        f"its format number, {FORMAT + 1}, is not known",
    ),
}
NEW_MANIFESTS: dict[str, tuple[Change, str]] = {
    "file": (
        lambda manifest: manifest["files"].update({"hints.bin": {"size": 1, "sha256": "0" * 64}}),
        "the file 'hints.bin' is not known",
    ),
    "format": (
        lambda manifest: manifest.update(format=FORMAT + 1),
        f"its format number, {FORMAT + 1}, is not known",
    ),
}


def read_files(run: Path) -> dict[Path, bytes]:
    """Return the contents of the files of a run, without its lock."""
    return {path: path.read_bytes() for path in run.rglob("[!.]*") if path.is_file()}


@pytest.mark.parametrize(("change", "problem"), NEW_CONFIGS.values(), ids=NEW_CONFIGS)
def test_what_is_not_known_in_a_config_of_a_newer_version_is_named(
    change: Change, problem: str, cli: Cli
) -> None:
    copy_run(Path("checkpoints/run"), config=change)
    sentence = CANNOT_READ.format("checkpoints/run/config.json", problem)
    for command in ("resume", "sample", "score", "info", "verify"):
        outcome = cli(command, "run")
        assert outcome.code == 1
        assert outcome.out == ""
        assert outcome.err == f"error: {sentence}: install charrnn {NEWER} or newer\n"
    listed = cli("list")
    assert sentence in listed.err
    assert "damage" not in listed.err


@pytest.mark.parametrize(("change", "problem"), NEW_MANIFESTS.values(), ids=NEW_MANIFESTS)
def test_what_is_not_known_in_a_checkpoint_of_a_newer_version_is_named(
    change: Change, problem: str, cli: Cli
) -> None:
    """No older checkpoint is used: a resume would lose the steps of the newer version."""
    run = copy_run(Path("run"), manifest=change)
    before = read_files(run)
    sentence = CANNOT_READ.format("run/step-00000013/manifest.json", problem)
    for command in ("resume", "sample", "score", "info", "verify"):
        outcome = cli(command, "run")
        assert outcome.code == 1
        assert outcome.err == f"error: {sentence}: install charrnn {NEWER} or newer\n"
    assert read_files(run) == before


def test_an_entry_of_a_state_that_is_not_known_is_named(cli: Cli) -> None:
    run = copy_run(Path("run"), state=lambda state: state.update(phase=3))
    before = read_files(run)
    sentence = CANNOT_READ.format("run/step-00000013/state.json", "the entry 'phase' is not known")
    for command in ("resume", "info", "verify"):
        outcome = cli(command, "run")
        assert outcome.code == 1
        assert outcome.err == f"error: {sentence}: install charrnn {NEWER} or newer\n"
    assert read_files(run) == before
    for arguments in (("sample", "run", "-n", 5), ("score", "run", TEXT)):
        assert cli(*arguments).code == 0, "the state of training is not needed"


def test_optional_parts_of_a_newer_version_are_ignored_and_reported(cli: Cli) -> None:
    """They are at the top level of config.json and of manifest.json, and in metrics.jsonl."""
    copy_run(
        Path("run"),
        config=lambda config: config.update(comment="a new key"),
        manifest=lambda manifest: manifest.update(hints={"size": 1, "sha256": "0" * 64}),
    )
    metrics = Path("run/metrics.jsonl")
    metrics.write_text(metrics.read_text("utf-8").replace('{"step"', '{"new": 1, "step"'), "utf-8")
    outcome = cli("verify", "run")
    assert outcome.code == 0
    assert (
        f"made by charrnn {NEWER} in format {FORMAT}; this is charrnn {__version__}" in outcome.out
    )
    assert (
        f"intact, but charrnn {__version__} does not know 'hints' in manifest.json" in outcome.out
    )
    assert "not everything could be verified" in outcome.err
    for arguments in (("sample", "run", "-n", 5), ("score", "run", TEXT), ("info", "run")):
        assert cli(*arguments).code == 0
    resumed = cli("resume", "run", "--corpus", TEXT)
    assert resumed.code == 0
    assert f"charrnn {NEWER} wrote the newest checkpoint" in resumed.err


@pytest.mark.parametrize("version", [__version__, "0.1.0", "not a version", 7, None])
def test_an_unknown_setting_is_not_called_damage_whoever_wrote_it(version: object) -> None:
    def change(config: dict[str, object]) -> None:
        config["training"]["warp"] = 2  # type: ignore[index]
        config["charrnn"] = version

    copy_run(Path("run"), config=change)
    with pytest.raises(CheckpointError) as caught:
        Run.open(Path("run"))
    is_known = version in (__version__, "0.1.0")
    writer = f"charrnn {version}" if is_known else "an unknown version of charrnn"
    assert str(caught.value) == (
        f"charrnn {__version__} cannot read run/config.json, which {writer} wrote (the setting "
        "'warp' is not known): install the newest version of charrnn, or restore the original file"
    )


def test_a_wrong_value_of_a_version_that_is_not_newer_is_damage() -> None:
    copy_run(
        Path("run"), config=lambda config: config["model"].update(cell="mogrifier"), version="0.1.0"
    )
    with pytest.raises(CheckpointError, match=r"config\.json is damaged: cell must be one of"):
        Run.open(Path("run"))


def test_a_changed_byte_in_a_checkpoint_of_a_newer_version_is_damage() -> None:
    run = Run.open(copy_run(Path("run")))
    path = run.path / "step-00000013/manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"format": 2', b'"format": 9'))
    assert [result.damage is None for result in verify_run(run)][:2] == [True, False]


def test_commands_name_the_version_of_an_older_run(cli: Cli) -> None:
    copy_run(Path("run"), source="run-0.1.0", version="0.1.0")
    text = DATA / "run-0.1.0/corpus.txt"
    versions = "made by charrnn 0.1.0 in format 1"
    for command in ("info", "verify"):
        assert f"{versions}; this is charrnn {__version__}" in cli(command, "run").out
    sample = cli("sample", "run", "-n", 20, "-s", 1)
    assert "0.1.0" not in sample.out + sample.err
    note = f"note: charrnn 0.1.0 wrote the newest checkpoint, and charrnn {__version__} continues"
    assert note in cli("resume", "run", "--corpus", text).err
    for command in ("info", "verify"):
        assert f"{versions}, continued by charrnn {__version__}" in cli(command, "run").out
        facts = json.loads(cli(command, "run", "--json").out)
        assert (facts["version"], facts["format"]) == ("0.1.0", 1)
        assert facts["checkpoint_version"] == __version__
    assert note not in cli("resume", "run", "--corpus", text, "--max-steps", 21).err


def test_a_new_run_names_this_version(cli: Cli, text_file: Path) -> None:
    small = ("--hidden-size", 4, "--num-layers", 1, "--device", "cpu", "-o", "run")
    assert cli("train", text_file, "--max-steps", 2, *small).code == 0
    assert f"made by charrnn {__version__} in format {FORMAT}" in cli("info", "run").out
    assert "this is charrnn" not in cli("verify", "run").out
    assert "newest checkpoint" not in cli("resume", "run", "--max-steps", 3).err
