"""The command about texts known by name, and the cache of texts."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from charrnn.cli.app import app, print_json
from charrnn.cli.flags import JsonOption


@app.command()
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
    if action == "fetch":
        _fetch(names or [])
    elif names:
        raise typer.BadParameter("only fetch takes names")
    elif action == "clean":
        _clean()
    else:
        _list(as_json)


def _list(as_json: bool) -> None:
    from charrnn.console.output import print_result, print_table
    from charrnn.data.catalogue import entries

    rows = [
        {
            "name": each.name,
            "title": each.title,
            "bytes": each.size,
            "language": each.language,
            "licence": each.licence,
            "here": each.path is not None,
            "path": str(each.path) if each.path else None,
            "urls": list(each.urls),
            "sha256": each.known_sha256,
        }
        for each in entries().values()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        "texts: charrnn train NAME",
        ("name", "bytes", "language", "licence", "here"),
        [
            (
                str(row["name"]),
                "-" if row["bytes"] is None else f"{row['bytes']:,}",
                str(row["language"]),
                str(row["licence"]),
                "yes" if row["here"] else "no",
            )
            for row in rows
        ],
    )
    for each in entries().values():
        print_result(f"\n{each.name}: {each.title}")
        for url in each.urls:
            print_result(f"    {url}")
        if each.urls:
            print_result(f"    SHA-256 {each.known_sha256 or 'recorded on first download'}")


def _fetch(names: list[str]) -> None:
    from charrnn.console.output import print_result
    from charrnn.console.training_view import TrainingView
    from charrnn.data.catalogue import entries
    from charrnn.data.downloads import fetch

    unknown = [name for name in names if name not in entries()]
    if unknown or not names:
        raise typer.BadParameter(f"name texts to fetch, of {', '.join(entries())}")
    with TrainingView() as view:
        for name in names:
            if entries()[name].urls:
                for reading in fetch(entries()[name]):
                    view.show(reading)
    for name in names:
        print_result(str(entries()[name].path))


def _clean() -> None:
    from charrnn.console.output import messages, printable
    from charrnn.data.sources import cache_folder

    removed = 0
    for folder in _kept(cache_folder()):
        removed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder)
    where = printable(str(cache_folder()))
    messages().print(
        f"{removed:,} bytes removed from {where}; runs that were trained on standard input "
        "need their text by --corpus FILE from now on"
    )


def _kept(cache: Path) -> Iterator[Path]:
    folders = (cache / name for name in ("encoded", "texts", "downloads"))
    return (folder for folder in folders if folder.is_dir())
