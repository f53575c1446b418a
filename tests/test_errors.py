import copy

from charrnn.errors import DivergedError, VocabularyError


def test_errors_arrive_in_other_processes_whole() -> None:
    unknown = copy.copy(VocabularyError("so", ("a", "b")))
    assert (str(unknown), unknown.characters) == ("so", ("a", "b"))
    diverged = copy.copy(DivergedError("so", 3, 1.5))
    assert (str(diverged), diverged.step, diverged.loss) == ("so", 3, 1.5)
