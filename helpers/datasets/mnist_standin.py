"""The stand-in for MNIST: scikit-learn's digits, laid out as MNIST's are.

They say nothing about the real data, but have enough structure for a page's claims to be tried on.
"""

import hashlib

import numpy as np
import torch

from helpers.datasets.records import Images

SHIFTS = ((-1, 0), (1, 0), (0, -1), (0, 1))  # rows, columns; one copy of each original for each
TEST_ORIGINALS = 250


def digits(seed: int = 0) -> Images:
    """A stand-in for MNIST: scikit-learn's 1,797 scanned 8 × 8 digits (Alpaydin and Kaynak, 1998) as 28 × 28.

    Each original is enlarged bilinearly into a 20 × 20 box, laid with its centre of mass in the middle, as
    MNIST's are, and moved by one pixel: up, down, left, right.  All four copies are on one side of the split:
    4 × 1,547 training and 4 × 250 test pictures, uint8 (n, 1, 28, 28), with labels int64 (n,).
    seed: decides the split and the order.  Integer arithmetic: the bytes are the same on every machine.
    """
    from sklearn.datasets import load_digits  # here: it takes a second, and real data needs none of it

    originals = load_digits()
    boxes = _enlarged(originals.images.astype(np.int64))
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(boxes))
    arrays = []
    for members in (order[TEST_ORIGINALS:], order[:TEST_ORIGINALS]):
        shuffled = generator.permutation(len(SHIFTS) * len(members))
        pictures = np.concatenate([_laid(boxes[members], shift) for shift in SHIFTS])[shuffled]
        labels = np.tile(originals.target[members], len(SHIFTS))[shuffled]
        arrays += [pictures[:, None], labels.astype(np.int64)]
    content = hashlib.sha256()
    for array in arrays:
        content.update(array.tobytes())
    return Images(
        *(torch.from_numpy(array) for array in arrays),
        class_names=tuple("0123456789"),
        name="standin_digits",
        origin="stand-in",
        fingerprint=content.hexdigest()[:16],
    )


def _enlarged(pictures: np.ndarray) -> np.ndarray:
    """(n, 8, 8) int64 of 0 … 16 → (n, 20, 20) uint8 of 0 … 255, bilinear between pixel centres."""
    tenths = np.clip(4 * np.arange(20) - 3, 0, 70)  # row i's centre lies at 0.4 (i + ½) − ½ original rows
    low, between = tenths // 10, tenths % 10
    weights = np.zeros((20, 8), dtype=np.int64)
    weights[np.arange(20), low] = 10 - between
    weights[np.arange(20), np.minimum(low + 1, 7)] += between
    sums = weights @ pictures @ weights.T  # 0 … 16 · 100
    return ((sums * 255 + 800) // 1600).astype(np.uint8)


def _laid(boxes: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    """(n, 20, 20) → (n, 28, 28) uint8: centre of mass in the middle, then `shift` rows and columns on."""
    mass = boxes.sum(axis=(1, 2), dtype=np.int64)
    corners = []
    for axis, move in ((2, shift[0]), (1, shift[1])):
        moment = (boxes.sum(axis=axis, dtype=np.int64) * np.arange(20)).sum(axis=1)
        corner = (27 * mass - 2 * moment + mass) // (2 * mass)  # 13.5 − moment / mass, rounded
        corners.append(np.clip(corner + move, 0, 8))
    rows, columns = (corner[:, None] + np.arange(20) for corner in corners)
    pictures = np.zeros((len(boxes), 28, 28), dtype=np.uint8)
    pictures[np.arange(len(boxes))[:, None, None], rows[:, :, None], columns[:, None, :]] = boxes
    return pictures
