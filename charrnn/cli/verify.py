"""`charrnn verify`."""

import typer

from charrnn.cli.flags import JsonOption, RunArgument, open_run


def verify(run: RunArgument = None, as_json: JsonOption = False) -> None:
    """Check all files of a run for damage; the exit code is 1 if there is any."""
    from charrnn.console.output import print_json
    from charrnn.reports.tables.runs import print_verification
    from charrnn.runs.verification import verify_run

    opened = open_run(run)
    results = verify_run(opened)
    if as_json:
        print_json(
            {
                "run": str(opened.path),
                "version": opened.config.version,
                "checkpoint_version": opened.newest_version(opened.checkpoints()),
                "format": opened.config.format,
                "files": [result._asdict() for result in results],
            }
        )
    else:
        print_verification(opened, results)
    if any(result.damage for result in results):
        raise typer.Exit(1)
