import pytest

from charrnn.data.corpus import Corpus
from charrnn.data.decoding import open_text
from charrnn.data.web_address import refuse_web_address
from charrnn.errors import CorpusError


@pytest.mark.parametrize(
    "address",
    ["https://example.com/a.txt", "HTTP://x/y", "ftp://x/y", "www.example.com/a.txt"],
)
def test_a_web_address_is_shown_unchanged_with_a_command_to_download_it(address: str) -> None:
    for read in (refuse_web_address, Corpus.open, open_text):
        with pytest.raises(CorpusError, match=f"^{address} is a web .*`curl -LO {address}`"):
            read(address)


@pytest.mark.parametrize("address", ["s3://a/b", "gs://a/b", "git://host/a.git"])
def test_curl_is_not_suggested_for_an_address_that_it_does_not_know(address: str) -> None:
    with pytest.raises(CorpusError, match=f"^{address} is a web .*: download it first, and give"):
        refuse_web_address(address)


@pytest.mark.parametrize("host", ["", "localhost"])
def test_a_file_address_is_turned_into_a_path(host: str) -> None:
    with pytest.raises(CorpusError, match=r"give the path /home/me/a\.txt$"):
        refuse_web_address(f"file://{host}/home/me/a.txt")


@pytest.mark.parametrize("path", ["a.txt", "http.txt", "d/www.txt", "https", "a:b", "www.txt"])
def test_a_path_is_accepted(path: str) -> None:
    refuse_web_address(path)
