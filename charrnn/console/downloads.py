"""Downloads of texts of the catalog, with their progress."""

from charrnn.console.output import print_result
from charrnn.console.training_view import TrainingView
from charrnn.data.catalogue import entries
from charrnn.data.downloads import fetch


def fetch_texts(names: list[str]) -> None:
    """Download texts of the catalog, show the progress, and print the path of each text."""
    with TrainingView() as view:
        for name in names:
            if entries()[name].urls:
                fetch(entries()[name], view.show_reading)
    for name in names:
        print_result(str(entries()[name].path))
