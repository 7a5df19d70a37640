"""MovieLens-small: 100,836 ratings of 9,742 movies by 610 users (Harper and Konstan, ACM TiiS 5(4), 2015).

Page "What co-likes know" introduces it.  Its licence is in the README.txt that comes with the files.
"""

import csv
import dataclasses
import difflib
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from helpers.datasets import Images, broken, standins, store
from helpers.fingerprint import digest

TITLE = "MovieLens"
MIRRORS = ("https://files.grouplens.org/datasets/movielens/",)
FOLDER, ARCHIVE = "ml-latest-small", "ml-latest-small.zip"
ARCHIVE_SHA256 = "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"
HEADERS = {"movies.csv": "movieId,title,genres", "ratings.csv": "userId,movieId,rating,timestamp"}
SHA256 = {  # of the published files, which that archive holds
    "movies.csv": "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07",
    "ratings.csv": "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646",
}
STARS = {form.format(half / 2): half / 2 for half in range(1, 11) for form in ("{:g}", "{:.1f}", "{:.2f}")}


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
        """The row of a movie, with or without its year; of namesakes the most rated.  ValueError: the five nearest."""
        for form in (str.strip, _plain):
            known = [form(each) for each in self.titles]
            if rows := [row for row, each in enumerate(known) if each == form(title)]:
                return max(rows, key=self.movies.bincount(minlength=self.num_movies).__getitem__)
        near = difflib.get_close_matches(_plain(title), dict.fromkeys(known), n=5, cutoff=0)
        names = "; ".join(self.titles[known.index(each)].strip() for each in near)
        raise ValueError(f"no movie is called {title!r}; the nearest titles: {names}")

    def describe(self) -> str:
        """One line: "movielens: real, 100,836 ratings of 9,742 movies by 610 users"."""
        counts = f"{len(self.values):,} ratings of {self.num_movies:,} movies by {self.num_users:,} users"
        note = f" (not as published: {', '.join(self.altered)})" if self.altered else ""
        return f"{self.name}: {self.origin}, {counts}{note}"

    __repr__ = Images.__repr__


def load(data: str = "auto", root: str | os.PathLike | None = None) -> Ratings:
    """The ratings of MovieLens-small; see `Ratings`.

    data: "real", "standin" (planted tastes, see `standins.movielens`), or "auto": real where it is there.
    root: instead of $COURSE_DATA.  "real" are ratings that, written as GroupLens writes them, have the published
    SHA-256, beside the published movies.csv; other readable files are "real (unofficial copy)", named by `altered`.
    Raises MissingData ("real" only), BrokenData with file and line, ValueError for another `data`.
    """
    return store.choose(
        data,
        lambda: _read(store.root(root)),
        lambda: dataclasses.replace(standins.movielens(), name="movielens"),
    )


def present(root: str | os.PathLike | None = None) -> bool:
    """Whether a copy that `load` can read is under the root: both files, every row good."""
    return _readable(store.root(root) / FOLDER)


def fetch(root: str | os.PathLike | None = None, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download the archive, check it, unpack it, put it in place, and return the folder.

    A readable copy that is there is left alone.  mirrors: addresses that end in "/".
    Raises DownloadFailed, BrokenData, CannotWrite.
    """
    folder = store.root(root) / FOLDER
    # Beside the folder, so that a build that fails keeps what it has fetched.
    archives = folder.with_name(f"{folder.name}.downloads")

    def build(fresh: Path) -> None:
        urls = [mirror + ARCHIVE for mirror in mirrors]
        archive = store.download(TITLE, urls, archives / ARCHIVE, sha256=ARCHIVE_SHA256)
        store.unpack(archive, fresh)
        inner = fresh / folder.name  # the archive holds one folder
        if not all((inner / name).is_file() for name in HEADERS) or _parsed(inner)[2]:
            raise broken(archive, "does not hold the published files")
        for entry in sorted(inner.iterdir()):
            entry.replace(fresh / entry.name)
        inner.rmdir()

    store.install(TITLE, folder, build, intact=_readable)
    shutil.rmtree(archives, ignore_errors=True)
    return folder


def _plain(title: str) -> str:
    """Lower case, without what stands in parentheses, the article in front."""
    return re.sub(r"^(.*), (the|a|an)$", r"\2 \1", re.sub(r"\s*\(.*", "", title).strip().lower())


def _readable(folder: Path) -> bool:
    try:
        _parsed(folder)
    except store.BrokenData:
        return False
    return True


def _read(root: Path) -> Ratings:
    there = [(root / FOLDER / name).is_file() for name in HEADERS]
    if not any(there):
        raise store.missing(TITLE, root)
    if not all(there):
        raise broken(root / FOLDER / list(HEADERS)[there.index(False)], "is missing, and the other is there")
    movies, ratings, altered, content = _parsed(root / FOLDER)
    raters, rated, stars, seconds = (torch.tensor(column) for column in zip(*ratings, strict=True))
    user_ids, users = raters.unique(return_inverse=True)
    return Ratings(
        users,
        movies=rated,
        values=stars.float(),
        timestamps=seconds,
        user_ids=user_ids,
        movie_ids=torch.tensor(list(movies)),
        titles=tuple(title for title, _ in movies.values()),
        genres=tuple(() if genres.startswith("(") else tuple(genres.split("|")) for _, genres in movies.values()),
        name="movielens",
        origin="real (unofficial copy)" if altered else "real",
        fingerprint=content,
        altered=altered,
    )


def _parsed(folder: Path) -> tuple[dict, list[tuple], tuple[str, ...], str]:
    """Movies (id → title, genres), ratings (user's number, movie's row, stars, seconds), altered files, digest."""
    movies_csv, ratings_csv = (folder / name for name in HEADERS)
    titles, movies_sha256 = _movies(movies_csv)
    rows, ratings_sha256 = _ratings(ratings_csv, {movie: row for row, movie in enumerate(titles)})
    digests = {movies_csv.name: movies_sha256, ratings_csv.name: ratings_sha256}
    altered = tuple(name for name, found in digests.items() if found != SHA256[name])
    return titles, rows, altered, digest(" ".join(digests.values()))


def _movies(path: Path) -> tuple[dict[int, tuple[str, str]], str]:
    """movie → (title, genres) in the file's order, and the file's SHA-256."""
    found: dict[int, tuple[str, str]] = {}
    for where, (movie, title, genres) in _rows(path):
        number = _whole(where, path, movie, "movieId")
        if number in found:
            raise broken(path, f"line {where}: movie {number} stands there a second time")
        if not title.strip():
            raise broken(path, f"line {where}: movie {number} has no title")
        found[number] = (title, genres)
    return found, store.checksum(path)


def _ratings(path: Path, row_of: dict[int, int]) -> tuple[list[tuple], str]:
    """(user's number, movie's row, stars, seconds) in the file's order; SHA-256 of them as GroupLens writes them."""
    found, pairs = [], set()
    canonical = hashlib.sha256(f"{HEADERS[path.name]}\r\n".encode())
    for where, (user, movie, stars, seconds) in _rows(path):
        user, movie = _whole(where, path, user, "userId"), _whole(where, path, movie, "movieId")
        seconds, value = _whole(where, path, seconds, "timestamp"), STARS.get(stars)
        if value is None:
            raise broken(path, f"line {where}: rating is {stars!r}, not one of 0.5, 1, 1.5 … 5")
        if movie not in row_of:
            raise broken(path, f"line {where}: movie {movie} is not in movies.csv")
        if (user, movie) in pairs:
            raise broken(path, f"line {where}: user {user} rates movie {movie} a second time")
        pairs.add((user, movie))
        found.append((user, row_of[movie], value, seconds))
        canonical.update(f"{user},{movie},{value:.1f},{seconds}\r\n".encode())
    return found, canonical.hexdigest()


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, row) for every row below the header; raises BrokenData for what is no such table."""
    header, where = HEADERS[path.name].split(","), 0
    try:
        text = path.read_bytes().decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        for where, row in enumerate(reader, 1):
            if where == 1 and row != header:
                raise broken(path, f"line 1: the header is {','.join(row)[:60]!r}, not {','.join(header)!r}")
            if len(row) != len(header):
                raise broken(path, f"line {reader.line_num}: {len(row)} columns instead of {len(header)}")
            if where > 1:
                yield reader.line_num, row
    except OSError as error:
        raise broken(path, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise broken(path, f"is no UTF-8 text (byte {error.start:,})") from error
    except csv.Error as error:
        raise broken(path, f"line {reader.line_num}: {error}") from error
    if where < 2:
        raise broken(path, "has no rows")


def _whole(where: int, path: Path, text: str, column: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise broken(path, f"line {where}: {column} is {text!r}, which is no whole number")
    return int(text)
