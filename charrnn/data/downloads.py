"""Downloads of the texts of the catalog.

A download is written to a temporary file. The file is moved to its final path when it is complete
and its SHA-256 is correct. So an interrupted download can continue, and an incomplete or wrong text
is never used, also not after a power loss. See `_fetch` for a part that a power loss has damaged.
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
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import filelock

from charrnn.config.counts import format_count
from charrnn.data.cache import downloads_folder
from charrnn.data.catalogue import CatalogueEntry
from charrnn.data.progress import ProgressCallback, ProgressReporter, Reading
from charrnn.data.shakespeare import convert_work
from charrnn.errors import DownloadError
from charrnn.files import make_folder, replace_file, sync_path
from charrnn.version import __version__

_READ_BYTES = 1 << 18  # bytes of one read
_TIMEOUT = 30.0  # seconds without data
_PAUSES = (0.0, 1.0, 4.0)  # seconds before each attempt at one address


def fetch(entry: CatalogueEntry, progress: ProgressCallback | None = None) -> Path:
    """Download a text if it is not in the cache yet; return its path. Raises `DownloadError`.

    An exception that `progress` raises ends the download and is propagated.
    """
    report = ProgressReporter(progress)
    folder = downloads_folder()
    path = folder / f"{entry.name}.txt"
    try:
        make_folder(folder)
        with filelock.FileLock(folder / f"{entry.name}.lock"):
            if path.is_file():
                return path
            if entry.files:
                _fetch_works(entry, path, report)
            else:
                _fetch(entry, path, report)
    except OSError as error:
        if report.failed:
            raise
        raise DownloadError(
            f"{entry.name} cannot be stored in {folder} ({error.strerror})",
            "check that the disk has free space and that you may write there",
        ) from None
    return path


def _fetch(entry: CatalogueEntry, path: Path, report: ProgressReporter) -> None:
    """Try the addresses in order until one gives the text; retry after temporary failures.

    A part of an earlier process can be damaged, if it was not on the disk before a power loss. It
    is only continued if the SHA-256 of the text is known; if it is wrong, all is downloaded.
    """
    part = path.with_suffix(".part")
    if entry.expected_sha256 is None:
        part.unlink(missing_ok=True)
    mismatch: DownloadError | None = None
    reasons = []
    for url in entry.urls:
        for pause in _PAUSES:
            time.sleep(pause)
            is_continued = part.is_file()
            try:
                _download(entry, url, part, report)
                _unpack_and_move(entry, url, part, path)
            except DownloadError as error:
                mismatch = error
                if not is_continued:  # another attempt would give the same bytes
                    break
            except _NotAvailableError as error:
                reasons.append(f"{urlsplit(url).netloc}: {error}")
                break
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                on_disk = getattr(error, "filename", None) and not hasattr(error, "url")
                if on_disk or report.failed:
                    raise
                reasons.append(f"{urlsplit(url).netloc}: {_describe_failure(error)}")
                if isinstance(getattr(error, "reason", None), socket.gaierror):
                    break  # the host does not exist, or there is no network
            else:
                return
    if mismatch:
        raise mismatch
    raise DownloadError(
        f"{entry.name} could not be downloaded ({'; '.join(dict.fromkeys(reasons))})",
        "try again later",
        "train on a text that needs no network: the bundled play (`charrnn train`), the source "
        "code of this Python (`charrnn train python`) or your own text file",
    )


def _fetch_works(entry: CatalogueEntry, path: Path, report: ProgressReporter) -> None:
    """Download the works of a collection one by one, then convert and join them.

    After an interruption, the works that are complete are not downloaded again.
    """
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    num_bytes = 0

    def report_sum(reading: Reading) -> None:
        done = num_bytes + reading.done
        report(Reading(f"downloading {entry.name}", done, max(done, entry.bytes or 0)))

    works = []
    for name in entry.files:
        work_path = folder / f"{name}.txt"
        if not work_path.is_file():
            urls = tuple(f"{url}{work_path.name}" for url in entry.urls)
            work = replace(
                entry, name=f"{entry.name}/{name}", urls=urls, files=(), bytes=None, sha256=None
            )
            _fetch(work, work_path, ProgressReporter(report_sum))
        num_bytes += work_path.stat().st_size
        works.append(convert_work(work_path.read_text("utf-8", errors="replace")))
    joined = path.with_suffix(".joined")
    joined.write_text("\x1c".join(works), "utf-8", newline="")
    try:
        _verify_and_move(entry, entry.urls[0], joined, path)
    except DownloadError:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


class _NotAvailableError(Exception):
    """The server refuses to send the text; another attempt would not help."""


def _download(entry: CatalogueEntry, url: str, part: Path, report: ProgressReporter) -> None:
    """Download a file, or the rest of it, into `part`."""
    mark_path = part.with_suffix(".mark")  # stores the address and the version of `part`
    num_bytes = part.stat().st_size if part.is_file() else 0
    previous = _read_mark(mark_path)
    headers = {"User-Agent": f"charrnn/{__version__}"}
    if num_bytes and previous.get("url") == url and previous.get("version"):
        headers |= {"Range": f"bytes={num_bytes}-", "If-Range": previous["version"]}
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        elif error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _NotAvailableError(f"{error.code} {error.reason}") from None
        raise
    with response:
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        is_partial = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if is_partial and version not in (None, previous.get("version")):
            part.unlink(missing_ok=True)
            raise http.client.HTTPException("the file changed during the download")
        if not is_partial:  # remove it now: after a crash, the versions must not be mixed
            part.unlink(missing_ok=True)
            num_bytes = 0
        length = response.headers.get("Content-Length")
        total = num_bytes + int(length) if length else None
        mark_path.write_text(json.dumps({"url": url, "version": version}), "utf-8")
        with part.open("ab" if is_partial else "wb") as file:
            while chunk := response.read(_READ_BYTES):
                file.write(chunk)
                num_bytes += len(chunk)
                expected = total or entry.bytes or num_bytes
                report(Reading(f"downloading {entry.name}", num_bytes, expected))
    if total is not None and num_bytes < total:
        raise http.client.IncompleteRead(b"", total - num_bytes)


def _read_mark(path: Path) -> dict[str, Any]:
    """Return the content of a mark; nothing if there is none, or if it is damaged."""
    try:
        mark: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return mark


def _unpack_and_move(entry: CatalogueEntry, url: str, part: Path, path: Path) -> None:
    """Unpack a complete download if it is an archive; move the text to `path` if it is correct."""
    text = part
    try:
        if entry.member:
            text = part.with_suffix(".unpacked")
            _unpack(part, entry.member, text)
        _verify_and_move(entry, url, text, path)
    except DownloadError:
        text.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
        raise
    for temporary in (part, part.with_suffix(".mark")):
        temporary.unlink(missing_ok=True)


def _verify_and_move(entry: CatalogueEntry, url: str, text: Path, path: Path) -> None:
    """Move a text to `path` and record its SHA-256, or remove it if it is not the expected one."""
    sha256, size = _hash_file(text), text.stat().st_size
    remedies = ["try again later"]
    if not entry.files:
        remedies.append("download the text yourself and give its path")
    expected = entry.expected_sha256
    if expected and sha256 != expected:
        text.unlink()
        raise DownloadError(
            f"{entry.name} from {url} is not the expected text: expected SHA-256 {expected}, "
            f"found {sha256}; the download was removed",
            *remedies,
        )
    if entry.bytes and size != entry.bytes:
        text.unlink()
        raise DownloadError(
            f"{entry.name} from {url} has {format_count(size, 'byte')}, but {entry.bytes:,} "
            f"were expected (SHA-256 {sha256}); the download was removed",
            *remedies,
        )
    sync_path(text)
    text.replace(path)
    record = {"sha256": sha256, "url": url}
    replace_file(path.with_suffix(".json"), json.dumps(record))  # also syncs the name of the text


def _unpack(archive: Path, member: str, target: Path) -> None:
    """Write a member of a .zip file to `target`."""
    try:
        with (
            zipfile.ZipFile(archive) as zip_file,
            zip_file.open(member) as source,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise DownloadError(
            f"the downloaded file is not a .zip that contains {member} ({error}); it was removed",
            "try again later",
            "download the text yourself and give its path",
        ) from None


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _describe_failure(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended before the end of the file"
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason)
