"""MovieLens-small: 100,836 ratings of 9,742 movies by 610 users (Harper and Konstan, ACM TiiS 5(4), 2015).

Page "What co-likes know" introduces it.  Its licence is in the README.txt that comes with the files.
"""

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from helpers.datasets import movielens_standin, store
from helpers.datasets.records import Ratings
from helpers.datasets.tables import plain, rows, whole
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
NO_GENRES = "(no genres listed)"
STARS = {form.format(half / 2): half / 2 for half in range(1, 11) for form in ("{:g}", "{:.1f}", "{:.2f}")}


def load(data: str = "auto", root: str | os.PathLike | None = None) -> Ratings:
    """The ratings of MovieLens-small; see `Ratings`.

    data: "real", "standin" (planted tastes, see `movielens_standin.ratings`), or "auto": real where it is there.
    root: instead of $COURSE_DATA.  "real" are ratings that, written as GroupLens writes them, have the published
    SHA-256, beside the published movies.csv; other readable files are "real (unofficial copy)", named by `altered`.
    Titles and genres are one line each: a line break or another control character becomes a space; NUL is refused.
    Raises MissingData ("real" only), BrokenData with file and line, ValueError for another `data`.
    """
    return store.choose(
        data,
        lambda: _read(store.root(root)),
        lambda: dataclasses.replace(movielens_standin.ratings(), name="movielens"),
    )


def present(root: str | os.PathLike | None = None) -> bool:
    """Whether a copy that `load` can read is under the root: both files, every row good."""
    return store.readable(lambda: _read(store.root(root)))


def fetch(root: str | os.PathLike | None = None, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download the archive, check it, unpack it, put it in place, and return the folder.

    A readable copy that is there is left alone.  mirrors: addresses that end in "/".
    Raises DownloadFailed, BrokenData, CannotWrite.
    """
    folder = store.root(root) / FOLDER
    # Beside the folder, so that a build that fails keeps what it has fetched.
    archives = store.beside(folder, ".downloads")

    def build(fresh: Path) -> None:
        urls = [mirror + ARCHIVE for mirror in mirrors]
        archive = store.download(TITLE, urls, archives / ARCHIVE, sha256=ARCHIVE_SHA256)
        store.unpack(archive, fresh)
        inner = fresh / folder.name  # the archive holds one folder
        if not all((inner / name).is_file() for name in HEADERS) or _parsed(inner)[2]:
            raise store.broken(archive, "does not hold the published files")
        for entry in sorted(inner.iterdir()):
            entry.replace(fresh / entry.name)
        inner.rmdir()

    store.install(TITLE, folder, build, intact=lambda _: present(root))
    shutil.rmtree(archives, ignore_errors=True)
    return folder


def _read(root: Path) -> Ratings:
    folder = root / FOLDER
    packed = dict.fromkeys((root / ARCHIVE, folder / ARCHIVE), f"unpack it under {root}")
    store.require(TITLE, root, folder, list(HEADERS), packed)
    movies, ratings, altered, content = _parsed(folder)
    raters, rated, halves, seconds = (column.clone() for column in torch.tensor(ratings).T)
    user_ids, users = raters.unique(return_inverse=True)
    return Ratings(
        users,
        movies=rated,
        values=halves.float() / 2,
        timestamps=seconds,
        user_ids=user_ids,
        movie_ids=torch.tensor(list(movies)),
        titles=tuple(title for title, _ in movies.values()),
        genres=tuple(genres for _, genres in movies.values()),
        name="movielens",
        origin="real (unofficial copy)" if altered else "real",
        fingerprint=content,
        altered=altered,
    )


def _parsed(folder: Path) -> tuple[dict, list[tuple], tuple[str, ...], str]:
    """Movies (id → title, genres), ratings (user's number, movie's row, half stars, seconds), altered files, digest."""
    movies_csv, ratings_csv = (folder / name for name in HEADERS)
    movies, movies_sha256 = _movies(movies_csv)
    found, ratings_sha256 = _ratings(ratings_csv, {movie: row for row, movie in enumerate(movies)})
    digests = {movies_csv.name: movies_sha256, ratings_csv.name: ratings_sha256}
    altered = tuple(name for name, found in digests.items() if found != SHA256[name])
    return movies, found, altered, digest(" ".join(digests.values()))


def _movies(path: Path) -> tuple[dict[int, tuple[str, tuple[str, ...]]], str]:
    """movie → (title, genres) in the file's order, and the file's SHA-256."""
    found: dict[int, tuple[str, tuple[str, ...]]] = {}
    for where, (movie, title, genres) in rows(path, HEADERS[path.name]):
        number, title = whole(path, where, movie, "movieId"), plain(title)
        names = () if genres == NO_GENRES else tuple(map(plain, genres.split("|")))
        if number in found:
            raise store.broken(path, f"line {where}: movie {number} stands there a second time")
        if not title.strip():
            raise store.broken(path, f"line {where}: movie {number} has no title")
        if not all(map(str.strip, names)):
            raise store.broken(path, f"line {where}: a genre of movie {number} is empty, where none is {NO_GENRES!r}")
        found[number] = (title, names)
    return found, store.checksum(path)


def _ratings(path: Path, row_of: dict[int, int]) -> tuple[list[tuple], str]:
    """(user's number, movie's row, half stars, seconds) in the file's order; their SHA-256 as GroupLens writes them."""
    found, pairs = [], set()
    canonical = hashlib.sha256(f"{HEADERS[path.name]}\r\n".encode())
    for where, (user, movie, stars, seconds) in rows(path, HEADERS[path.name]):
        user, movie = whole(path, where, user, "userId"), whole(path, where, movie, "movieId")
        seconds, value = whole(path, where, seconds, "timestamp"), STARS.get(stars)
        if value is None:
            raise store.broken(path, f"line {where}: rating is {stars!r}, not one of 0.5, 1, 1.5 … 5")
        if movie not in row_of:
            raise store.broken(path, f"line {where}: movie {movie} is not in movies.csv")
        if (user, movie) in pairs:
            raise store.broken(path, f"line {where}: user {user} rates movie {movie} a second time")
        pairs.add((user, movie))
        found.append((user, row_of[movie], int(2 * value), seconds))
        canonical.update(f"{user},{movie},{value:.1f},{seconds}\r\n".encode())
    return found, canonical.hexdigest()
