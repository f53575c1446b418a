import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*arguments: object, **options: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_the_wheel_installed_elsewhere_writes_at_once_and_trains(tmp_path: Path) -> None:
    dist, site, empty = tmp_path / "dist", tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    run("-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=ROOT)
    (wheel,) = dist.glob("charrnn-*.whl")
    run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel)
    elsewhere = {
        "cwd": empty,
        "env": {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"},
    }
    home = run("-c", "import charrnn; print(charrnn.__file__)", **elsewhere)
    assert Path(home.strip()).parent == site / "charrnn"
    text = run("-m", "charrnn", "sample", "-n", 50, "-s", 1, **elsewhere)
    assert len(text) == 50
    sizes = ("--hidden-size", 16, "--max-steps", 2, "--eval-every", 2, "--device", "cpu")
    assert run("-m", "charrnn", "train", *sizes, **elsewhere).strip() == "checkpoints/low-hundreds"
    text = run("-m", "charrnn", "sample", "-n", 50, "-s", 1, **elsewhere)
    assert len(text) == 50
    page = run("-m", "charrnn", "export", "--to", "html", "--no-cells", **elsewhere).strip()
    assert "Content-Security-Policy" in (empty / page).read_text()
