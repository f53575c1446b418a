import json
from pathlib import Path

from tests.conftest import Cli


def test_corpora_lists_the_catalogue(cli: Cli) -> None:
    rows = {row["name"]: row for row in json.loads(cli("corpora", "--json").out)}
    assert rows["low-hundreds"]["here"]
    assert rows["python"]["bytes"] > 10_000_000
    assert rows["shakespeare"]["sha256"].startswith("86c4e6aa")
    assert rows["alice"]["sha256"] is None
    assert not rows["enwik8"]["here"]
    shown = cli("corpora").out
    assert "recorded at the first download" in shown
    assert all(name in shown for name in rows)
    assert cli("corpora", "fetch", "nobody").code == 2
    assert cli("corpora", "clean", "alice").code == 2


def test_corpora_clean_deletes_only_cached_texts(cli: Cli, text_file: Path) -> None:
    for folder in ("cache/charrnn/encoded/k", "cache/charrnn/texts", "cache/charrnn/elsewhere"):
        Path(folder).mkdir(parents=True)
        Path(folder, "file").write_text("12345", "utf-8")
    outcome = cli("corpora", "clean")
    assert outcome.code == 0
    assert outcome.err.startswith("deleted 10 bytes")
    assert [path.name for path in Path("cache/charrnn").iterdir()] == ["elsewhere"]
    assert text_file.is_file()
