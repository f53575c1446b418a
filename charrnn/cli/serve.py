"""`charrnn serve`."""

from typing import Annotated

import typer

from charrnn.cli.flags import complete_run_name, number_option
from charrnn.cli.paths import parse_name
from charrnn.cli.usage import as_usage_error
from charrnn.config.checks import Range
from charrnn.errors import CharrnnError

_PACKAGES = ("starlette", "uvicorn", "httptools", "prometheus_client")

ServedRunsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN...",
        help="Runs to serve; default: all runs in checkpoints/, and bard.",
        show_default=False,
        autocompletion=complete_run_name,
        parser=parse_name,
    ),
]

PortOption = Annotated[
    int | None,
    number_option(
        int,
        Range(0, 65535),
        "--port",
        help_text="Port to listen at; 0: any free one; default: the first free one from 8000.",
    ),
]


def serve(
    run: ServedRunsArgument = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at. Beyond this machine, it needs an API key.")
    ] = "127.0.0.1",
    port: PortOption = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            envvar="CHARRNN_API_KEY",
            help="Key that requests to the API must have.",
            show_default=False,
        ),
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
) -> None:
    """Serve a web page and an HTTP API for trained models on this machine.

    The page continues your text, shows how runs are trained, and colors a text by surprise. It
    prints its address; Ctrl-C stops it.
    """
    try:
        from charrnn.serve.server import check_host, run_server
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise CharrnnError(
            f"charrnn serve needs the package {error.name}", 'run: pip install "charrnn[serve]"'
        ) from None
    from charrnn.console.output import print_message, print_result

    as_usage_error(check_host)(host, api_key)

    def show_address(address: str) -> None:
        print_result(address)
        print_message("press Ctrl-C to stop")

    run_server(
        run or [],
        host=host,
        port=port,
        api_key=api_key,
        open_browser=open_browser,
        show_address=show_address,
    )
