from pathlib import Path

import pytest

from charrnn.files import replace_file


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    replace_file(path, "one")
    replace_file(path, "two")
    assert path.read_text() == "two"
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".tmp"] == []
    with pytest.raises(OSError, match="nowhere"):
        replace_file(tmp_path / "nowhere" / "page.html", "three")
