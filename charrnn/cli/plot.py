"""`charrnn plot`."""

from typing import Annotated, Literal

import typer

from charrnn.cli.flags import (
    CheckpointOption,
    CorpusOption,
    DeviceOption,
    ImageOption,
    complete_run_name,
    config_flags,
    number_option,
    open_run,
)
from charrnn.cli.paths import check_output, parse_name, text_option
from charrnn.cli.usage import UsageError, refuse_options
from charrnn.config.checks import Range
from charrnn.config.text import ReadingConfig

RunsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN...",
        autocompletion=complete_run_name,
        parser=parse_name,
        help="Run folders, or names of runs in checkpoints/; default: the newest run, or bard if "
        "there is none.",
        show_default=False,
    ),
]
AxisOption = Annotated[
    Literal["steps", "epochs", "characters", "time"],
    typer.Option("--x", "-x", help="Quantity on the x axis."),
]
LossUnitOption = Annotated[Literal["bits", "nats"], typer.Option(help="Unit of the losses.")]
MemoryOption = Annotated[
    bool,
    typer.Option(
        "--memory", help="Plot how far back the models remember, instead of their losses."
    ),
]
FarthestOption = Annotated[
    int,
    number_option(
        int,
        Range(10, 10_000),
        "--farthest",
        help_text="Largest distance that --memory measures, in characters.",
    ),
]
MemoryTextOption = Annotated[
    str | None,
    text_option("--text", "Text for --memory; default: the held-out text of each run."),
]


@config_flags
def plot(
    context: typer.Context,
    run: RunsArgument = None,
    x: AxisOption = "steps",
    unit: LossUnitOption = "bits",
    memory: MemoryOption = False,
    farthest: FarthestOption = 200,
    text: MemoryTextOption = None,
    out: ImageOption = None,
    corpus: CorpusOption = None,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
    reading: ReadingConfig = ReadingConfig(),  # noqa: B008
) -> None:
    """Plot the losses of runs, or how far back they remember; -o writes an image or a page."""
    from charrnn.files import replace_file
    from charrnn.runs.find import find_run

    is_page = out is not None and out.suffix.lower() == ".html"
    _check_usage(context, is_page, memory, len(run or []), text is not None)
    runs = [find_run(name) for name in run] if run else [open_run(None)]
    check_output(out, [text, corpus], runs)
    if out and is_page:
        from charrnn.console.progress_line import show_progress
        from charrnn.reports.run_page import render_run_page
        from charrnn.runs.text_reader import TextReader

        selected = runs[0].select(checkpoint)
        reader = TextReader(selected, reading)
        with show_progress() as progress:
            page = render_run_page(selected, reader, x, unit, farthest, corpus, device, progress)
        replace_file(out, page)
    elif memory:
        from charrnn.reports.memory import show_memory

        show_memory(runs, checkpoint, reading, text, corpus, device, farthest, out)
    else:
        from charrnn.reports.curves import show_curves

        show_curves(runs, x, unit, out)


def _check_usage(
    context: typer.Context, is_page: bool, memory: bool, num_runs: int, has_text: bool
) -> None:
    if is_page and (num_runs > 1 or memory):
        raise UsageError(
            "a page shows one run and includes its memory: give one RUN, without --memory"
        )
    if memory:
        refuse_options(context, ("x", "unit"), "with --memory")
        if has_text:
            refuse_options(context, ["corpus"], "with --text")
        return
    refuse_options(context, ["text"], "in a page" if is_page else "without --memory")
    if not is_page:
        names = ("farthest", "corpus", "checkpoint", "device", *vars(ReadingConfig()))
        refuse_options(context, names, "without --memory or an --out that ends in .html")
