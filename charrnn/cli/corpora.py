"""`charrnn corpora`."""

from typing import Annotated, Literal

import typer

from charrnn.cli.flags import JsonOption


def corpora(
    action: Annotated[
        Literal["list", "fetch", "clean"],
        typer.Argument(
            help="list: show the texts; fetch: download some now; clean: empty the cache of "
            "encoded texts, of kept standard input and of downloads."
        ),
    ] = "list",
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Texts to fetch.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the texts that charrnn knows by name; fetch them, or clean up after them."""
    from charrnn.console.output import print_json, stderr_console
    from charrnn.console.text import make_printable
    from charrnn.data.cache import clean_cache
    from charrnn.data.catalogue import entries
    from charrnn.files import cache_folder
    from charrnn.reports.tables.corpora import catalogue_rows, print_catalogue

    if action == "fetch":
        from charrnn.console.downloads import fetch_texts

        if not names or any(name not in entries() for name in names):
            raise typer.BadParameter(f"name texts to fetch, of {', '.join(entries())}")
        fetch_texts(names)
    elif names:
        raise typer.BadParameter("only fetch takes names")
    elif action == "clean":
        removed = clean_cache()
        stderr_console().print(
            f"{removed:,} bytes removed from {make_printable(str(cache_folder()))}; runs that were "
            "trained on standard input need their text by --corpus FILE from now on"
        )
    elif as_json:
        print_json(catalogue_rows())
    else:
        print_catalogue(catalogue_rows())
