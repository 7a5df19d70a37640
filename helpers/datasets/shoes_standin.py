"""The stand-in for the shoes: drawn shoes whose pairs share a style, and whose people share a floor and a light.

They say nothing about the real data, but have enough structure for a page's claims to be tried on.
"""

import hashlib

import numpy as np
import torch

from helpers.datasets.records import Pairs

PEOPLE = (40, 10, 10)  # train, test_w, test_m
GRID, ENLARGED = 112, 2  # drawn on 112 × 112, each pixel doubled
# The upper's height above the sole at every 11th column, from the toe (left) to the heel
PROFILES = np.array(
    [
        (9, 14, 17, 24, 30, 25, 21, 23, 24, 22),  # low
        (9, 14, 17, 25, 34, 40, 42, 43, 43, 41),  # boot
        (8, 10, 11, 12, 11, 11, 14, 19, 24, 24),  # pump
        (10, 16, 20, 22, 22, 18, 15, 13, 12, 10),  # slipper
    ]
)
LENGTH = 11 * (PROFILES.shape[1] - 1)
MARKS = 5  # none, slanted stripes, dots, a band, a toe cap


def pairs(seed: int = 0) -> Pairs:
    """60 people with three drawn pairs each, uint8 (people, 3, 2, 3, 224, 224): 40 to train, 10 and 10 to test.

    A pair shares colour, profile, sole and mark (`styles`).  A person's six pictures share the floor and the light;
    two of the three pairs share their colour, so that the mean colour does not give every pair away.  Each picture has
    its own place, size and noise.  Integer arithmetic: the bytes are the same on every machine.
    """
    generator = np.random.default_rng(seed)
    drawn = np.empty((sum(PEOPLE), 3, 2, 3, GRID, GRID), dtype=np.uint8)
    for person, looks in zip(drawn, styles(seed), strict=True):
        floor, light = _floor(generator), int(generator.integers(80, 129))
        for pair, style in zip(person, looks, strict=True):
            for picture in pair:
                place = [*generator.integers(-5, 6, 2), generator.integers(15, 18)]
                lit = (_shoe(floor, style, *map(int, place)) * light) // 100
                picture[:] = np.clip(lit + generator.integers(-12, 13, lit.shape), 0, 255)
    images = drawn.repeat(ENLARGED, axis=-2).repeat(ENLARGED, axis=-1)
    return Pairs(
        *torch.from_numpy(images).split(PEOPLE),
        people=tuple(tuple(range(1, n + 1)) for n in PEOPLE),
        name="standin_shoes",
        origin="stand-in",
        fingerprint=hashlib.sha256(images).hexdigest()[:16],
    )


def styles(seed: int = 0) -> np.ndarray:
    """(60, 3, 8) int64: for each pair the upper's red, green and blue, the sole's grey, the mark's grey, the mark
    (0 … 4), the profile (0 … 3), the sole's height; the styles behind `pairs(seed)`."""
    generator = np.random.default_rng([seed, 1])
    n = (sum(PEOPLE), 3)
    colours = generator.integers(10, 200, (*n, 3))
    colours[:, 1] = colours[:, 0]  # two of the three share their colour
    greys = generator.choice([20, 110, 240], (*n, 2))
    kinds = [(np.arange(3) + generator.integers(0, count, (n[0], 1))) % count for count in (MARKS, len(PROFILES))]
    looks = np.concatenate([colours, greys, *(kind[..., None] for kind in kinds)], axis=-1)
    looks = np.append(looks, generator.integers(4, 11, (*n, 1)), axis=-1)
    return looks


def _floor(generator: np.random.Generator) -> np.ndarray:
    """(3, 112, 112) int64: planks, tiles or carpet in a colour of its own."""
    colour, width = generator.integers(60, 200, (3, 1, 1)), int(generator.integers(9, 28))
    rows, columns = np.mgrid[:GRID, :GRID]
    kind = generator.integers(3)
    seams = ((rows + columns // 4) % width < 2) if kind == 0 else (rows % width < 2) | (columns % width < 2)
    carpet = generator.integers(-18, 19, (GRID, GRID))
    return colour + (carpet if kind == 2 else np.where(seams, -35, 0))


def _shoe(floor: np.ndarray, style: np.ndarray, down: int, right: int, size: int) -> np.ndarray:
    """The floor with a shoe on it, `size` sixteenths as large, moved `down` and `right`."""
    *colour, sole, grey, mark, profile, thick = style
    rows, columns = np.mgrid[:GRID, :GRID]
    along = (columns - 7 - right) * 16 // size  # from the toe
    above = (84 + down - rows) * 16 // size  # above the ground
    part, rest = np.divmod(np.clip(along, 0, LENGTH - 1), 11)
    heights = PROFILES[profile]
    top = (heights[part] * (11 - rest) + heights[part + 1] * rest) // 11
    inside = (along >= 0) & (along < LENGTH)
    marked = (
        np.zeros_like(inside),
        ((along + above) % 12 < 4) & (along > 30) & (along < 66),
        ((along % 10 < 4) & ((above - thick) % 8 < 4)),
        (along > 66) & (along < 78),
        along < 24,
    )[mark]
    painted = floor.copy()
    upper = inside & (above >= thick) & (above < thick + top)
    for where, paint in (
        (upper, colour),
        (upper & marked, [grey] * 3),
        (inside & (above >= 0) & (above < thick), [sole] * 3),
    ):
        painted[:, where] = np.array(paint)[:, None]
    return painted
