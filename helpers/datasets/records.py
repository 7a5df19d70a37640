"""What data sets are in memory: a record for each kind, which loaders, stand-ins and pages share.

No torch is loaded here.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """A labelled set of pictures in memory.

    train_images, test_images: (n, channels, height, width) uint8.  train_labels, test_labels: (n,) int64,
    indices into `class_names`.  name: what `Run` registers it as.  origin: "real", "real (unofficial copy)"
    or "stand-in".  fingerprint: a short digest of the content, equal for equal content only.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    class_names: tuple[str, ...]
    name: str
    origin: str
    fingerprint: str

    def describe(self) -> str:
        """One line: "mnist: real, 60,000 training and 10,000 test images of 1 × 28 × 28"."""
        shape = " × ".join(str(side) for side in self.train_images.shape[1:])
        counts = f"{len(self.train_images):,} training and {len(self.test_images):,} test images"
        return f"{self.name}: {self.origin}, {counts} of {shape}"

    def __repr__(self) -> str:
        return f"<{self.describe()}>"


@dataclass(frozen=True, eq=False, repr=False)
class Groceries(Images):
    """Photographs in three parts, each with a coarse label, as `Images` has it, and a fine one.

    train_fine, val_fine, test_fine: (n,) int64, indices into `fine_names`; coarse_of: (fine classes,) int64.
    """

    val_images: Tensor
    val_labels: Tensor
    train_fine: Tensor
    val_fine: Tensor
    test_fine: Tensor
    fine_names: tuple[str, ...]
    coarse_of: Tensor

    def describe(self) -> str:
        """As `Images` does, with the validation pictures and the classes."""
        classes = f"{len(self.val_images):,} for validation; {len(self.class_names)} coarse and {len(self.fine_names)}"
        return f"{super().describe()}, {classes} fine classes"


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Shoes of people, three pairs each, in memory.

    train, test_w, test_m: (people, 3, 2, 3, height, width) uint8: pair, side (0 left, 1 right), channel, row, column.
    people: the numbers in the files' names, a tuple for each of the three.  left_out: who lacks a picture, and which.
    name, origin, fingerprint: as `Images` has them.
    """

    train: Tensor
    test_w: Tensor
    test_m: Tensor
    people: tuple[tuple[int, ...], ...]
    name: str
    origin: str
    fingerprint: str
    left_out: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line: "shoes: stand-in, 30 + 10 + 10 people (train, test_w, test_m) of 3 pairs, 3 × 224 × 224"."""
        counts = " + ".join(str(len(part)) for part in (self.train, self.test_w, self.test_m))
        shape = " × ".join(str(side) for side in self.train.shape[3:])
        note = f" (left out: {'; '.join(self.left_out)})" if self.left_out else ""
        return f"{self.name}: {self.origin}, {counts} people (train, test_w, test_m) of 3 pairs, {shape}{note}"

    __repr__ = Images.__repr__


@dataclass(frozen=True, eq=False, repr=False)
class Ratings:
    """Who rated what, when and how, in memory; users and movies counted from 0.

    users, movies: (n,) int64, row numbers into user_ids and movie_ids.  values: (n,) float32 stars, 0.5 … 5 in
    steps of 0.5.  timestamps: (n,) int64, seconds since 1970.  user_ids: (num_users,) int64 and movie_ids:
    (num_movies,) int64, the numbers in the files.  titles: one a movie, in the file's order, not all different;
    movies that nobody rated are among them.  genres: a tuple of names a movie.
    name, origin, fingerprint: as `Images` has them.  altered: the files that are not as published.
    """

    users: Tensor
    movies: Tensor
    values: Tensor
    timestamps: Tensor
    user_ids: Tensor
    movie_ids: Tensor
    titles: tuple[str, ...]
    genres: tuple[tuple[str, ...], ...]
    name: str
    origin: str
    fingerprint: str
    altered: tuple[str, ...] = ()

    @property
    def num_users(self) -> int:
        """How many users there are; each has rated something."""
        return len(self.user_ids)

    @property
    def num_movies(self) -> int:
        """How many movies there are, those that nobody rated included."""
        return len(self.movie_ids)

    def find(self, title: str) -> int:
        """The row of a movie, with or without its year.  ValueError: the five nearest titles.

        Of namesakes the one with most ratings; of those with as many, the one with most stars in all.
        """
        for form in (str.strip, _plain):
            known = [form(each) for each in self.titles]
            if rows := [row for row, each in enumerate(known) if each == form(title)]:
                count = self.movies.bincount(minlength=self.num_movies)
                stars = self.movies.bincount(self.values, minlength=self.num_movies)
                return max(rows, key=lambda row: (count[row].item(), stars[row].item()))
        near = difflib.get_close_matches(_plain(title), dict.fromkeys(known), n=5, cutoff=0)
        names = "; ".join(self.titles[known.index(each)].strip() for each in near)
        raise ValueError(f"no movie is called {title!r}; the nearest titles: {names}")

    def describe(self) -> str:
        """One line: "movielens: real, 100,836 ratings of 9,742 movies by 610 users"."""
        counts = f"{len(self.values):,} ratings of {self.num_movies:,} movies by {self.num_users:,} users"
        note = f" (not as published: {', '.join(self.altered)})" if self.altered else ""
        return f"{self.name}: {self.origin}, {counts}{note}"

    __repr__ = Images.__repr__


def _plain(title: str) -> str:
    """Lower case, without what stands in parentheses, the article in front."""
    return re.sub(r"^(.*), (the|a|an)$", r"\2 \1", re.sub(r"\s*\(.*", "", title).strip().lower())
