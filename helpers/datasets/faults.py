"""What can be wrong with the files of a data set, and how it is said: the errors, with their remedies.

It loads no torch, because the command line uses it, and knows no data set.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from errno import (
    EACCES,
    EBUSY,
    EDQUOT,
    EEXIST,
    EFBIG,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOSPC,
    ENOTDIR,
    ENOTEMPTY,
    EPERM,
    EROFS,
)
from itertools import combinations
from pathlib import Path

DISK = {EACCES, EDQUOT, EFBIG, ENOSPC, EPERM, EROFS}  # the disk refuses, whatever is written
IN_THE_WAY = {EBUSY, EEXIST, EISDIR, ELOOP, ENOTDIR, ENOTEMPTY}  # something else has the name
CANNOT_WRITE = DISK | IN_THE_WAY | {ENAMETOOLONG}
FETCH = 'run "make data", which keeps the old folder beside the new, or pass data="standin"'
MEND = 'mend that, set COURSE_DATA to another folder, or pass data="standin"'


class StoreError(Exception):
    """Data cannot be had; the message names the thing and the remedy.  Base of the four below."""


class MissingData(StoreError, FileNotFoundError):
    """No file of the data set is there."""


class BrokenData(StoreError, ValueError):
    """A file is there, and is not what or where it should be."""


class DownloadFailed(StoreError, ConnectionError):
    """No mirror gave the file."""


class CannotWrite(StoreError, OSError):
    """The disk is full, the folder may not be written, or something else has the name."""


def missing(title: str, folder: Path) -> MissingData:
    """The error to raise where nothing of the data set `title` is under the root `folder`."""
    return MissingData(f'{title} is not under {folder}: run "make data" or pass data="standin"')


def broken(path: Path, what: str, remedy: str = FETCH) -> BrokenData:
    """The error to raise where the file `path` is there and not as it should be."""
    return BrokenData(f"{path} {what}: {remedy}")


def oddity(path: Path, *, folder: bool = False) -> str | None:
    """What keeps `path` from being a plain file (or a folder): None if nothing does, "" where nothing is there.

    Nothing is opened, so a FIFO does not hang.  Raises nothing.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if error.errno in (ENOENT, ELOOP, ENOTDIR) and os.path.islink(path):
            return f"is a link to {os.readlink(path)}, which leads nowhere"
        return "" if error.errno in (ENOENT, ENOTDIR) else f"cannot be read ({error.strerror})"
    if folder:
        return None if stat.S_ISDIR(mode) else "is no folder"
    if stat.S_ISREG(mode):
        return None
    return "is a folder, where a file should be" if stat.S_ISDIR(mode) else "is a pipe or a device, not a plain file"


def require(title: str, root: Path, folder: Path, names: list[str], strays: dict[Path, str]) -> None:
    """Return if every one of `names` is a plain file of `folder`, which is under `root`.

    strays: path → remedy, where copies are often left, beside packed ones and those a folder too high or too deep.
    Raises MissingData where there is nothing at all, BrokenData naming the first thing that is wrong.
    """
    for place in (*reversed(folder.parents), folder):
        if what := oddity(place, folder=True):
            raise broken(place, what, MEND)
    found = {folder / name: oddity(folder / name) for name in names}
    for path, what in found.items():
        if what:
            raise broken(path, what, MEND if "cannot" in what else FETCH)
    for path in (absent := [path for path, what in found.items() if what == ""]):
        others = _elsewhere(root, path)
        known = {place.with_name(f"{path.name}.gz"): f"unpack it into {folder}" for place in (path, *others)}
        for stray, remedy in (known | dict.fromkeys(others, f"move it to {path}") | strays).items():
            if os.path.lexists(stray):
                raise broken(stray, f"is there, and {path.relative_to(root)} is not", f"{remedy}, or {FETCH}")
    if len(absent) == len(found):
        raise missing(title, root)
    if absent:
        raise broken(absent[0], "is missing, and others are there")


def _elsewhere(root: Path, path: Path) -> list[Path]:
    """`path` with one of its folders under `root` doubled, then with some left out."""
    parts = path.relative_to(root).parts
    doubled = [parts[: i + 1] + parts[i:] for i in range(len(parts) - 1)]
    return [root.joinpath(*p) for p in doubled + [parts[:i] + parts[j:] for i, j in combinations(range(len(parts)), 2)]]


@contextmanager
def writing(name: str, folder: Path) -> Iterator[None]:
    """Turn the system's refusals to write into CannotWrite: "`name` cannot be written under `folder`: …"."""
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        why = f"{os.strerror(error.errno)}. Make room"
        if error.errno in IN_THE_WAY and (named := error.filename2 or error.filename):
            path = next((place for place in (Path(named), *Path(named).parents) if os.path.lexists(place)), folder)
            kind = "folder" if path.is_dir() else "link that leads nowhere" if path.is_symlink() else "file"
            why = f"a {kind} is in the way, {path} ({os.strerror(error.errno)}). Move it away"
        remedy = "or set COURSE_DATA to another folder, and run it again"
        raise CannotWrite(f"{name} cannot be written under {folder}: {why}, {remedy}") from error
