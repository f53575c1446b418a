import os
import subprocess
import sys
from pathlib import Path

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
