"""MNIST: handwritten digits, 28 × 28 grey levels (LeCun, Cortes and Burges, 1998).

Page "A network from raw tensors" introduces it.
"""

import dataclasses
import hashlib
import math
import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from helpers.datasets import Images, broken, standins, store
from helpers.fingerprint import digest

TITLE = "MNIST"
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# file → (MD5 of its .gz, MD5 of the file), as published
FILES = {
    "train-images-idx3-ubyte": ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte": ("d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte": ("9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte": ("ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
}


def load(data: str = "auto", root: str | os.PathLike | None = None) -> Images:
    """MNIST as uint8 (n, 1, 28, 28) pictures, 0 the paper and 255 the ink, and int64 labels 0 … 9.

    data: "real", "standin" (scikit-learn's digits, see `standins.digits`), or "auto": real where it is there.
    root: the data root instead of $COURSE_DATA.  Files that are readable but not the published ones make it
    "real (unofficial copy)".  Raises MissingData ("real" only), BrokenData, ValueError for another `data`.
    """
    return store.choose(
        data,
        lambda: _read(store.root(root)),
        lambda: dataclasses.replace(standins.digits(), name="mnist"),
    )


def present(root: str | os.PathLike | None = None) -> bool:
    """Whether a copy that `load` can read is under the root: all four files, whole."""
    return _readable(_folder(store.root(root)))


def fetch(root: str | os.PathLike | None = None, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download what is missing, check it, put it in place, and return the folder.

    A readable copy that is there is left alone.  mirrors: addresses that end in "/".
    Raises DownloadFailed, BrokenData, CannotWrite.
    """
    folder = _folder(store.root(root))
    # Beside the folder, so that a build that fails keeps what it has fetched.
    archives = folder.with_name("raw.downloads")

    def build(fresh: Path) -> None:
        for name, (packed, unpacked) in FILES.items():
            urls = [f"{mirror}{name}.gz" for mirror in mirrors]
            store.unpack(store.download(TITLE, urls, archives / f"{name}.gz", md5=packed), fresh)
            if store.checksum(fresh / name, "md5") != unpacked:
                raise broken(archives / f"{name}.gz", "does not hold the published file")

    store.install(TITLE, folder, build, intact=_readable)
    shutil.rmtree(archives, ignore_errors=True)
    return folder


def _folder(root: Path) -> Path:
    return root / "MNIST" / "raw"


def _readable(folder: Path) -> bool:
    try:
        _arrays(folder)
    except store.BrokenData:
        return False
    return True


def _read(root: Path) -> Images:
    there = [(_folder(root) / name).is_file() for name in FILES]
    if not any(there):
        raise store.missing(TITLE, root)
    if not all(there):
        raise broken(_folder(root) / list(FILES)[there.index(False)], "is missing, and others are there")
    tensors, md5s = _arrays(_folder(root))
    official = md5s == [unpacked for _, unpacked in FILES.values()]
    return Images(
        *tensors,
        class_names=tuple("0123456789"),
        name="mnist",
        origin="real" if official else "real (unofficial copy)",
        fingerprint=digest(" ".join(md5s)),
    )


def _arrays(folder: Path) -> tuple[list[Tensor], list[str]]:
    """Training images and labels, test images and labels, and the four files' MD5s."""
    tensors, md5s = [], []
    for images, labels in (list(FILES)[:2], list(FILES)[2:]):
        X, X_md5 = _idx(folder / images, 3)
        y, y_md5 = _idx(folder / labels, 1)
        if X.shape[1:] != (28, 28):
            raise broken(folder / images, f"holds pictures of {X.shape[1]} × {X.shape[2]}, not 28 × 28")
        if len(X) != len(y):
            raise broken(folder / labels, f"holds {len(y):,} labels for {len(X):,} pictures")
        if y.max() > 9:
            raise broken(folder / labels, f"holds the label {y.max()}, which is no digit")
        tensors += [X.unsqueeze(1), y.long()]
        md5s += [X_md5, y_md5]
    return tensors, md5s


def _idx(path: Path, dims: int) -> tuple[Tensor, str]:
    """An IDX file of unsigned bytes: two zeros, 8 (the type), `dims`, big-endian 32-bit sizes, the values."""
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise broken(path, f"cannot be read ({error.strerror})") from error
    head = 4 + 4 * dims
    if len(content) < head or content[:4].tolist() != [0, 0, 8, dims]:
        raise broken(path, f"is no IDX file of unsigned bytes in {dims} dimension{'s' * (dims > 1)}")
    sizes = struct.unpack(f">{dims}I", content[4:head])
    values = content[head:]
    if len(values) != math.prod(sizes):
        raise broken(path, f"holds {len(values):,} values where its header promises {math.prod(sizes):,}")
    if not len(values):
        raise broken(path, "is empty but for its header")
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return torch.from_numpy(values).reshape(sizes), md5
