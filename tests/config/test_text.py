import pytest

from charrnn.config.text import SEPARATOR, ResolvedTextConfig, TextConfig
from charrnn.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "separator", "finds"),
    [
        (TextConfig(), None, True),
        (TextConfig(documents=True), SEPARATOR, False),
        (TextConfig(documents=False), None, False),
        (TextConfig(document_separator="\n"), "\n", False),
        (TextConfig(documents=True, document_separator="\n"), "\n", False),
    ],
)
def test_a_text_with_a_separator_is_read_as_documents(
    given: TextConfig, separator: str | None, finds: bool
) -> None:
    assert given.resolve().separator == separator
    assert given.finds_documents == finds


def test_the_initial_model_decides_unless_the_user_does() -> None:
    inherited = ResolvedTextConfig(documents=True, document_separator="\n")
    assert TextConfig().resolve(inherited).separator == "\n"
    assert TextConfig(documents=False).resolve(inherited).separator is None
    assert TextConfig(document_separator="|").resolve(inherited).separator == "|"
    assert TextConfig(documents=True).resolve(ResolvedTextConfig()).separator == SEPARATOR


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"document_separator": "\r\n"}, r"must be one character, such as .*, not '\\r\\n'"),
        ({"document_separator": ""}, "must be one character, such as"),
        (
            {"document_separator": "é", "encoding": "ascii"},
            "must be a character of the encoding ascii, not 'é'",
        ),
        ({"document_separator": "|", "documents": False}, "has no effect.*omit one of the two"),
    ],
)
def test_a_separator_that_cannot_be_used_is_an_error(
    settings: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^document_separator {message}"):
        TextConfig(**settings)  # type: ignore[arg-type]
