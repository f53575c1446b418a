"""The command line: parse, call, render. The order of the imports is that of `--help`."""

from charrnn.cli.app import app
from charrnn.cli.train import resume, train

# isort: split
from charrnn.cli.sample import sample

# isort: split
from charrnn.cli.score import bench, info, list_runs, score, verify

# isort: split
from charrnn.cli.plot import plot

# isort: split
from charrnn.cli.neurons import neurons

# isort: split
from charrnn.cli.export import export

# isort: split
from charrnn.cli.corpora import corpora

__all__ = [
    "app",
    "bench",
    "corpora",
    "export",
    "info",
    "list_runs",
    "main",
    "neurons",
    "plot",
    "resume",
    "sample",
    "score",
    "train",
    "verify",
]


def main() -> None:
    """Run the `charrnn` command."""
    app(prog_name="charrnn")
