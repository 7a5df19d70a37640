"""The stand-in for CIFAR-10: drawn things under the same ten names.

They say nothing about the real data, but have enough structure for a page's claims to be tried on.
"""

import hashlib

import numpy as np
import torch

from helpers.datasets.records import Images

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN, TEST = 5_000, 1_000
# class → its parts (kind, x, y, width, height), in sixteenths of its size from its middle, y downwards; what differs
# between neighbours is small: the wing of a bird, the ears of cat and dog, a deer's antlers, a truck's box
PARTS = {
    "airplane": "e 0 0 28 6, r 2 -4 6 14, r -12 -4 4 8",
    "automobile": "r 0 2 28 8, r 0 -4 16 8, w -9 7 7 7, w 9 7 7 7",
    "bird": "e 0 0 20 9, e 10 -5 8 8, t -1 -5 9 9",
    "cat": "e -2 3 20 12, e 9 -5 11 11, t 6 -11 5 6, t 12 -11 5 6",
    "deer": "e -2 0 20 9, r -9 9 2 11, r 5 9 2 11, e 10 -6 7 8, r 8 -13 2 8, r 13 -13 2 8",
    "dog": "e -2 3 20 12, e 9 -5 11 11, r 4 -4 4 9, r 14 -4 4 9",
    "frog": "e 0 3 24 13, e -6 -4 7 7, e 6 -4 7 7",
    "horse": "e -2 0 22 9, r -9 9 2 11, r 6 9 2 11, e 12 -7 7 9, t 9 -5 6 9",
    "ship": "r 0 5 28 7, r 2 -3 12 9, r 5 -10 3 9",
    "truck": "r -4 -2 20 16, r 10 2 9 9, w -9 8 7 7, w 9 8 7 7",
}
SKY, LAND, ROAD, SEA = (150, 180, 215), (120, 140, 80), (140, 135, 130), (90, 120, 160)
GROUNDS = (SKY, ROAD, SKY, LAND, LAND, LAND, LAND, LAND, SEA, ROAD)  # mostly; else that of any class
NOISE = 36  # grey levels up or down, for every value on its own


def pictures(seed: int = 0) -> Images:
    """A stand-in for CIFAR-10: 5,000 training and 1,000 test drawings, uint8 (n, 3, 32, 32), labels int64 (n,).

    Each class is a few shapes at its own place, size, colour and side (half are mirrored), before a sky, a land, a
    road or a sea with noise.  Two in three have the ground of their class; animals share theirs, so that a classifier
    confuses animals with animals.  seed: decides everything.  Integer arithmetic: the same bytes on every machine.
    """
    generator = np.random.default_rng(seed)
    content, arrays = hashlib.sha256(), []
    for n in (TRAIN, TEST):
        labels = generator.permutation(np.arange(n) % len(CLASSES))
        drawn = _drawn(labels, generator)
        arrays += [drawn, labels.astype(np.int64)]
    for array in arrays:
        content.update(array.tobytes())
    return Images(
        *(torch.from_numpy(array) for array in arrays),
        class_names=CLASSES,
        name="standin_things",
        origin="stand-in",
        fingerprint=content.hexdigest()[:16],
    )


def _drawn(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(n,) → (n, 3, 32, 32) uint8."""
    n = len(labels)
    own = generator.integers(0, 3, n) > 0
    grounds = np.array(GROUNDS)[np.where(own, labels, generator.integers(0, 10, n))]
    slope = (np.arange(32) - 16) * generator.integers(-2, 3, n)[:, None]  # brighter towards the top or the bottom
    canvas = (grounds + generator.integers(-30, 31, (n, 3)))[:, :, None, None] + slope[:, None, :, None]
    canvas = np.broadcast_to(canvas, (n, 3, 32, 32)).copy()
    paint = generator.integers(0, 256, (n, 3))
    size, side = generator.integers(12, 20, n), 1 - 2 * generator.integers(0, 2, n)  # of 16; pixels = units · size / 16
    middle = generator.integers(12, 20, (n, 2))
    y, x = (np.arange(32) - middle[:, :1], np.arange(32) - middle[:, 1:])
    y, x = 16 * y[:, :, None], (16 * side[:, None] * x)[:, None, :]
    for number, name in enumerate(CLASSES):
        of_class = np.flatnonzero(labels == number)
        for part in PARTS[name].split(", "):
            kind, *place = part.split()
            inside = _inside(kind, *map(int, place), y[of_class], x[of_class], size[of_class, None, None])
            dark = 4 if kind == "w" else 1  # wheels
            colour = (paint[of_class] // dark)[:, :, None, None]
            canvas[of_class] = np.where(inside[:, None], colour, canvas[of_class])
    canvas += generator.integers(-NOISE, NOISE + 1, canvas.shape)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _inside(kind: str, cx: int, cy: int, width: int, height: int, y, x, size) -> np.ndarray:
    """Which pixels a part covers; y, x: sixteenths of pixels from the middle; one unit is `size` sixteenths."""
    u, v = 2 * (x - cx * size), 2 * (y - cy * size)  # twice the distance, so that halves are whole
    width, height = width * size, height * size
    if kind == "r":
        return (abs(u) <= width) & (abs(v) <= height)
    if kind == "t":  # a triangle, its tip up
        return (abs(v) <= height) & (2 * abs(u) * height <= width * (v + height))
    return u * u * height * height + v * v * width * width <= width * width * height * height
