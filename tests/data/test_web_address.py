import pytest

from charrnn.data.corpus import Corpus
from charrnn.data.decoding import open_text
from charrnn.data.web_address import refuse_web_address
from charrnn.errors import CorpusError


@pytest.mark.parametrize(
    "address",
    ["https://example.com/a.txt", "HTTP://x/y", "ftp://x/y", "www.example.com/a.txt", "s3://a/b"],
)
def test_a_web_address_is_shown_unchanged_with_a_command_to_download_it(address: str) -> None:
    for read in (refuse_web_address, Corpus.open, open_text):
        with pytest.raises(CorpusError, match=f"^{address} is a web .*`curl -LO {address}`"):
            read(address)


def test_a_file_address_is_turned_into_a_path() -> None:
    with pytest.raises(CorpusError, match=r"give the path /home/me/a\.txt$"):
        refuse_web_address("file:///home/me/a.txt")


@pytest.mark.parametrize("path", ["a.txt", "http.txt", "d/www.txt", "https", "a:b", "www.txt"])
def test_a_path_is_accepted(path: str) -> None:
    refuse_web_address(path)
