"""MNIST: handwritten digits, 28 × 28 grey levels (LeCun, Cortes and Burges, 1998).

Page "A network from raw tensors" introduces it.
"""

import dataclasses
import math
import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from helpers.datasets import mnist_standin, store
from helpers.datasets.records import Images
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

    data: "real", "standin" (scikit-learn's digits, see `mnist_standin.digits`), or "auto": real where it is there.
    root: the data root instead of $COURSE_DATA.  Files that are readable but not the published ones make it
    "real (unofficial copy)".  Raises MissingData ("real" only), BrokenData, ValueError for another `data`.
    """
    return store.choose(
        data,
        lambda: _read(store.root(root)),
        lambda: dataclasses.replace(mnist_standin.digits(), name="mnist"),
    )


def present(root: str | os.PathLike | None = None) -> bool:
    """Whether a copy that `load` can read is under the root: all four files, whole."""
    return store.readable(lambda: _read(store.root(root)))


def fetch(root: str | os.PathLike | None = None, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download what is missing, check it, put it in place, and return the folder.

    A readable copy that is there is left alone.  mirrors: addresses that end in "/".
    Raises DownloadFailed, BrokenData, CannotWrite.
    """
    folder = _folder(store.root(root))
    # Beside the folder, so that a build that fails keeps what it has fetched.
    archives = store.beside(folder, ".downloads")

    def build(fresh: Path) -> None:
        for name, (packed, unpacked) in FILES.items():
            urls = [f"{mirror}{name}.gz" for mirror in mirrors]
            store.unpack(store.download(TITLE, urls, archives / f"{name}.gz", md5=packed), fresh)
            if store.checksum(fresh / name, "md5") != unpacked:
                raise store.broken(archives / f"{name}.gz", "does not hold the published file")

    store.install(TITLE, folder, build, intact=lambda _: present(root))
    shutil.rmtree(archives, ignore_errors=True)
    return folder


def _folder(root: Path) -> Path:
    return root / "MNIST" / "raw"


def _read(root: Path) -> Images:
    folder = _folder(root)
    dotted = {folder / name.replace("-idx", ".idx"): f'rename it to "{name}"' for name in FILES}
    store.require(TITLE, root, folder, list(FILES), dotted)
    tensors, md5s = _arrays(folder)
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
    tensors = []
    for images, labels in (list(FILES)[:2], list(FILES)[2:]):
        shape, (count,) = _sizes(folder / images, 3), _sizes(folder / labels, 1)
        if shape[1:] != (28, 28):
            raise store.broken(folder / images, f"holds pictures of {shape[1]} × {shape[2]}, not 28 × 28")
        if shape[0] != count:
            raise store.broken(folder / labels, f"holds {count:,} labels for {shape[0]:,} pictures")
        X, y = _values(folder / images, shape), _values(folder / labels, (count,))
        if y.max() > 9:
            raise store.broken(folder / labels, f"holds the label {y.max()}, which is no digit")
        tensors += [X.unsqueeze(1), y.long()]
    return tensors, [store.checksum(folder / name, "md5") for name in FILES]


def _sizes(path: Path, dims: int) -> tuple[int, ...]:
    """What the header of an IDX file of unsigned bytes says, compared with the file's size before it is read.

    The header: two zeros, 8 (the type), `dims`, big-endian 32-bit sizes.
    """
    length = 4 + 4 * dims
    try:
        with open(path, "rb") as file:
            header, values = file.read(length), os.fstat(file.fileno()).st_size - length
    except OSError as error:
        raise store.broken(path, f"cannot be read ({error.strerror})", store.MEND) from error
    if len(header) < length or list(header[:4]) != [0, 0, 8, dims]:
        raise store.broken(path, f"is no IDX file of unsigned bytes in {dims} dimension{'s' * (dims > 1)}")
    sizes = struct.unpack(f">{dims}I", header[4:])
    if values != math.prod(sizes):
        raise store.broken(path, f"holds {values:,} values where its header promises {math.prod(sizes):,}")
    if not values:
        raise store.broken(path, "is empty but for its header")
    return sizes


def _values(path: Path, sizes: tuple[int, ...]) -> Tensor:
    try:
        values = np.fromfile(path, dtype=np.uint8)[4 + 4 * len(sizes) :]
    except OSError as error:
        raise store.broken(path, f"cannot be read ({error.strerror})", store.MEND) from error
    except MemoryError as error:
        raise store.broken(path, f"has {math.prod(sizes):,} values, more than the memory takes") from error
    return torch.from_numpy(values).reshape(sizes)
