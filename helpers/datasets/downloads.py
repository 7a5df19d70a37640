"""Downloads: one file from the first mirror that gives it whole, within a time and a size."""

import errno
import hashlib
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from helpers.datasets.faults import DownloadFailed, writing

GRACE = 10.0  # seconds that a transfer may need beside `timeout` and what its bytes take
MOST = 2**28  # bytes, where `size` is not given


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """The hexadecimal digest of a file of any size, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def download(
    name: str,
    urls: Sequence[str],
    target: Path,
    *,
    sha256="",
    md5="",
    size: int | None = None,
    unpacked=False,
    timeout=30.0,
    least_rate=10_000.0,
) -> Path:
    """Fetch one file from the first of `urls` that gives it whole, and return `target`.

    sha256, md5: at least one, hexadecimal; unless `unpacked`: the caller checks what the archive holds, and deletes it
    where that is wrong.  size: bytes, else `MOST`; a mirror that gives more is left.  timeout: seconds without an
    answer or a byte.  least_rate: bytes a second; a mirror is left once it has taken, in all, `GRACE` + timeout + what
    has come / least_rate seconds.  A `target` that is right already is left alone; a half file never bears that name.
    Two processes must not fetch the same target at once: call it inside `install`.
    Raises DownloadFailed with each mirror's reason, CannotWrite.
    """
    from requests.exceptions import RequestException  # here: notebooks that fetch nothing need not load it

    digests = {algorithm: digest for algorithm, digest in (("sha256", sha256), ("md5", md5)) if digest}
    if not (digests or unpacked):
        raise ValueError(f"{name}: a download needs its SHA-256 or its MD5")
    failures, partial = [], target.with_name(target.name + ".partial")
    with writing(name, target.parent):
        for path in (target, partial):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if target.is_file() and not _fault(target, digests, size):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            try:
                partial.unlink(missing_ok=True)
                _transfer(url, partial, size, timeout, least_rate)
                if not (reason := _fault(partial, digests, size)):
                    return partial.replace(target)
            except (RequestException, ValueError) as error:
                reason = _reason(error, url, timeout)
            finally:
                partial.unlink(missing_ok=True)
            failures.append(f"{url}: {reason}")
            print(f"{name}: mirror {len(failures)} of {len(urls)} failed, {failures[-1]}", file=sys.stderr)
    remedy = f"\nCheck the network and run it again, or put the file there by hand: {target}"
    raise DownloadFailed("\n  ".join([f"{name}: no mirror gave {target.name}.", *failures]) + remedy)


def _transfer(url: str, partial: Path, size: int | None, timeout: float, least_rate: float) -> None:
    from pooch import HTTPDownloader
    from tqdm import tqdm

    # A total of 0 would make the bar false, and pooch then ignores it; it sets the true total itself.
    with (
        open(partial, "wb", buffering=0) as file,
        tqdm(total=size or 1, desc=url.rpartition("/")[2], unit="B", unit_scale=True) as bar,
    ):
        as_stored = {"Accept-Encoding": "identity"}  # else a server may have .gz files unpacked on the way
        fetch = HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=timeout, headers=as_stored)
        sink, errors, start = _Sink(file, bar, size), [], time.monotonic()

        def work() -> None:
            try:
                fetch(url, sink, None)
            except Exception as error:
                errors.append(error)

        # In a thread of its own, since a server that drips keeps the one who reads: the next write then fails.
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
            if time.monotonic() - start > GRACE + timeout + sink.received / least_rate:
                raise ValueError(f"slower than {least_rate:,.0f} bytes a second")
        if errors:
            raise errors[0]


class _Sink:
    """The file that pooch writes to: never more than there should be."""

    def __init__(self, file: BinaryIO, bar, size: int | None):
        self.file, self.bar, self.size, self.received = file, bar, size, 0

    def write(self, data: bytes) -> None:
        if self.bar.total < 0:
            raise ValueError(f"its Content-Length is {self.bar.total}")
        self.received += len(data)
        if self.received > (MOST if self.size is None else self.size):
            raise ValueError(f"more than {self.size or MOST:,} bytes")
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            # Without a declared length it may be an endless body that has filled the disk.
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or self.size or self.bar.total:
                raise
            raise ValueError(f"it says no length, and the disk is full after {self.received:,} bytes") from error

    def flush(self) -> None:
        pass  # nothing is buffered


def _fault(path: Path, digests: dict[str, str], size: int | None) -> str | None:
    if size is not None and path.stat().st_size != size:
        return f"{path.stat().st_size:,} bytes instead of {size:,}"
    for algorithm, digest in digests.items():
        if (found := checksum(path, algorithm)) != digest.lower():
            return f"wrong content ({algorithm.upper()} {found[:8]}… instead of {digest[:8].lower()}…)"
    return None


def _reason(error: Exception, url: str, timeout: float) -> str:
    from requests import exceptions, utils

    if isinstance(error, exceptions.TooManyRedirects):
        return "it redirects without end"
    if isinstance(error, exceptions.ProxyError):
        proxy = urlsplit(utils.select_proxy(url, utils.get_environ_proxies(url)) or "")
        return f"the proxy {proxy.hostname}:{proxy.port} cannot be used; see HTTP_PROXY, HTTPS_PROXY, NO_PROXY"
    response = getattr(error, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}"
    known = {"timed out": f"no answer for {timeout:g} s", "refused": "connection refused"}
    known |= {"CERTIFICATE": "its certificate is not accepted", "SSL": "no TLS connection"}
    known |= {"IncompleteRead": "the transfer broke off", "Max retries": "cannot be reached"}
    known |= {"invalid literal for int": "its Content-Length is no number"}
    known |= dict.fromkeys(("Connection aborted", "Connection broken", "reset by peer"), "the connection was cut")
    said = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"[:200]
    return next((reason for words, reason in known.items() if words in str(error)), said)
