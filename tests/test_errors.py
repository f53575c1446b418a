import copy

from charrnn.errors import DivergedError, VocabularyError


def test_copies_of_errors_keep_all_attributes() -> None:
    unknown = copy.copy(VocabularyError("message", ("a", "b")))
    assert (str(unknown), unknown.characters) == ("message", ("a", "b"))
    diverged = copy.copy(DivergedError("message", 3, 1.5))
    assert (str(diverged), diverged.step, diverged.loss) == ("message", 3, 1.5)
