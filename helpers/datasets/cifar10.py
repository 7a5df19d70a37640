"""CIFAR-10: colour photographs of ten kinds of things, 32 × 32 (Krizhevsky, 2009), in its binary version: no pickle.

Page "Pooling, padding, batch size" introduces it.
"""

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from helpers.datasets import cifar10_standin, store
from helpers.datasets.records import Images
from helpers.fingerprint import digest

TITLE = "CIFAR-10"
FOLDER = "cifar-10-batches-bin"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_SIZE = 170_052_171
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = "test_batch.bin"
TEST_SHA256 = "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"
MEANS = (0.4914, 0.4822, 0.4465)  # of the published training pictures' red, green and blue, as shares of 255
ROW = 1 + 3 * 32 * 32  # a label, then the red, the green and the blue plane, row by row


def load(data: str = "auto", root: str | os.PathLike | None = None) -> Images:
    """CIFAR-10 as uint8 (n, 3, 32, 32) pictures, red, green, blue, and int64 labels 0 … 9, in the files' order.

    data: "real", "standin" (drawn things, see `cifar10_standin.pictures`), or "auto": real where it is there.
    root: the data root instead of $COURSE_DATA.  "real" are files whose test batch has the published SHA-256 and
    whose training pictures the published means; others that can be read are "real (unofficial copy)".
    Raises MissingData ("real" only), BrokenData, ValueError for another `data`.
    """
    return store.choose(
        data,
        lambda: _read(store.root(root)),
        lambda: dataclasses.replace(cifar10_standin.pictures(), name="cifar10"),
    )


def present(root: str | os.PathLike | None = None) -> bool:
    """Whether a copy that `load` can read is under the root: all six files, whole."""
    return store.readable(lambda: _read(store.root(root)))


def fetch(root: str | os.PathLike | None = None, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download the archive, check it, unpack it, put it in place, and return the folder.

    A readable copy that is there is left alone.  mirrors: addresses that end in "/".
    Raises DownloadFailed, BrokenData, CannotWrite.
    """
    folder = store.root(root) / FOLDER
    # Beside the folder, so that a build that fails keeps what it has fetched.
    archives = store.beside(folder, ".downloads")

    def build(fresh: Path) -> None:
        urls = [mirror + ARCHIVE for mirror in mirrors]
        archive = store.download(TITLE, urls, archives / ARCHIVE, sha256=ARCHIVE_SHA256, size=ARCHIVE_SIZE)
        store.unpack(archive, fresh)
        inner = fresh / FOLDER  # the archive holds one folder
        if not (inner / TEST).is_file() or store.checksum(inner / TEST) != TEST_SHA256:
            raise store.broken(archive, "does not hold the published files")
        for entry in sorted(inner.iterdir()):
            entry.replace(fresh / entry.name)
        inner.rmdir()

    store.install(TITLE, folder, build, intact=lambda _: present(root))
    shutil.rmtree(archives, ignore_errors=True)
    return folder


def _read(root: Path) -> Images:
    folder = root / FOLDER
    packed = dict.fromkeys((root / ARCHIVE, folder / ARCHIVE), f"unpack it under {root}")
    pickled = {root / "cifar-10-batches-py": "that is the Python version, which is not read: take the binary one"}
    store.require(TITLE, root, folder, [*TRAIN, TEST], packed | pickled)
    parts = [_rows(folder / name) for name in (*TRAIN, TEST)]
    digests = [store.checksum(folder / name) for name in (*TRAIN, TEST)]
    train_images, train_labels = (torch.cat(column) for column in zip(*parts[:-1], strict=True))
    sums = [train_images[:, channel].sum(dtype=torch.int64).item() for channel in range(3)]
    means = tuple(round(total * 3 / train_images.numel() / 255, 4) for total in sums)
    return Images(
        train_images,
        train_labels,
        *parts[-1],
        class_names=cifar10_standin.CLASSES,
        name="cifar10",
        origin="real" if digests[-1] == TEST_SHA256 and means == MEANS else "real (unofficial copy)",
        fingerprint=digest(" ".join(digests)),
    )


def _rows(path: Path) -> tuple[Tensor, Tensor]:
    """Pictures (n, 3, 32, 32) uint8 and labels (n,) int64 of one file."""
    try:
        size = path.stat().st_size
        if not size or size % ROW:
            raise store.broken(path, f"has {size:,} bytes, which is no multiple of {ROW:,}: a label and a picture")
        rows = torch.from_numpy(np.fromfile(path, dtype=np.uint8)).reshape(-1, ROW)
    except OSError as error:
        if isinstance(error, store.StoreError):
            raise
        raise store.broken(path, f"cannot be read ({error.strerror})", store.MEND) from error
    except MemoryError as error:
        raise store.broken(path, f"has {size:,} bytes, more than the memory takes") from error
    if rows[:, 0].max() > 9:
        raise store.broken(path, f"holds the label {rows[:, 0].max()}, and there are ten classes")
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].long()
