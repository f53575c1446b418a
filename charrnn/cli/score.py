"""`charrnn score`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.cli.flags import (
    CheckpointOption,
    CorpusOption,
    DeviceOption,
    JsonOption,
    complete_run_name,
    config_flags,
    number_option,
    open_run,
    page_option,
)
from charrnn.cli.paths import check_output, check_standard_input, parse_name
from charrnn.cli.usage import UsageError, refuse_options
from charrnn.config.checks import Range
from charrnn.config.text import ReadingConfig

if TYPE_CHECKING:
    from charrnn.reports.surprise import SurpriseReport
    from charrnn.runs.run import Run

RunAndFilesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN | FILE...",
        autocompletion=complete_run_name,
        parser=parse_name,
        help="The run, then the texts to score, - for standard input. Without a run: the newest "
        "run, or bard if there is none. Without a text: the held-out text of the run.",
        show_default=False,
    ),
]
RunsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A run; repeat the option to compare runs. All arguments are then texts.",
        metavar="RUN",
        autocompletion=complete_run_name,
        parser=parse_name,
    ),
]
ContextOption = Annotated[
    int | None,
    number_option(
        int,
        Range(1, 10**12),
        "--context",
        help_text="Split the text into windows of this many characters and score each one "
        "separately; default: read the whole text once, from start to end.",
    ),
]
AdaptFlag = Annotated[
    bool, typer.Option("--adapt", help="Train a copy of the model on the text while it reads.")
]
PerCharOption = Annotated[
    bool,
    typer.Option("--per-char", help="Show the text, colored by the loss of each character."),
]
SurprisePageOption = Annotated[
    Path | None, page_option("With --per-char: write an HTML page to this file (.html).")
]
ShownLengthOption = Annotated[
    int | None,
    number_option(
        int,
        Range(1, 200_000),
        "--length",
        "-n",
        help_text="Characters that --per-char shows; default: 2,000, in a page 20,000.",
    ),
]
UnknownOption = Annotated[
    Literal["error", "skip"],
    typer.Option(
        help="Characters that are not in the model's vocabulary: stop with an error, or skip them."
    ),
]


@config_flags
def score(
    call: typer.Context,
    run_and_files: RunAndFilesArgument = None,
    run: RunsOption = None,
    context: ContextOption = None,
    adapt: AdaptFlag = False,
    per_char: PerCharOption = False,
    length: ShownLengthOption = None,
    out: SurprisePageOption = None,
    corpus: CorpusOption = None,
    unknown: UnknownOption = "error",
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    reading: ReadingConfig = ReadingConfig(),  # noqa: B008
) -> None:
    """Measure how well a model predicts a text: the loss per character, lower is better.

    With several runs, the table ranks the runs on each text. With one run, it ranks the texts. With
    --json, one run and one text give an object; otherwise the result is a list of objects.
    """
    from charrnn.console.output import print_json
    from charrnn.data.decoding import open_text

    _check_usage(context, adapt, per_char, out is not None or length is not None)
    check_standard_input([*(run_and_files or []), corpus])
    runs, files = _find_runs_and_files(run or [], run_and_files or [])
    if per_char and (len(runs) > 1 or len(files) > 1):
        raise UsageError("--per-char needs one run and at most one text")
    if out:
        refuse_options(call, ["as_json"], "with --out")
    if files:
        refuse_options(call, ["corpus"], "with a text to score")
    check_output(out, [*files, corpus], runs)
    texts = [(file, open_text(file)) for file in files]
    if per_char:
        from charrnn.reports.surprise import measure_surprise

        report = measure_surprise(
            runs[0].select(checkpoint), reading, texts, device, corpus, unknown
        )
        _output_surprise(report, length, out, as_json)
        return
    from charrnn.reports.tables.scores import print_scores, score_texts

    rows = score_texts(runs, reading, texts, checkpoint, device, context, adapt, corpus, unknown)
    if as_json:
        print_json(rows[0] if len(rows) == 1 else rows)
    else:
        print_scores(rows, context, adapt)


def _check_usage(
    context: int | None, adapt: bool, per_char: bool, has_per_char_options: bool
) -> None:
    if context is not None and adapt:
        raise UsageError("--context and --adapt cannot be combined")
    if per_char and (context is not None or adapt):
        raise UsageError("--per-char cannot be combined with --context or --adapt")
    if has_per_char_options and not per_char:
        raise UsageError("--out and --length need --per-char")


def _output_surprise(
    report: "SurpriseReport", length: int | None, out: Path | None, as_json: bool
) -> None:
    """Write a page, or print the report."""
    from charrnn.console.output import print_json
    from charrnn.reports.surprise import print_surprise_report, write_page

    if out:
        write_page(report, length or 20_000, out)
    elif as_json:
        print_json(report.to_json())
    else:
        print_surprise_report(report, length or 2000)


def _find_runs_and_files(names: list[str], arguments: list[str]) -> tuple[list["Run"], list[str]]:
    """Return the runs and the text files; without `names`, the first argument can be the run."""
    from charrnn.runs.find import find_run, open_if_run

    if names:
        return [find_run(name) for name in names], arguments
    if arguments and (run := open_if_run(arguments[0])):
        return [run], arguments[1:]
    return [open_run(None)], arguments
