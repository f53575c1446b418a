"""`charrnn push`."""

import sys
from typing import Annotated

import typer

from charrnn.cli.flags import CheckpointOption, CorpusOption, complete_run_name, open_run
from charrnn.cli.paths import parse_name
from charrnn.cli.usage import UsageError, as_usage_error

LicenseOption = Annotated[
    str | None,
    typer.Option(
        "--license",
        help="License of the training text, such as cc0-1.0; default: charrnn asks.",
        show_default=False,
    ),
]


def push(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run folder, the name of a run in checkpoints/, bard, or a model file.",
            autocompletion=complete_run_name,
            parser=parse_name,
        ),
    ],
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="The model on the hub to write.")
    ],
    text_license: LicenseOption = None,
    private: Annotated[bool, typer.Option("--private", help="Only you can see the model.")] = False,
    revision: Annotated[
        str | None,
        typer.Option(help="Branch to write to; default: main.", show_default=False),
    ] = None,
    corpus: CorpusOption = None,
    checkpoint: CheckpointOption = "best",
) -> None:
    """Upload a model to the Hugging Face Hub, with a card. `hf:OWNER/NAME` is then a RUN."""
    from charrnn.console.output import ask_text, print_result
    from charrnn.export.hub import push_model
    from charrnn.runs.hub import PREFIX, parse_hub_name

    repository = repository.removeprefix(PREFIX)
    as_usage_error(parse_hub_name)(repository)
    if "@" in repository:
        raise UsageError("give the branch with --revision, not after an @")
    selected = open_run(run).select(checkpoint)
    if text_license is None:
        if not sys.stdin.isatty():
            raise UsageError("give the license of the training text with --license")
        text_license = ask_text("License of the training text, such as cc0-1.0")
    if not text_license.strip():
        raise UsageError("the license of the training text must not be empty")
    print_result(
        push_model(
            selected,
            repository,
            text_license.strip(),
            private=private,
            revision=revision,
            corpus=corpus,
        )
    )
