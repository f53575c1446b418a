import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*arguments: object, **options: object) -> str:
    process = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert process.returncode == 0, process.stderr
    return str(process.stdout)


def test_an_installed_wheel_samples_trains_and_exports_in_any_folder(tmp_path: Path) -> None:
    dist, site, folder = tmp_path / "dist", tmp_path / "site", tmp_path / "empty"
    folder.mkdir()
    run("-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=ROOT)
    (wheel,) = dist.glob("charrnn-*.whl")
    assert wheel.stat().st_size < 12_000_000
    run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel)
    options = {
        "cwd": folder,
        "env": {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"},
    }
    module_path = run("-c", "import charrnn; print(charrnn.__file__)", **options)
    assert Path(module_path.strip()).parent == site / "charrnn"
    text = run("-m", "charrnn", "sample", "-n", 50, "-s", 1, **options)
    assert len(text) == 50
    sizes = ("--hidden-size", 16, "--max-steps", 2, "--eval-every", 2, "--device", "cpu")
    assert run("-m", "charrnn", "train", *sizes, **options).strip() == "checkpoints/low-hundreds"
    text = run("-m", "charrnn", "sample", "-n", 50, "-s", 1, **options)
    assert len(text) == 50
    page = run("-m", "charrnn", "export", "--to", "html", "--no-cells", **options).strip()
    assert "Content-Security-Policy" in (folder / page).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform", ["linux", "aarch64-apple-darwin", "windows"])
def test_an_installation_needs_no_compiler(platform: str, python: str) -> None:
    pytest.importorskip("uv", reason="it is in the extra test-slow")
    flags = ("--python-platform", platform, "--python-version", python, "--only-binary", ":all:")
    resolved = run("-m", "uv", "pip", "compile", "--quiet", "pyproject.toml", *flags, cwd=ROOT)
    assert "\ntorch==" in resolved
