"""The stand-in for the groceries: drawn fruit and cartons on shelves, with the real set's class names.

They say nothing about the real data, but have enough structure for a page's claims to be tried on.
"""

import hashlib

import numpy as np
import torch

from helpers.datasets.records import Groceries

GRID = 64  # drawn on 64 × 64, then each pixel repeated
PER_CLASS = {"train": 12, "val": 2, "test": 8}  # pictures of each fine class
# The coarse classes in their order; behind a colon the fine ones, * for the name of the coarse one
NAMES = """Apple: Golden-Delicious Granny-Smith Pink-Lady Red-Delicious Royal-Gala; Avocado; Banana; Kiwi; Lemon; Lime;
Mango; Melon: Cantaloupe Galia-* Honeydew-* Watermelon; Nectarine; Orange; Papaya; Passion-Fruit; Peach;
Pear: Anjou Conference Kaiser; Pineapple; Plum; Pomegranate; Red-Grapefruit; Satsumas;
Juice: Bravo-Apple-* Bravo-Orange-* God-Morgon-Apple-* God-Morgon-Orange-* God-Morgon-Orange-Red-Grapefruit-*
 God-Morgon-Red-Grapefruit-* Tropicana-Apple-* Tropicana-Golden-Grapefruit Tropicana-*-Smooth
 Tropicana-Mandarin-Morning; Milk: Arla-Ecological-Medium-Fat-* Arla-Lactose-Medium-Fat-* Arla-Medium-Fat-*
 Arla-Standard-* Garant-Ecological-Medium-Fat-* Garant-Ecological-Standard-*;
Oatghurt: Oatly-Natural-*; Oat-Milk: Oatly-*; Sour-Cream: Arla-Ecological-* Arla-*; Sour-Milk: Arla-*;
Soyghurt: Alpro-Blueberry-* Alpro-Vanilla-*; Soy-Milk: Alpro-Fresh-* Alpro-Shelf-*;
Yoghurt: Arla-Mild-Vanilla-* Arla-Natural-Mild-Low-Fat-* Arla-Natural-* Valio-Vanilla-* Yoggi-Strawberry-*
 Yoggi-Vanilla-*; Asparagus; Aubergine; Cabbage; Carrots; Cucumber; Garlic; Ginger; Leek; Mushroom: Brown-Cap-*;
Onion: Yellow-*; Pepper: Green-Bell-* Orange-Bell-* Red-Bell-* Yellow-Bell-*;
Potato: Floury-* Solid-* Sweet-*; Red-Beet; Tomato: Beef-* Regular-* Vine-*; Zucchini"""
SHAPES = 6  # outlines; with the 8 colours 48 combinations for 43 coarse classes
COLOURS = np.array([[*bytes.fromhex(c)] for c in "c82828 e68c1e e1d23c 46a03c 3c5abe 823c96 ebebe1 6e4b2d".split()])


def groceries(size: int = 128, seed: int = 0) -> Groceries:
    """A stand-in of 81 × (12 + 2 + 8) drawn pictures, uint8 (n, 3, size, size).

    A coarse class has a shape and a colour, a fine one a shade of it and a mark at a place of its own.  Each picture
    has its own shelf, light, place and size, and something of another class beside it.  Integer arithmetic.
    """
    coarse_names, fine_names, coarse_of = _classes()
    generator = np.random.default_rng(seed)
    nearest = np.arange(size) * GRID // size
    parts, content = {}, hashlib.sha256()
    for part, count in PER_CLASS.items():
        fine = np.repeat(np.arange(len(fine_names)), count)
        drawn = np.stack([_picture(label, coarse_of, generator) for label in fine])
        content.update(drawn)
        parts[f"{part}_images"] = torch.from_numpy(drawn[:, :, nearest][:, :, :, nearest])
        parts[f"{part}_fine"] = torch.from_numpy(fine)
        parts[f"{part}_labels"] = torch.from_numpy(coarse_of[fine])
    return Groceries(
        **parts,
        class_names=coarse_names,
        fine_names=fine_names,
        coarse_of=torch.from_numpy(coarse_of),
        name="standin_groceries",
        origin="stand-in",
        fingerprint=f"{content.hexdigest()[:16]}-{size}",
    )


def _classes() -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    coarse_names, fine_names, coarse_of = [], [], []
    for number, entry in enumerate(NAMES.split(";")):
        coarse, _, fine = entry.strip().partition(":")
        coarse_names.append(coarse)
        for name in fine.split() or ["*"]:
            fine_names.append(name.replace("*", coarse))
            coarse_of.append(number)
    return tuple(coarse_names), tuple(fine_names), np.array(coarse_of)


def _picture(label: int, coarse_of: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:GRID, :GRID]
    picture = generator.integers(60, 190, (3, 1, 1)) + np.where(rows % generator.integers(14, 30) < 2, -40, 0)
    picture = np.broadcast_to(picture, (3, GRID, GRID)).copy()
    beside = generator.integers(len(coarse_of))
    for drawn, centre, size in ((beside, generator.integers(-4, 68, 2), 7), (label, generator.integers(26, 39, 2), 16)):
        scale = size + generator.integers(0, 5)
        down, right = (rows - centre[0]) * 20 // scale, (columns - centre[1]) * 20 // scale
        rank = drawn - np.searchsorted(coarse_of, coarse := coarse_of[drawn])  # within its coarse class
        colour = COLOURS[coarse // SHAPES] + [18 * (rank % 3 - 1), 0, -18 * (rank % 2)]
        inside = _outline(coarse % SHAPES, down, right)
        picture[:, inside] = colour[:, None] * (100 - (down + right)[inside] // 2) // 100
        mark = (abs(down + 14 - 7 * (rank % 5)) < 3) & (abs(right) < 9 + 3 * (rank // 5)) & inside
        picture[:, mark] = 245 if rank % 2 else 25
    light = generator.integers(75, 126)
    return np.clip(picture * light // 100 + generator.integers(-15, 16, picture.shape), 0, 255).astype(np.uint8)


def _outline(shape: int, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    squares = down**2 + right**2
    return (
        squares < 484,  # round
        down**2 + 3 * right**2 < 600,  # tall and narrow
        4 * down**2 + right**2 < 700,  # long and flat
        (abs(right) < 13) & (abs(down) < 24),  # a carton
        (squares < 260) | ((down - 14) ** 2 + right**2 < 260),  # a pear
        (squares < 484) & (squares > 90),  # a ring
    )[shape]
