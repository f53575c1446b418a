"""`charrnn list`."""

from charrnn.cli.flags import JsonOption


def list_runs(as_json: JsonOption = False) -> None:
    """Show the runs under checkpoints/."""
    from charrnn.console.output import print_json, stderr_console
    from charrnn.reports.tables.runs import describe_all, print_runs
    from charrnn.runs.find import RUNS_FOLDER

    runs = list(describe_all())
    if as_json:
        print_json(runs)
    elif runs:
        print_runs(runs)
    else:
        stderr_console().print(f"no runs in {RUNS_FOLDER} yet: make one with `charrnn train`")
