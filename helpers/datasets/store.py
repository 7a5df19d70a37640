"""Where data sets live on disk and how they get there: root, policy, installation.

It loads no torch, because the command line uses it, and knows no data set.
"""

import itertools
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.datasets.archives import unpack
from helpers.datasets.downloads import checksum, download
from helpers.datasets.faults import (
    FETCH,
    MEND,
    BrokenData,
    CannotWrite,
    DownloadFailed,
    MissingData,
    StoreError,
    broken,
    missing,
    oddity,
    require,
    writing,
)

__all__ = ["CHOICES", "FETCH", "MEND", "BrokenData", "CannotWrite", "DownloadFailed", "MissingData"]
__all__ += ["beside", "broken", "checksum", "choose", "download", "install", "missing", "oddity", "readable"]
__all__ += ["StoreError", "require", "root", "unpack"]
CHOICES = ("auto", "real", "standin")


def root(folder: str | os.PathLike | None = None) -> Path:
    """The folder of all data: `folder` if given, else $COURSE_DATA, else ~/.cache/deep-learning-checked."""
    place = folder or os.environ.get("COURSE_DATA") or "~/.cache/deep-learning-checked"
    return Path(os.path.expanduser(place)).absolute()


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


def readable(read: Callable) -> bool:
    """Whether read() returns; what a file can do to it is no error here."""
    try:
        read()
    except (OSError, ValueError, MemoryError):
        return False
    return True


def beside(folder: Path, suffix: str) -> Path:
    """`folder` with `suffix` at the end of its name; on its own disk where `folder` is a link to another."""
    place = Path(os.path.realpath(folder)) if os.path.islink(folder) else folder
    return place.with_name(place.name + suffix)


def install(
    name: str, final: Path, build: Callable[[Path], None], intact: Callable[[Path], bool] = Path.is_dir
) -> Path:
    """Have build(folder) fill a fresh folder, rename it to `final`, and return that; once, for all processes.

    intact: whether `final` is as it should be; then nothing is done.  What else bears that name is set aside.
    A link to a folder stays, and that folder is replaced.  build must keep what is slow to get (downloads)
    outside its folder, which is thrown away when it fails.  Raises CannotWrite, and whatever build raises.
    """
    if intact(final):
        return final
    if (what := oddity(final, folder=True)) and os.path.islink(final):
        raise CannotWrite(f"{name} cannot be written: {final} {what}. Mount its disk, or delete the link")
    place, partial = beside(final, ""), beside(final, ".partial")
    with writing(name, final.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
        with _locked(name, beside(final, ".lock")):
            if intact(final):
                return final
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                build(partial)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            _set_aside(name, place)
            partial.rename(place)
    return final


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
