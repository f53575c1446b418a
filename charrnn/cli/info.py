"""`charrnn info`."""

import dataclasses

from charrnn.cli.flags import JsonOption, RunArgument, open_run


def info(run: RunArgument = None, as_json: JsonOption = False) -> None:
    """Show the settings, the progress and the checkpoints of a run."""
    from charrnn.console.output import print_json
    from charrnn.reports.tables.runs import print_run
    from charrnn.runs.summary import summarize_run

    opened = open_run(run)
    if as_json:
        print_json(dataclasses.asdict(summarize_run(opened)))
    else:
        print_run(opened)
