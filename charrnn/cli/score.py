"""`charrnn score`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.cli.flags import (
    CheckpointOption,
    CorpusOption,
    DeviceOption,
    JsonOption,
    PageOption,
    complete_run,
    open_run,
)

if TYPE_CHECKING:
    from charrnn.runs.run import Run

RunAndFilesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN | FILE...",
        autocompletion=complete_run,
        help="Texts to score, - for standard input; the first may name the run. "
        "No text: the run's own held-out part.",
        show_default=False,
    ),
]
RunsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A run; several compare. Then all arguments are texts.",
        metavar="RUN",
        autocompletion=complete_run,
    ),
]
ContextOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Score independent windows of this many characters, each from a blank state; "
        "left out: the text is read once, the state carried.",
        show_default=False,
    ),
]
AdaptFlag = Annotated[
    bool, typer.Option("--adapt", help="Let a copy of the model learn from what it has read.")
]
PerCharOption = Annotated[
    bool,
    typer.Option("--per-char", help="Colour the text by how much each character surprises."),
]
ShownLengthOption = Annotated[
    int | None,
    typer.Option(
        "--length",
        "-n",
        min=1,
        max=200_000,
        help="Characters that --per-char shows; left out: 2,000, in a page 20,000.",
        show_default=False,
    ),
]
UnknownOption = Annotated[
    Literal["error", "skip"],
    typer.Option(help="What to do with characters the model does not know."),
]


def score(
    run_and_files: RunAndFilesArgument = None,
    run: RunsOption = None,
    context: ContextOption = None,
    adapt: AdaptFlag = False,
    per_char: PerCharOption = False,
    length: ShownLengthOption = None,
    out: PageOption = None,
    corpus: CorpusOption = None,
    unknown: UnknownOption = "error",
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Tell how well a model foretells a text: nats and bits per character, lower is better.

    Several runs are ranked on each text, several texts under one run. With --json one run and one
    text give an object, more give a list of objects.
    """
    from charrnn.console.output import print_json
    from charrnn.data.decoding import read_text

    _check_usage(context, adapt, per_char, out is not None or length is not None)
    runs, files = _runs_and_files(run or [], run_and_files or [])
    if per_char and (len(runs) > 1 or len(files) > 1):
        raise typer.BadParameter("--per-char shows one text as one run reads it")
    texts = [(file, read_text(file)) for file in files]
    if per_char:
        from charrnn.reports.surprise import print_surprises, surprises, write_page

        found = surprises(runs[0].select(checkpoint), texts, device, corpus, unknown)
        if out:
            write_page(found, length or 20_000, out)
        elif as_json:
            print_json(found.as_json())
        else:
            print_surprises(found, length or 2000)
        return
    from charrnn.reports.tables.scores import print_scores, ranked, score_rows

    results = ranked(
        [
            row
            for each in runs
            for row in score_rows(each, texts, checkpoint, device, context, adapt, corpus, unknown)
        ]
    )
    if as_json:
        print_json(results[0] if len(results) == 1 else results)
    else:
        print_scores(results, context, adapt)


def _check_usage(
    context: int | None, adapt: bool, per_char: bool, has_per_char_options: bool
) -> None:
    if context is not None and adapt:
        raise typer.BadParameter("give --context or --adapt, not both")
    if per_char and (context is not None or adapt):
        raise typer.BadParameter("--per-char reads the text once: not with --context or --adapt")
    if has_per_char_options and not per_char:
        raise typer.BadParameter("--out and --length belong to --per-char")


def _runs_and_files(names: list[str], arguments: list[str]) -> tuple[list["Run"], list[str]]:
    """Return the runs, and the arguments that are texts: the first one may name the run."""
    from charrnn.runs.find import find_run, open_if_run

    if names:
        return [find_run(name) for name in names], arguments
    if arguments and (run := open_if_run(arguments[0])):
        return [run], arguments[1:]
    return [open_run(None)], arguments
