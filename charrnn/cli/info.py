"""`charrnn info`."""

from charrnn.cli.flags import JsonOption, RunArgument, open_run


def info(run: RunArgument = None, as_json: JsonOption = False) -> None:
    """Show what a run is and how far it came."""
    from charrnn.console.output import print_json
    from charrnn.reports.tables.runs import describe, print_run

    opened = open_run(run)
    if as_json:
        print_json(describe(opened))
    else:
        print_run(opened)
