"""The stand-in for MovieLens: users with planted tastes rate invented movies.

They say nothing about the real data, but a recommendation can be scored on them.
"""

import hashlib

import numpy as np
import torch

from helpers.datasets.records import Ratings

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


def ratings(seed: int = 0) -> Ratings:
    """A stand-in for MovieLens: 240 users with planted tastes rate 360 movies, all but three of them invented.

    There are eight tastes of 36 movies, 40 movies that are to nobody's taste, and 32 that nobody has rated.  A user
    has one taste and a second, weaker one, rates mostly these and likes most of them; biases and noise come on top.
    Two movies have one title, as some do in the real set.  `planted_tastes` tells the tastes.
    seed: decides everything.  Integer arithmetic: the ratings are the same on every machine.
    """
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
    """The tastes behind `ratings(seed)`: users' (240,) and movies' (360,), int64, 0 … 7; −1: to nobody's taste."""
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
