"""Where data sets live on disk and how they get there: root, policy, download, unpacking, installation.

It loads no torch, because the command line uses it, and knows no data set.
"""

import gzip
import hashlib
import itertools
import lzma
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from errno import EACCES, EDQUOT, EEXIST, ENOSPC, ENOTDIR, EPERM, EROFS
from pathlib import Path, PureWindowsPath

from filelock import FileLock, Timeout

CHOICES = ("auto", "real", "standin")
CANNOT_WRITE = {EACCES, EDQUOT, EEXIST, ENOSPC, ENOTDIR, EPERM, EROFS}
CANNOT_UNPACK = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError)


class StoreError(Exception):
    """Data cannot be had; the message names the thing and the remedy.  Base of the four below."""


class MissingData(StoreError, FileNotFoundError):
    """No file of the data set is there."""


class BrokenData(StoreError, ValueError):
    """A file is there, and is not what it should be."""


class DownloadFailed(StoreError, ConnectionError):
    """No mirror gave the file."""


class CannotWrite(StoreError, OSError):
    """The disk is full, or the folder may not be written."""


def root(folder: str | os.PathLike | None = None) -> Path:
    """The folder of all data: `folder` if given, else $COURSE_DATA, else ~/.cache/deep-learning-checked."""
    place = folder or os.environ.get("COURSE_DATA") or "~/.cache/deep-learning-checked"
    return Path(place).expanduser().absolute()


def missing(title: str, folder: Path) -> MissingData:
    """The error to raise where nothing of the data set `title` is under the root `folder`."""
    return MissingData(f'{title} is not under {folder}: run "make data" or pass data="standin"')


def choose(data: str, read: Callable, stand_in: Callable):
    """What a loader returns for `data`: read() for "real", stand_in() for "standin", "auto" what is there.

    Only MissingData makes "auto" take the stand-in: broken files raise.  "standin" never looks at the disk.
    Raises ValueError for any other `data`.
    """
    if data not in CHOICES:
        raise ValueError(f"data = {data!r}: choose one of {', '.join(CHOICES)}")
    if data != "standin":
        try:
            return read()
        except MissingData:
            if data == "real":
                raise
    return stand_in()


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """The hexadecimal digest of a file of any size, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def download(
    name: str, urls: Sequence[str], target: Path, *, sha256="", md5="", size: int | None = None, timeout=30.0
) -> Path:
    """Fetch one file from the first of `urls` that gives it whole, and return `target`.

    sha256, md5: at least one, hexadecimal.  size: bytes.  timeout: seconds without an answer or a byte.
    A `target` that is right already is left alone; a half file never bears that name.  Two processes must not
    fetch the same target at once: call it inside `install`.  Raises DownloadFailed with each mirror's reason.
    """
    from requests.exceptions import RequestException  # here: notebooks that fetch nothing need not load it

    digests = {algorithm: digest for algorithm, digest in (("sha256", sha256), ("md5", md5)) if digest}
    if not digests:
        raise ValueError(f"{name}: a download needs its SHA-256 or its MD5")
    failures: list[str] = []
    partial = target.with_name(target.name + ".partial")
    with _writing(name, target.parent):
        if target.is_file() and not _fault(target, digests, size):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            try:
                _transfer(url, partial, size, timeout)
                if not (reason := _fault(partial, digests, size)):
                    return partial.replace(target)
            except (RequestException, ValueError) as error:
                reason = _reason(error, timeout)
            finally:
                partial.unlink(missing_ok=True)
            failures.append(f"{url}: {reason}")
            print(f"{name}: mirror {len(failures)} of {len(urls)} failed, {failures[-1]}", file=sys.stderr)
    remedy = f"\nCheck the network and run it again, or put the file there by hand: {target}"
    raise DownloadFailed("\n  ".join([f"{name}: no mirror gave {target.name}.", *failures]) + remedy)


def _transfer(url: str, partial: Path, size: int | None, timeout: float) -> None:
    from pooch import HTTPDownloader
    from tqdm import tqdm

    # A total of 0 would make the bar false, and pooch then ignores it; it sets the true total itself.
    with tqdm(total=size or 1, desc=url.rpartition("/")[2], unit="B", unit_scale=True) as bar:
        as_stored = {"Accept-Encoding": "identity"}  # else a server may have .gz files unpacked on the way
        fetch = HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=timeout, headers=as_stored)
        fetch(url, partial, None)


def _fault(path: Path, digests: dict[str, str], size: int | None) -> str | None:
    if size is not None and path.stat().st_size != size:
        return f"{path.stat().st_size:,} bytes instead of {size:,}"
    for algorithm, digest in digests.items():
        if (found := checksum(path, algorithm)) != digest.lower():
            return f"wrong content ({algorithm.upper()} {found[:8]}… instead of {digest[:8].lower()}…)"
    return None


def _reason(error: Exception, timeout: float) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}"
    known = {"timed out": f"no answer for {timeout:g} s", "refused": "connection refused"}
    known |= {"IncompleteRead": "the transfer broke off", "Max retries": "cannot be reached"}
    return next((reason for words, reason in known.items() if words in str(error)), type(error).__name__)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .gz (one file), .zip, .tar or .tar.* into `folder`: all of it, or nothing at all.

    Raises BrokenData for an archive that is damaged or has a member that is a link or lies outside `folder`
    (`../`, absolute, drive letter), ValueError for another kind of file.
    """
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch:
            _extract(archive, Path(scratch))
            for entry in sorted(Path(scratch).iterdir()):
                entry.replace(folder / entry.name)
    except CANNOT_UNPACK as error:
        raise BrokenData(f"{archive} cannot be unpacked ({error}): delete it and run it again") from error
    finally:
        if new and not any(folder.iterdir()):
            folder.rmdir()


def _extract(archive: Path, folder: Path) -> None:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
                _refuse(archive, info.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            opened.extractall(folder)
    elif ".tar" in archive.suffixes[-2:] or archive.suffix == ".tgz":
        with tarfile.open(archive) as opened:
            for info in opened.getmembers():
                _refuse(archive, info.name, info.isfile() or info.isdir())
            opened.extractall(folder, filter="data")
    elif archive.suffix == ".gz":
        with gzip.open(archive) as packed, open(folder / archive.stem, "wb") as file:
            shutil.copyfileobj(packed, file)
    else:
        raise ValueError(f"{archive} is no .gz, .zip, .tar or .tar.* file")


def _refuse(archive: Path, member: str, plain: bool) -> None:
    path = PureWindowsPath(member)  # knows both kinds of slash, and drive letters
    if path.anchor or ".." in path.parts or not plain:
        what = "lies outside the folder" if plain else "is a link or a device"
        raise BrokenData(f'{archive} is not unpacked: its member "{member}" {what}. Get it from its source')


def install(
    name: str, final: Path, build: Callable[[Path], None], intact: Callable[[Path], bool] = Path.is_dir
) -> Path:
    """Have build(folder) fill a fresh folder, rename it to `final`, and return that; once, for all processes.

    intact: whether `final` is as it should be; then nothing is done.  What else bears that name is set aside.
    build must keep what is slow to get (downloads) outside its folder, which is thrown away when it fails.
    Raises CannotWrite, and whatever build raises.
    """
    if intact(final):
        return final
    partial = final.with_name(final.name + ".partial")
    with _writing(name, final.parent):
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(name, final.with_name(final.name + ".lock")):
            if intact(final):
                return final
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                build(partial)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            _set_aside(name, final)
            return partial.rename(final)


def _locked(name: str, path: Path) -> AbstractContextManager:
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        print(f"{name}: another process is installing it; waiting for that one", file=sys.stderr)
        return lock.acquire()


def _set_aside(name: str, final: Path) -> None:
    if final.is_dir() and not any(final.iterdir()):
        final.rmdir()
    elif final.exists():
        names = (final.with_name(f"{final.name}.old{number}") for number in itertools.count(1))
        aside = next(path for path in names if not path.exists())
        final.rename(aside)
        print(f"{name}: {final} was not intact; it is now {aside}", file=sys.stderr)


@contextmanager
def _writing(name: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        why = f"{os.strerror(error.errno)}. Make room, or set COURSE_DATA to another folder, and run it again"
        raise CannotWrite(f"{name} cannot be written under {folder}: {why}") from error
