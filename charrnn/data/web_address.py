"""Web addresses that a user gives in place of a path: charrnn downloads none."""

import re

from charrnn.errors import CorpusError

_WEB_ADDRESS = re.compile(r"(?:https?|ftps?|s3|gs|ssh|git):/|www\.[^/]+\.[a-z]", re.IGNORECASE)
_FILE_ADDRESS = re.compile(r"file:(?://localhost)?/+", re.IGNORECASE)


def refuse_web_address(source: object) -> None:
    """Raise `CorpusError` if `source` is a web address, such as https://example.com/novel.txt."""
    address = str(source)
    if match := _FILE_ADDRESS.match(address):
        raise CorpusError(
            f"{address} is an address, not a path", f"give the path /{address[match.end() :]}"
        )
    if _WEB_ADDRESS.match(address):
        is_known_to_curl = re.match(r"https?:|ftps?:|www\.", address, re.IGNORECASE)
        command = f", for example with `curl -LO {address}`" if is_known_to_curl else ""
        raise CorpusError(
            f"{address} is a web address, and charrnn does not download it",
            f"download it first{command}, and give the path of the file",
        )
