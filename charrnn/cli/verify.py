"""`charrnn verify`."""

import typer

from charrnn.cli.flags import JsonOption, RunArgument, open_run


def verify(run: RunArgument = None, as_json: JsonOption = False) -> None:
    """Check every byte of a run; exit code 1 on any damage."""
    from charrnn.console.output import print_json
    from charrnn.reports.tables.runs import print_verified
    from charrnn.runs.verification import verify_run

    opened = open_run(run)
    found = verify_run(opened)
    if as_json:
        print_json({"run": str(opened.path), "files": [each._asdict() for each in found]})
    else:
        print_verified(opened, found)
    if any(each.damage for each in found):
        raise typer.Exit(1)
