"""The catalog of texts as rows for JSON and as a table."""

from typing import Any

from charrnn.console.output import make_displayable, stdout_console
from charrnn.console.tables import print_table
from charrnn.data.catalogue import entries


def list_catalogue() -> list[dict[str, Any]]:
    """Return one row for each text of the catalog."""
    return [
        {
            "name": entry.name,
            "title": entry.title,
            "bytes": entry.size,
            "language": entry.language,
            "licence": entry.licence,
            "here": entry.path is not None,
            "path": str(entry.path) if entry.path else None,
            "urls": list(entry.urls),
            "sha256": entry.expected_sha256,
        }
        for entry in entries().values()
    ]


def print_catalogue(rows: list[dict[str, Any]]) -> None:
    """Print the texts as a table, then the title and the download addresses of each text."""
    print_table(
        "texts (to train on one, run: charrnn train NAME)",
        ("name", "bytes", "language", "license", "on this machine"),
        [
            (
                row["name"],
                "-" if row["bytes"] is None else f"{row['bytes']:,}",
                row["language"],
                row["licence"],
                "yes" if row["here"] else "no",
            )
            for row in rows
        ],
    )
    console = stdout_console()
    for row in rows:
        lines = [f"\n{row['name']}: {row['title']}", *(f"    {url}" for url in row["urls"])]
        if row["urls"]:
            lines.append(f"    SHA-256 {row['sha256'] or 'recorded at the first download'}")
        console.print(make_displayable("\n".join(lines), console), soft_wrap=True)
