"""Grocery Store: 5,421 photographs from supermarkets (Klasson, Zhang and Kjellström, WACV 2019).

Page "A supermarket camera in 100,000 parameters" introduces it.
"""

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from helpers.datasets import grocery_standin, store
from helpers.datasets.decoded import pictures
from helpers.datasets.records import Groceries
from helpers.datasets.tables import plain, rows, text_of, whole
from helpers.fingerprint import digest

TITLE, FOLDER = "Grocery Store", "GroceryStoreDataset"
COMMIT = "fc80ba90f803d79d0383df52c5a4ac5de99ff6fc"
MIRRORS = ("https://codeload.github.com/marcusklasson/GroceryStoreDataset/tar.gz/",)
PARTS, CLASSES = {"train": "train.txt", "val": "val.txt", "test": "test.txt"}, "classes.csv"
HEADER = "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),Iconic Image Path (str),"
HEADER += "Product Description Path (str)"
SHA256 = {  # as published; of the pictures: over the SHA-256 of each, in the order of the three lists
    CLASSES: "6e1115adf36741498034165778a3300cd11f24c419e32a60d0a5057dd92998c1",
    "train.txt": "b6d6a4d25fc2a7604f4bbd4e8010516f3bb643f727fc60ef5fca042edd01294f",
    "val.txt": "a2a2bdf8ce34196c1a1dd554bd67e780793aab9363dd40d6cf50fe2d168a78b6",
    "test.txt": "9a464934780665c0024db405571c0dd2d149488a245f476557de7f1c31cf8a93",
    "pictures": "32d4450b0f6eb25eb6de94ca9e49473a8df52717ad25d626f57f2f7999e30a85",
}


def load(data: str = "auto", root: str | os.PathLike | None = None, size: int = 128) -> Groceries:
    """The photographs as uint8 (n, 3, size, size): the middle square of each, scaled; see `Groceries`.

    data: "real", "standin" (drawn, see `grocery_standin.groceries`), or "auto": real where it is there.  root: instead
    of $COURSE_DATA.  Readable files that are not the published ones are "real (unofficial copy)".  Decoded pictures
    are kept as `decoded/grocery_SIZE.safetensors` under the root.  Raises MissingData ("real" only), BrokenData.
    """
    return store.choose(
        data,
        lambda: _read(store.root(root), size),
        lambda: dataclasses.replace(grocery_standin.groceries(size), name="grocery"),
    )


def present(root: str | os.PathLike | None = None) -> bool:
    """Whether a copy that `load` can read is under the root: every picture that is listed, whole."""
    return store.readable(lambda: _read(store.root(root), 128))


def fetch(root: str | os.PathLike | None = None, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download the repository at `COMMIT`, check what it holds, put it in place, and return the folder.

    A readable copy that is there is left alone.  mirrors: addresses that end in "/".
    Raises DownloadFailed, BrokenData, CannotWrite.
    """
    folder = store.root(root) / FOLDER
    archives = store.beside(folder, ".downloads")

    def build(fresh: Path) -> None:
        archive = archives / f"{COMMIT}.tar.gz"
        store.download(TITLE, [mirror + COMMIT for mirror in mirrors], archive, unpacked=True)
        try:
            store.unpack(archive, fresh)
            (inner,) = (entry for entry in fresh.iterdir() if (entry / "dataset").is_dir())
            (inner / "dataset").rename(fresh / "dataset")
            shutil.rmtree(inner)
            tables, paths, *_ = _listed(fresh / "dataset")
            content = "".join(store.checksum(path) for path in paths)
            if tables | {"pictures": hashlib.sha256(bytes.fromhex(content)).hexdigest()} != SHA256:
                raise store.broken(archive, "does not hold the published files")
        except ValueError:
            archive.unlink()  # it has no checksum of its own: GitHub packs it anew at each request
            raise

    store.install(TITLE, folder, build, intact=lambda _: present(root))
    shutil.rmtree(archives, ignore_errors=True)
    return folder


def _read(root: Path, size: int) -> Groceries:
    folder = root / FOLDER / "dataset"
    store.require(TITLE, root, folder, [CLASSES, *PARTS.values()], {})
    tables, paths, labels, classes = _listed(folder)
    kept = root / "decoded" / f"grocery_{size}.safetensors"
    images, note = pictures(kept, paths, _middle, (3, size, size), store.FETCH)
    parts = dict(zip(PARTS, images.split([len(labels[part]) for part in PARTS]), strict=True))
    official = tables | {"pictures": note["files"]} == SHA256
    return Groceries(
        **{f"{part}_images": parts[part] for part in PARTS},
        **{f"{part}_labels": classes[2][labels[part]] for part in PARTS},
        **{f"{part}_fine": labels[part] for part in PARTS},
        class_names=classes[0],
        fine_names=classes[1],
        coarse_of=classes[2],
        name="grocery",
        origin="real" if official else "real (unofficial copy)",
        fingerprint=digest(" ".join([*tables.values(), note["content"]])),
    )


def _listed(folder: Path) -> tuple[dict, list[Path], dict, tuple]:
    """The tables' SHA-256; all pictures in order; part → fine labels; coarse names, fine names, coarse of fine."""
    fine_names, coarse_names, coarse_of = _classes(folder / CLASSES)
    paths, labels = [], {}
    for part, name in PARTS.items():
        fine = []
        for where, line in enumerate(text_of(folder / name).splitlines(), 1):
            picture, *numbers = (entry.strip() for entry in line.rsplit(",", 2))
            if len(numbers) < 2 or not picture.startswith(f"{part}/") or ".." in Path(picture).parts:
                raise store.broken(folder / name, f"line {where} is {line[:60]!r}, not “{part}/…, fine, coarse”")
            labelled, coarse = (whole(folder / name, where, text, "a label") for text in numbers)
            if labelled >= len(coarse_of) or coarse_of[labelled] != coarse:
                raise store.broken(folder / name, f"line {where}: the labels {labelled}, {coarse} are not in {CLASSES}")
            paths.append(folder / picture)
            fine.append(labelled)
        if not fine:
            raise store.broken(folder / name, "lists no picture")
        labels[part] = torch.tensor(fine)
    for path in paths:
        if (what := store.oddity(path)) is not None:
            raise store.broken(path, what or "is missing, and is listed")
    tables = {name: store.checksum(folder / name) for name in (CLASSES, *PARTS.values())}
    return tables, paths, labels, (coarse_names, fine_names, torch.tensor(coarse_of))


def _classes(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], list[int]]:
    """Fine names, coarse names, and the coarse class of each fine one."""
    fine_names, coarse_names, coarse_of = [], {}, []
    for where, (name, number, coarse_name, coarse, *_) in rows(path, HEADER):
        number, coarse = whole(path, where, number, "Class ID"), whole(path, where, coarse, "Coarse Class ID")
        if number != len(fine_names) or coarse > len(coarse_names):
            raise store.broken(path, f"line {where}: the classes are not numbered 0, 1, 2 …")
        if coarse_names.setdefault(coarse, coarse_name) != coarse_name:
            raise store.broken(path, f"line {where}: coarse class {coarse} has two names")
        fine_names.append(plain(name))
        coarse_of.append(coarse)
    return tuple(fine_names), tuple(map(plain, coarse_names.values())), coarse_of


def _middle(path: Path, picture, shape: tuple) -> np.ndarray:
    """(3, size, size): the middle square, scaled with a cubic filter that does not alias."""
    square = ImageOps.fit(picture.convert("RGB"), shape[1:], Image.Resampling.BICUBIC)
    return np.array(square).transpose(2, 0, 1)
