"""Downloads of texts of the catalogue, with their progress."""

from charrnn.console.output import print_result
from charrnn.console.training_view import TrainingView
from charrnn.data.catalogue import entries
from charrnn.data.downloads import fetch


def fetch_texts(names: list[str]) -> None:
    """Fetch texts of the catalogue, and print where each is; shows how far each download is."""
    with TrainingView() as view:
        for name in names:
            if entries()[name].urls:
                fetch(entries()[name], view.show_reading)
    for name in names:
        print_result(str(entries()[name].path))
