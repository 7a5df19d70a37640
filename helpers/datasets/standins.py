"""Stand-ins for data sets that are not there: code, not files; same shapes, types and class names.

They say nothing about the real data, but have enough structure for a page's claims to be tried on.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from helpers.datasets import Images

if TYPE_CHECKING:  # that module imports this one
    from helpers.datasets.movielens import Ratings

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
    for axis, move in zip((2, 1), shift, strict=True):
        moment = (boxes.sum(axis=axis, dtype=np.int64) * np.arange(20)).sum(axis=1)
        corner = (27 * mass - 2 * moment + mass) // (2 * mass)  # 13.5 − moment / mass, rounded
        corners.append(np.clip(corner + move, 0, 8))
    rows, columns = (corner[:, None] + np.arange(20) for corner in corners)
    pictures = np.zeros((len(boxes), 28, 28), dtype=np.uint8)
    pictures[np.arange(len(boxes))[:, None, None], rows[:, :, None], columns[:, None, :]] = boxes
    return pictures


TASTES = {  # genres, comma-separated → first words and last words of titles
    "Adventure|Drama": ("Silent Distant Lunar Frozen Final Fading", "Orbit Signal Horizon Comet Descent Beacon"),
    "Animation|Children": ("Clever Tiny Sleepy Curious Brave Lucky", "Penguin Teapot Dragon Kite Hedgehog Puppet"),
    "Children|Comedy": ("Rainy Holiday Monday Birthday School Picnic", "Surprise Mix-Up Caravan Disaster Recipe Visit"),
    "Western": ("Dusty Lonesome Bitter Painted Iron Empty", "Canyon Saddle Ferry Frontier Posse Prairie"),
    "Horror": ("Crooked Whispering Hollow Pale Buried Nameless", "Cellar Orchard Lantern Choir Staircase Marsh"),
    "Drama|Romance": ("Autumn Parisian Borrowed Tender Hidden Gentle", "Letters Waltz Garden Promise Harvest Summer"),
    "Crime|Thriller": ("Double Marked Cold Perfect Stolen Rusty", "Ledger Alibi Witness Harbour Verdict Cipher"),
    "Documentary": ("Inside Beyond Under Along Against Before", "Glaciers Machines Monsoons Archives Reefs Markets"),
}
ASKED = ("Apollo 13 (1995)", "Toy Story (1995)", "Home Alone (1990)")  # the most popular of the first three tastes
PER_TASTE, NO_TASTE, UNRATED, USERS = 36, 40, 32, 240


def movielens(seed: int = 0) -> "Ratings":
    """A stand-in for MovieLens: 240 users with planted tastes rate 360 movies, all but three of them invented.

    There are eight tastes of 36 movies, 40 movies that are to nobody's taste, and 32 that nobody has rated.  A user
    has one taste and a second, weaker one, rates mostly these and likes most of them; biases and noise come on top.
    Two movies have one title, as some do in the real set.  `planted_tastes` tells the tastes.
    seed: decides everything.  Integer arithmetic: the ratings are the same on every machine.
    """
    from helpers.datasets.movielens import Ratings  # here: that module imports this one

    generator, first, second, tastes = _tastes(seed)
    titles = _titles(generator, tastes)
    rank = np.array([(tastes[:i] == taste).sum() for i, taste in enumerate(tastes)])  # in popularity, within a taste
    draws = np.where(np.arange(len(tastes)) < len(tastes) - UNRATED, 1 + 24 // (1 + rank), 0)
    bias = np.where(rank > 0, generator.integers(-1, 2, len(tastes)), 1)
    rows = []
    for user in range(USERS):
        fit = 2 * (tastes == first[user]) + (tastes == second[user])
        urn = generator.permutation(np.repeat(np.arange(len(tastes)), draws * np.array([1, 4, 12])[fit]))
        drawn = urn[np.sort(np.unique(urn, return_index=True)[1])]  # without those that came before
        rated = np.sort(drawn[: generator.integers(20, 60)])
        noise = generator.integers(-1, 2) + generator.integers(-1, 2, (2, len(rated))).sum(0)
        stars = np.clip(5 + 2 * fit[rated] + bias[rated] + noise, 1, 10)  # in halves
        seconds = 10**9 + generator.integers(10**8) + generator.permutation(600 * len(rated))[: len(rated)]
        rows.append(np.stack([np.full(len(rated), user), rated, stars, seconds]))
    columns = np.concatenate(rows, axis=1)
    users, movies, halves, timestamps = (torch.from_numpy(column.copy()) for column in columns)
    return Ratings(
        users,
        movies,
        halves.float() / 2,
        timestamps,
        user_ids=torch.arange(1, USERS + 1),
        movie_ids=torch.arange(1, len(tastes) + 1),
        titles=titles,
        genres=tuple(tuple(list(TASTES)[taste].split("|")) if taste >= 0 else () for taste in tastes),
        name="standin_tastes",
        origin="stand-in",
        fingerprint=hashlib.sha256(columns.tobytes() + "\n".join(titles).encode()).hexdigest()[:16],
    )


def planted_tastes(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """The tastes behind `movielens(seed)`: users' (240,) and movies' (360,), int64, 0 … 7; −1: to nobody's taste."""
    _, first, _, tastes = _tastes(seed)
    return torch.from_numpy(first), torch.from_numpy(tastes)


def _tastes(seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray, np.ndarray]:
    """The generator, ready for the rest; the users' first and second tastes; the movies' tastes."""
    generator = np.random.default_rng(seed)
    first = generator.permutation(np.arange(USERS) % len(TASTES))
    second = (first + generator.integers(1, len(TASTES), USERS)) % len(TASTES)
    movies = generator.permutation(np.append(np.repeat(np.arange(len(TASTES)), PER_TASTE), [-1] * NO_TASTE))
    return generator, first, second, np.append(movies, [-1] * UNRATED)


def _titles(generator: np.random.Generator, tastes: np.ndarray) -> tuple[str, ...]:
    waiting = {-1: [f"Reel {number} (19{number})" for number in range(20, 20 + NO_TASTE + UNRATED)]}
    for number, (first, last) in enumerate(TASTES.values()):
        pairs = [f"{a} {b}" for a in first.split() for b in last.split()]
        years = generator.integers(1950, 2010, len(pairs))
        named = [f"{pairs[i]} ({years[i]})" for i in generator.permutation(len(pairs))]
        waiting[number] = [*ASKED[number : number + 1], *named]
    titles = [waiting[taste].pop(0) for taste in tastes]
    return (*titles[:-1], titles[0])
