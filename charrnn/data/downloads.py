"""Texts of the catalogue fetched from where they are published.

What arrives is written beside its place and moved there when all of it is there and its SHA-256 is
the expected one: an interrupted download goes on where it stopped, and nothing else is ever found.
"""

import hashlib
import http.client
import json
import shutil
import socket
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import filelock

from charrnn.data.cache import downloads_folder
from charrnn.data.catalogue import CatalogueEntry
from charrnn.data.progress import ProgressCallback, ProgressReporter, Reading
from charrnn.errors import DownloadError
from charrnn.files import move_file, replace_file, sync_file
from charrnn.version import __version__

_PIECE = 1 << 18  # bytes asked for at once
_TIMEOUT = 30.0  # seconds without a byte
_PAUSES = (0.0, 1.0, 4.0)  # seconds before each attempt at one address


def fetch(entry: CatalogueEntry, progress: ProgressCallback | None = None) -> Path:
    """Fetch a text unless it is here; return its file. Raises `DownloadError`.

    An exception of `progress` ends the download and is passed on.
    """
    report = ProgressReporter(progress)
    folder = downloads_folder()
    place = folder / f"{entry.name}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / f"{entry.name}.lock"):
            if not place.is_file():
                _fetch(entry, place, report)
    except OSError as error:
        if report.failed:
            raise
        raise DownloadError(
            f"{entry.name} cannot be kept in {folder} ({error.strerror}): make room there"
        ) from None
    return place


def _fetch(entry: CatalogueEntry, place: Path, report: ProgressReporter) -> None:
    part = place.with_suffix(".part")
    wrong: DownloadError | None = None
    reasons = []
    for url in entry.urls:
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                _download(entry, url, part, report)
                sha256 = _settle(entry, url, part, place)
            except DownloadError as error:  # the same bytes would come again
                wrong = error
                break
            except _Gone as error:
                reasons.append(f"{urlsplit(url).netloc}: {error}")
                break
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                on_disk = getattr(error, "filename", None) and not hasattr(error, "url")
                if on_disk or report.failed:
                    raise
                reasons.append(f"{urlsplit(url).netloc}: {_reason(error)}")
                if isinstance(getattr(error, "reason", None), socket.gaierror):
                    break  # there is no such host, or no network
            else:
                record = {"sha256": sha256, "url": url}
                replace_file(place.with_suffix(".json"), json.dumps(record), synced=True)
                return
    if wrong:
        raise wrong
    raise DownloadError(
        f"{entry.name} could not be fetched ({'; '.join(dict.fromkeys(reasons))}): without a "
        "network there are the bundled play (`charrnn train`), the source of this Python "
        "(`charrnn train python`) and any text file of yours"
    )


class _Gone(Exception):  # noqa: N818
    """The address answers that it has no such text: asking again is in vain."""


def _download(entry: CatalogueEntry, url: str, part: Path, report: ProgressReporter) -> None:
    """Fetch the rest of a file into `part`."""
    mark = part.with_suffix(".mark")  # which version of which address the part is of
    have = part.stat().st_size if part.is_file() else 0
    known = json.loads(mark.read_text("utf-8")) if mark.is_file() else {}
    headers = {"User-Agent": f"charrnn/{__version__}"}
    if have and known.get("url") == url and known.get("version"):
        headers |= {"Range": f"bytes={have}-", "If-Range": known["version"]}
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        elif error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Gone(f"{error.code} {error.reason}") from None
        raise
    with response:
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if goes_on and version not in (None, known.get("version")):
            part.unlink(missing_ok=True)
            raise http.client.HTTPException("it changed meanwhile")
        if not goes_on:  # else a new version would be appended to the old one after a crash
            part.unlink(missing_ok=True)
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        replace_file(mark, json.dumps({"url": url, "version": version}), synced=True)
        with part.open("ab" if goes_on else "wb") as file:
            while piece := response.read(_PIECE):
                file.write(piece)
                have += len(piece)
                report(Reading(f"fetching {entry.name}", have, total or entry.bytes or have))
            sync_file(file)
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)


def _settle(entry: CatalogueEntry, url: str, part: Path, place: Path) -> str:
    """Move what was fetched to its place if it is what was expected; return its SHA-256."""
    text = part
    try:
        if entry.member:
            text = part.with_suffix(".unpacked")
            _unpack(part, entry.member, text)
        sha256, size = _sha256(text), text.stat().st_size
        expected = entry.expected_sha256
        if expected and sha256 != expected:
            raise DownloadError(
                f"{entry.name} from {url} is not the text that was expected: expected SHA-256 "
                f"{expected}, found {sha256}; nothing of it was kept: try again later, or fetch "
                "the text yourself and give its path"
            )
        if entry.bytes and size != entry.bytes:
            raise DownloadError(
                f"{entry.name} from {url} has {size:,} bytes, and {entry.bytes:,} were expected "
                f"(SHA-256 {sha256}); nothing of it was kept"
            )
    except DownloadError:
        text.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
        raise
    move_file(text, place)
    for left in (part, part.with_suffix(".mark")):
        left.unlink(missing_ok=True)
    return sha256


def _unpack(archive: Path, member: str, target: Path) -> None:
    try:
        with (
            zipfile.ZipFile(archive) as packed,
            packed.open(member) as source,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(source, file)
            sync_file(file)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise DownloadError(
            f"what was fetched is not the .zip that holds {member} ({error}); nothing was kept"
        ) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "it ended early"
    return str(getattr(error, "reason", None) or error)
