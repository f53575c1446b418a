"""How far back models remember, on the terminal or as an image file."""

from collections.abc import Mapping
from pathlib import Path

from charrnn.analysis.memory import Memory, measure_memory
from charrnn.config.text import ReadingConfig
from charrnn.console.chart import ROWS, draw_chart
from charrnn.console.output import stdout_console
from charrnn.console.progress_line import show_progress
from charrnn.console.tables import print_table
from charrnn.data.decoding import open_text
from charrnn.files import replace_file
from charrnn.model.loading import load_checkpoint
from charrnn.reports.plots import draw_memory, find_image_format
from charrnn.runs.curves import Series
from charrnn.runs.run import Run
from charrnn.runs.text_reader import TextReader

REACH_THRESHOLDS = (0.1, 0.01, 0.001)
"""In nats: the reach is the largest distance at which replacing a character changes the prediction
by at least this much."""


def print_memory(memories: Mapping[str, Memory]) -> None:
    """Print a chart of the influence of earlier characters, and a table of its reach."""
    console = stdout_console()
    series = [Series(name, result.ablation, "held out") for name, result in memories.items()]
    values = [y for line in series for _, y in line.points if y > 0]
    console.print(
        draw_chart(
            series,
            x_name="characters back",
            y_name="change of the prediction if that character is replaced (nats)",
            low=max(1e-6, min(values, default=1e-6)),
            high=2 * max(values, default=1.0),
            width=console.width,
            height=ROWS,
            logarithmic=True,
        )
    )
    console.print()
    print_table(
        "reach: largest distance at which a replaced character changes the prediction this much",
        ("model", *(f"{threshold:g} nats" for threshold in REACH_THRESHOLDS)),
        [
            (name, *(f"{result.reach(threshold):,}" for threshold in REACH_THRESHOLDS))
            for name, result in memories.items()
        ],
    )


def show_memory(
    runs: list[Run],
    checkpoint: str,
    reading: ReadingConfig,
    text: str | Path | None,
    corpus: str | None,
    device: str,
    farthest: int,
    out: Path | None,
) -> None:
    """Draw how far back models remember to the image file `out`, or else on the terminal.

    It is measured on the file `text`, or else on the held-out text of each run.
    """
    memories = {}
    source = open_text(text) if text else None
    for run in runs:
        selected = run.select(checkpoint)
        reader = TextReader(selected, reading)
        codes = reader.read_codes(source) if source else reader.split(corpus)[1]
        cell = run.config.model.cell
        name = run.name if cell in run.name else f"{run.name} ({cell})"
        model = load_checkpoint(selected, device)
        with show_progress() as progress:
            memories[name] = measure_memory(model, codes, farthest, progress)
    if out:
        replace_file(out, draw_memory(memories, find_image_format(out)))
    else:
        print_memory(memories)
