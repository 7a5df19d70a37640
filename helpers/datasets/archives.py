"""Unpacking: all of an archive or nothing, and nothing outside its folder."""

import gzip
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path, PureWindowsPath

from helpers.datasets.faults import DISK, BrokenData, CannotWrite, StoreError, oddity, writing

KINDS = ".gz, .zip, .tar or .tar.* file"


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .gz (one file), .zip, .tar or .tar.* into `folder`: all of it, or nothing at all.

    Raises BrokenData for an archive that is damaged, cut or encrypted, of another kind, or has a member that is a
    link or lies outside `folder` (`../`, absolute, drive letter); CannotWrite for a name that is taken in `folder`.
    """
    if (what := oddity(archive)) is not None:
        raise BrokenData(f"{archive} {what or 'is not there'}: delete what bears that name, and run it again")
    with writing(archive.name, folder):
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch:
                _extract(archive, Path(scratch), folder)
                _move(archive, Path(scratch), folder)
        finally:
            for place in made:
                if place.is_dir() and not any(place.iterdir()):
                    place.rmdir()


def _extract(archive: Path, scratch: Path, folder: Path) -> None:
    name = archive.name.lower()
    try:
        if name.endswith(".zip"):
            _unzip(archive, scratch)
        elif ".tar" in Path(name).suffixes[-2:] or name.endswith((".tgz", ".tbz2", ".txz")):
            _untar(archive, scratch)
        elif name.endswith(".gz"):
            with gzip.open(archive) as packed, open(scratch / archive.stem, "wb") as file:
                shutil.copyfileobj(packed, file)
        else:
            raise BrokenData(f"{archive} is no {KINDS}: unpack it by hand into {folder}")
    except StoreError:
        raise
    except Exception as error:  # damage shows itself as an error of any kind, from zlib's to NotImplementedError
        if isinstance(error, MemoryError) or getattr(error, "errno", None) in DISK:
            raise
        remedy = f"delete it and run it again, or unpack it by hand into {folder}"
        raise BrokenData(f"{archive} cannot be unpacked ({error}): {remedy}") from error


def _unzip(archive: Path, scratch: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
            _refuse(archive, info.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if info.flag_bits & 1:
                raise zipfile.BadZipFile(f'its member "{info.filename}" is encrypted')
        for info in opened.infolist():
            path = opened.extract(info, scratch)
            if not info.is_dir() and (size := os.path.getsize(path)) != info.file_size:
                raise zipfile.BadZipFile(f'"{info.filename}" has {size:,} bytes instead of {info.file_size:,}')


def _untar(archive: Path, scratch: Path) -> None:
    with tarfile.open(archive) as opened:
        for info in opened.getmembers():
            _refuse(archive, info.name, info.isfile() or info.isdir())
        opened.extractall(scratch, filter="data")
        # tarfile takes a cut or damaged header for the end, and leaves a packed archive's own checksum unread.
        opened.fileobj.seek(opened.offset)
        if opened.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it has no end")
        while opened.fileobj.read(2**20):
            pass


def _refuse(archive: Path, member: str, plain: bool) -> None:
    path = PureWindowsPath(member)  # knows both kinds of slash, and drive letters
    if path.anchor or ".." in path.parts or not plain:
        what = "lies outside the folder" if plain else "is a link or a device"
        raise BrokenData(f'{archive} is not unpacked: its member "{member}" {what}. Get it from its source')


def _move(archive: Path, scratch: Path, folder: Path) -> None:
    names = sorted(entry.name for entry in scratch.iterdir())
    for name in names:
        if os.path.lexists(folder / name):
            raise CannotWrite(f"{archive} is not unpacked: {folder / name} is there. Move it away and run it again")
    try:
        for name in names:
            (scratch / name).rename(folder / name)
    except BaseException:
        for name in names:
            if not os.path.lexists(scratch / name):
                (folder / name).rename(scratch / name)
        raise
