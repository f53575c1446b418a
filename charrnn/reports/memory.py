"""How far back models remember: on the terminal, or as a picture."""

from collections.abc import Mapping
from pathlib import Path

from charrnn.analysis.memory import Memory, memory
from charrnn.console.chart import ROWS, draw_chart
from charrnn.console.output import stdout_console
from charrnn.console.tables import print_table
from charrnn.files import replace_file
from charrnn.model.loading import load_checkpoint
from charrnn.reports.plots import draw_memory, image_format
from charrnn.reports.texts import own_text, read_codes
from charrnn.runs.curves import Series
from charrnn.runs.run import Run

REACHES = (0.1, 0.01, 0.001)
"""In nats. The reach is the farthest distance at which ablation moves the forecast by this much."""


def print_memory(memories: Mapping[str, Memory]) -> None:
    """Print how the influence of a character fades, and how far it reaches."""
    console = stdout_console()
    series = [Series(name, each.ablation, "held out") for name, each in memories.items()]
    values = [y for each in series for _, y in each.points if y > 0]
    console.print(
        draw_chart(
            series,
            x_name="steps ago",
            y_name="how far the forecast moves when that character is another one (nats)",
            low=max(1e-6, min(values, default=1e-6)),
            high=2 * max(values, default=1.0),
            width=console.width,
            height=ROWS,
            logarithmic=True,
        )
    )
    console.print()
    print_table(
        "reach: steps, by nats",
        ("model", *(f"{each:g}" for each in REACHES)),
        [
            (name, *(f"{each.reach(least):,}" for least in REACHES))
            for name, each in memories.items()
        ],
    )


def show_memory(
    runs: list[Run],
    checkpoint: str,
    text: Path | None,
    corpus: str | None,
    device: str,
    farthest: int,
    out: Path | None,
) -> None:
    """Draw how far back models remember: as a picture if `out` names one, else on the terminal.

    By `text`, or by the held-out part of each run's own text.
    """
    memories = {}
    for run in runs:
        chosen = run.select(checkpoint)
        codes = read_codes(chosen, text) if text else own_text(chosen, corpus)[1]
        cell = run.config.model.cell
        name = run.path.name if cell in run.path.name else f"{run.path.name} ({cell})"
        memories[name] = memory(load_checkpoint(chosen, device), codes, farthest)
    if out:
        replace_file(out, draw_memory(memories, image_format(out)))
    else:
        print_memory(memories)
