"""The catalogue of texts: as rows for JSON, and as a table."""

from typing import Any

from charrnn.console.output import print_result
from charrnn.console.tables import print_table
from charrnn.data.catalogue import entries


def catalogue_rows() -> list[dict[str, Any]]:
    """Return what is known of each text of the catalogue."""
    return [
        {
            "name": each.name,
            "title": each.title,
            "bytes": each.size,
            "language": each.language,
            "licence": each.licence,
            "here": each.path is not None,
            "path": str(each.path) if each.path else None,
            "urls": list(each.urls),
            "sha256": each.expected_sha256,
        }
        for each in entries().values()
    ]


def print_catalogue(rows: list[dict[str, Any]]) -> None:
    """Print the texts as a table, and where each can be fetched."""
    print_table(
        "texts: charrnn train NAME",
        ("name", "bytes", "language", "licence", "here"),
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
    for row in rows:
        print_result(f"\n{row['name']}: {row['title']}")
        for url in row["urls"]:
            print_result(f"    {url}")
        if row["urls"]:
            print_result(f"    SHA-256 {row['sha256'] or 'recorded on first download'}")
