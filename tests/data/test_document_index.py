import numpy as np
import pytest

from charrnn.data import document_index
from charrnn.data.document_index import DocumentIndex, locate_documents, split_documents


def find(text: str) -> DocumentIndex:
    return locate_documents(np.frombuffer(text.encode(), np.uint8), ord("|"))


@pytest.mark.parametrize(
    ("text", "documents", "num_empty"),
    [
        ("ab|c|def", ["ab", "c", "def"], 0),
        ("ab|c|def|", ["ab", "c", "def"], 0),  # the last separator ends a document
        ("|ab||c|", ["ab", "c"], 2),
        ("ab||", ["ab"], 1),
        ("ab", ["ab"], 0),
        ("|", [], 1),
        ("", [], 0),
    ],
)
def test_documents_are_between_separators(
    text: str, documents: list[str], num_empty: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for chunk in (1, 3, 1 << 20):
        monkeypatch.setattr(document_index, "CHUNK", chunk)
        index = find(text)
        spans = zip(index.starts_D, index.ends_D, strict=True)
        assert [text[start:end] for start, end in spans] == documents
        assert index.num_empty == num_empty
        assert index.num_targets.tolist() == [len(document) + 1 for document in documents]


def test_short_and_many_documents_are_recognized() -> None:
    assert find("|".join(["x" * 2_000] * 200)).has_many_short
    assert find("|".join(["x"] * 101 + ["x" * 9_000] * 99)).has_many_short
    assert not find("|".join(["x" * 2_001] * 200)).has_many_short
    assert not find("|".join(["x"] * 199)).has_many_short
    assert not find("").has_many_short


@pytest.mark.parametrize(
    ("text", "fraction", "held_out"),
    [
        ("aaa|bbb|ccc|ddd", 0.25, "ddd"),
        ("aaa|bbb|ccc|ddd", 0.2, "ddd"),  # no document starts in the last three characters
        ("aaa|bbb|ccc|ddd", 0.5, "ccc|ddd"),
        ("a|bbbbbbbbbbbbbb", 0.1, "bbbbbbbbbbbbbb"),
        ("aaa|bbb||ccc|", 0.4, "ccc|"),
    ],
)
def test_the_held_out_part_starts_with_a_document(
    text: str, fraction: float, held_out: str
) -> None:
    assert text[split_documents(find(text), len(text), fraction) :] == held_out
