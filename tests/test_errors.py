import copy

from charrnn.errors import DivergedError, VocabularyError


def test_copied_errors_keep_their_attributes() -> None:
    unknown = copy.copy(VocabularyError("so", ("a", "b")))
    assert (str(unknown), unknown.characters) == ("so", ("a", "b"))
    diverged = copy.copy(DivergedError("so", 3, 1.5))
    assert (str(diverged), diverged.step, diverged.loss) == ("so", 3, 1.5)
