"""`charrnn list`."""

import dataclasses

from charrnn.cli.flags import JsonOption


def list_runs(as_json: JsonOption = False) -> None:
    """List the runs in checkpoints/, with their best held-out loss."""
    from charrnn.console.output import print_json, print_message
    from charrnn.reports.tables.runs import print_runs
    from charrnn.runs import summary
    from charrnn.runs.find import RUNS_FOLDER

    runs = summary.list_runs()
    if as_json:
        print_json([*map(dataclasses.asdict, runs)])
    elif runs:
        print_runs(runs)
    else:
        print_message(f"there are no runs in {RUNS_FOLDER} yet: start one with `charrnn train`")
