"""`charrnn export`."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from charrnn.cli.flags import CheckpointOption, CorpusOption, RunArgument, open_run
from charrnn.cli.paths import check_output, parse_path
from charrnn.cli.usage import UsageError, refuse_options
from charrnn.export.formats import ExportFormat

FormatOption = Annotated[
    ExportFormat | None,
    typer.Option(
        "--to",
        help="html: a web page that generates text; onnx: an ONNX file, for other programs "
        "that run networks; safetensors: a file of weights with a model card; default: the "
        "suffix of --out.",
        show_default=False,
    ),
]
LessonOption = Annotated[
    bool,
    typer.Option(
        "--lesson",
        help="Add a lesson to the web page: six parts show how the network predicts, remembers "
        "and learns.",
    ),
]


def export(
    context: typer.Context,
    run: RunArgument = None,
    to: FormatOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            parser=parse_path,
            help="File to write; default: the name of the run, in the current folder.",
            show_default=False,
        ),
    ] = None,
    cells: Annotated[
        bool,
        typer.Option(
            "--cells/--no-cells",
            help="Search for units that follow a feature of the text, to offer them in the page "
            "(needs the text of the run).",
        ),
    ] = True,
    lesson: LessonOption = False,
    corpus: CorpusOption = None,
    checkpoint: CheckpointOption = "best",
) -> None:
    """Export a model: a web page that generates text, or a file for other programs."""
    target = _choose_target(to, out)
    if lesson and target != "html":
        raise UsageError("--lesson adds a lesson to a web page: give --to html")
    if target != "html":
        refuse_options(context, ("cells", "corpus"), "without --to html")
    elif not cells:
        refuse_options(context, ["corpus"], "with --no-cells")
    from charrnn.console.output import print_result
    from charrnn.export.targets import write_model

    selected = open_run(run).select(checkpoint)
    path = out or Path(f"{selected.run.name}.{target}")
    outputs = [path, path.with_suffix(".md")] if target == "safetensors" else [path]
    for output in outputs:
        check_output(output, [corpus], [selected.run])
    write_model(selected, target, path, offer_units=cells, lesson=lesson, corpus=corpus)
    print_result(str(path))


def _choose_target(to: ExportFormat | None, out: Path | None) -> ExportFormat:
    """Return the format of the file; raise `UsageError` if its name does not say it, or another."""
    suffix = out.suffix.lower().removeprefix(".") if out else ""
    target = to or suffix
    if target not in get_args(ExportFormat):
        raise UsageError("give --to, or --out with a name that ends in .html, .onnx, .safetensors")
    if out and suffix != target:
        raise UsageError(f"the name of the file must end in .{target}, but it is {out.name!r}")
    return cast(ExportFormat, target)
