"""Pairs of shoes, three of each person, photographed by students of a course, 224 × 224.

Page "Do these shoes match?" introduces them.  They were handed out as data.rar, which has no public address.
"""

import dataclasses
import os
import re
from pathlib import Path

import numpy as np

from helpers.datasets import shoes_standin, store
from helpers.datasets.decoded import pictures
from helpers.datasets.records import Pairs

TITLE, FOLDER, PARTS = "Shoes", "shoes", ("train", "test_w", "test_m")
SIZE = 224
PEOPLE = [112, 10, 10]  # as handed out
SUFFIXES = (".jpg", ".jpeg", ".png")
NAME = re.compile(r"u\s*0*(?P<person>\d+)_(?P<pair>[123])_(?P<side>left|right)_[wm]")
PICTURES = [(pair, side) for pair in "123" for side in ("left", "right")]  # of one person, in the record's order
AGAIN = 'unpack data.rar of the assignment again, or pass data="standin"'


def load(data: str = "auto", root: str | os.PathLike | None = None) -> Pairs:
    """The shoes as uint8 (people, 3, 2, 3, 224, 224), in order of the people's numbers; see `Pairs`.

    data: "real", "standin" (drawn shoes, see `shoes_standin.pairs`), or "auto": real where they are there.
    root: instead of $COURSE_DATA.  Who lacks a picture is left out and named.  No checksum was published: a copy of
    112, 10 and 10 whole people counts as "real", another as "real (unofficial copy)".  Decoded pictures are kept as
    `decoded/shoes.safetensors` under the root.  Raises MissingData ("real" only), BrokenData, ValueError.
    """
    return store.choose(
        data,
        lambda: _read(store.root(root)),
        lambda: dataclasses.replace(shoes_standin.pairs(), name="shoes"),
    )


def present(root: str | os.PathLike | None = None) -> bool:
    """Whether a copy that `load` can read is under the root."""
    return store.readable(lambda: _read(store.root(root)))


def fetch(root: str | os.PathLike | None = None) -> Path:
    """Return the folder if a readable copy is there.  Raises MissingData, which says what to do by hand."""
    place = store.root(root)
    try:
        _read(place)
    except store.MissingData as error:
        raise store.MissingData(f"{error}; there is no address that they could be fetched from") from None
    return place / FOLDER


def _read(root: Path) -> Pairs:
    folder = root / FOLDER
    _refuse_what_is_elsewhere(root, folder)
    parts, left_out = [], []
    for part in PARTS:
        whole, lacking = _whole(_listed(folder / part))
        if not whole:
            what = f"nobody is whole ({'; '.join(lacking[:3])})" if lacking else "holds no picture of a shoe"
            raise store.broken(folder / part, what, AGAIN)
        parts.append(whole)
        left_out += [f"{part}/{one}" for one in lacking]
    paths = [path for whole in parts for six in whole.values() for path in six]
    images, note = pictures(root / "decoded" / "shoes.safetensors", paths, _rgb, (3, SIZE, SIZE), AGAIN)
    return Pairs(
        *images.view(-1, 3, 2, 3, SIZE, SIZE).split([len(whole) for whole in parts]),
        people=tuple(map(tuple, parts)),
        name="shoes",
        origin="real" if [*map(len, parts)] == PEOPLE and not left_out else "real (unofficial copy)",
        fingerprint=note["content"][:16],
        left_out=tuple(left_out),
    )


def _refuse_what_is_elsewhere(root: Path, folder: Path) -> None:
    """Return if all three parts are folders; raise MissingData where there is nothing at all, else BrokenData."""
    for place in (root, folder, *(folder / part for part in PARTS)):
        if (what := store.oddity(place, folder=True)) is None:
            continue
        if what:
            raise store.broken(place, what, store.MEND)
        for stray in (*root.glob("data.rar"), *folder.glob("*.rar"), *folder.glob("*/train")):
            remedy = f"unpack it into {folder}" if stray.suffix else f"move what {stray.parent} holds to {folder}"
            raise store.broken(stray, f"is there, and {place} is not", f'{remedy}, or pass data="standin"')
        if place in (root, folder):
            text = f"{TITLE} are not under {root}: unpack the assignment's data.rar so that {folder} holds the folders"
            raise store.MissingData(f'{text} {", ".join(PARTS)}, or pass data="standin"')
        raise store.broken(place, "is missing, and others are there", AGAIN)


def _listed(folder: Path) -> dict[int, dict[tuple[str, str], Path]]:
    """person → (pair, side) → file, for the pictures of a folder.  BrokenData for a name that is not a shoe's."""
    found: dict[int, dict[tuple[str, str], Path]] = {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    except OSError as error:
        raise store.broken(folder, f"cannot be read ({error.strerror})", store.MEND) from error
    for path in paths:
        if (match := NAME.fullmatch(path.stem)) is None:
            raise store.broken(path, 'is not called like "u001_2_left_w.jpg"', f"rename or remove it, or {AGAIN}")
        if (what := store.oddity(path)) is not None:
            raise store.broken(path, what or "vanished while it was read", AGAIN)
        person = found.setdefault(int(match["person"]), {})
        if other := person.get(key := (match["pair"], match["side"])):
            raise store.broken(path, f"and {other.name} are the same shoe", f"remove one, or {AGAIN}")
        person[key] = path
    return dict(sorted(found.items()))


def _whole(found: dict) -> tuple[dict[int, list[Path]], list[str]]:
    """Those of whom all six pictures are there, in the record's order; what the others lack, in words."""
    whole = {who: [shoes[key] for key in PICTURES] for who, shoes in found.items() if len(shoes) == len(PICTURES)}
    lacks = {who: ["_".join(key) for key in PICTURES if key not in found[who]] for who in found.keys() - whole}
    return whole, [f"u{who:03} lacks {', '.join(lacks[who])}" for who in sorted(lacks)]


def _rgb(path: Path, picture, shape: tuple) -> np.ndarray:
    """(3, height, width): RGBA over white, as a browser shows it."""
    if picture.size != shape[:0:-1]:
        size = " × ".join(map(str, picture.size))
        raise store.broken(path, f"is {size} pixels, not {SIZE} × {SIZE}", AGAIN)
    pixels = np.asarray(picture.convert("RGBA")).astype(np.uint16)
    opaque = pixels[..., 3:]
    return ((pixels[..., :3] * opaque + 255 * (255 - opaque) + 127) // 255).astype(np.uint8).transpose(2, 0, 1)
