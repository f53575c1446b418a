"""`charrnn resume`."""

import functools
from typing import Annotated

import typer

from charrnn.cli.flags import complete_run_name, config_flags, number_option
from charrnn.cli.paths import parse_name, text_option
from charrnn.cli.train import ReportToOption, make_report
from charrnn.config.checks import Range
from charrnn.config.text import ReadingConfig
from charrnn.config.training import Budget, DeviceName
from charrnn.numerics.reproducible import use_reproducible_kernels

UnfinishedRunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run folder, or the name of a run in checkpoints/; default: the newest run.",
        show_default=False,
        autocompletion=complete_run_name,
        parser=parse_name,
    ),
]


@config_flags
def resume(
    run: UnfinishedRunArgument = None,
    corpus: Annotated[
        str | None,
        text_option(
            "--corpus",
            "Path of the text of the run, if it has moved, or of another text to continue with.",
        ),
    ] = None,
    device: Annotated[
        DeviceName | None,
        typer.Option(help="Device to train on; default: as before.", show_default=False),
    ] = None,
    threads: Annotated[
        int | None,
        number_option(
            int, Range(1, 4096), "--threads", help_text="CPU threads; default: as before."
        ),
    ] = None,
    report_to: ReportToOption = None,
    reading: ReadingConfig = ReadingConfig(),  # noqa: B008
    budget: Budget = Budget(),  # noqa: B008
) -> None:
    """Continue a run exactly where it stopped, or train a finished run further.

    To train a finished run further, give it a larger limit, such as --epochs 40.
    """
    from charrnn.runs.find import find_run

    if find_run(run, allow_bundled=False).config.training.reproducible:
        use_reproducible_kernels()
    from charrnn.console.follow import follow
    from charrnn.numerics.allocator import keep_freed_memory
    from charrnn.training.loop import resume as resume_run

    keep_freed_memory()
    start = functools.partial(
        resume_run,
        run,
        budget,
        corpus=corpus,
        device=device,
        threads=threads,
        reading=reading,
    )
    raise typer.Exit(follow(start, make_report(report_to)))
