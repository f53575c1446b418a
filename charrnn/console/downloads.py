"""Downloads of texts of the catalog, with their progress."""

from charrnn.console.output import print_result
from charrnn.console.progress_line import show_progress
from charrnn.data.catalogue import entries
from charrnn.data.downloads import fetch


def fetch_texts(names: list[str]) -> None:
    """Download texts of the catalog, show the progress, and print the path of each text."""
    with show_progress() as progress:
        for name in names:
            if entries()[name].urls:
                fetch(entries()[name], progress)
    for name in names:
        print_result(str(entries()[name].path))
