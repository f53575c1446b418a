"""`charrnn corpora`."""

from typing import Annotated, Literal

import typer

from charrnn.cli.flags import JsonOption
from charrnn.cli.usage import UsageError, refuse_options
from charrnn.config.counts import format_count


def corpora(
    context: typer.Context,
    action: Annotated[
        Literal["list", "fetch", "clean"],
        typer.Argument(
            metavar="list|fetch|clean",
            help="list: show the texts; fetch: download the named texts now; clean: delete cached "
            "texts (encoded texts, downloads and texts from standard input).",
        ),
    ] = "list",
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Names of the texts to download.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the texts that charrnn can train on by name; download them, or empty the cache."""
    from charrnn.console.output import print_json, print_message
    from charrnn.data.cache import clear_cache
    from charrnn.data.catalogue import entries
    from charrnn.files import cache_folder
    from charrnn.reports.tables.corpora import list_catalogue, print_catalogue

    if action != "list":
        refuse_options(context, ["as_json"], f"with {action}")
    if action == "fetch":
        from charrnn.console.downloads import fetch_texts

        if not names:
            raise UsageError(f"give the names of texts to fetch: {', '.join(entries())}")
        if unknown := [name for name in names if name not in entries()]:
            raise UsageError(
                f"there is no text {unknown[0]!r} in the catalog: give names of "
                f"{', '.join(entries())}"
            )
        fetch_texts(names)
    elif names:
        raise UsageError("names are only allowed after fetch")
    elif action == "clean":
        removed_bytes = clear_cache()
        print_message(
            f"deleted {format_count(removed_bytes, 'byte')} from {cache_folder()}; "
            "if a run was trained on standard input, give its text from now on, as in "
            "`charrnn resume --corpus FILE`"
        )
    elif as_json:
        print_json(list_catalogue())
    else:
        print_catalogue(list_catalogue())
