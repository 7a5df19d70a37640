"""MovieLens' reader against pandas', its faults, its download, and the tastes planted in its stand-in."""

import dataclasses
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from loopback import Loopback

from helpers.datasets import movielens, movielens_standin, store

MOVIES = (
    "movieId,title,genres\r\n"
    "1,Toy Story (1995),Adventure|Children\r\n"
    '11,"American President, The (1995)",Romance\r\n'
    '7789,"11\'09""01 (2002)",Drama\r\n'
    "42,Unseen (1999),(no genres listed)\r\n"
    "90,Amélie (2001),Comedy\r\n"
)
RATINGS = (
    "userId,movieId,rating,timestamp\r\n"
    "3,1,4.0,964982703\r\n"
    "3,90,0.5,964982224\r\n"
    "7,11,3.5,1537109082\r\n"
    "7,1,5.0,1537109090\r\n"
    "12,7789,4.0,1000000000\r\n"
)
REMEDY = ': run "make data", which keeps the old folder beside the new, or pass data="standin"'


def files(movies=MOVIES, ratings=RATINGS):
    return {"movies.csv": movies.encode(), "ratings.csv": ratings.encode()}


@pytest.fixture
def published(monkeypatch):
    """The small files are the published ones, as far as `movielens` knows."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files().items()}
    monkeypatch.setattr(movielens, "SHA256", digests)
    return files()


def laid(root, contents):
    folder = root / "ml-latest-small"
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def test_the_files_are_read_as_pandas_reads_them(tmp_path):
    folder = laid(tmp_path, files())
    d = movielens.load("real", root=tmp_path)
    ratings, movies = pd.read_csv(folder / "ratings.csv"), pd.read_csv(folder / "movies.csv")
    assert d.user_ids[d.users].tolist() == ratings.userId.tolist()
    assert d.movie_ids[d.movies].tolist() == ratings.movieId.tolist()
    assert d.values.tolist() == ratings.rating.tolist()
    assert d.timestamps.tolist() == ratings.timestamp.tolist()
    assert d.movie_ids.tolist() == movies.movieId.tolist()
    assert d.titles == tuple(movies.title)
    assert d.users.tolist() == [0, 0, 1, 1, 2]
    assert d.genres == (("Adventure", "Children"), ("Romance",), ("Drama",), (), ("Comedy",))
    assert (d.num_users, d.num_movies) == (3, 5)
    assert {d.users.dtype, d.movies.dtype, d.timestamps.dtype, d.user_ids.dtype, d.movie_ids.dtype} == {torch.int64}
    assert d.values.dtype == torch.float32
    assert repr(d) == (
        "<movielens: real (unofficial copy), 5 ratings of 5 movies by 3 users "
        "(not as published: movies.csv, ratings.csv)>"
    )


def test_the_same_ratings_written_otherwise_are_the_published_ones(tmp_path, published):
    again = RATINGS.replace("4.0", "4").replace("5.0", "5.00").replace("\r\n", "\n")
    laid(tmp_path / "a", published)
    laid(tmp_path / "b", files(ratings=again))
    laid(tmp_path / "c", files(ratings=RATINGS.replace("3.5", "3.0")))
    laid(tmp_path / "d", files(movies=MOVIES.replace("Unseen (1999)", "Unseen")))
    a, b, c, d = (movielens.load("auto", root=tmp_path / folder) for folder in "abcd")
    assert [x.origin for x in (a, b)] == ["real", "real"]
    assert [x.origin for x in (c, d)] == ["real (unofficial copy)"] * 2
    assert [x.altered for x in (a, b, c, d)] == [(), (), ("ratings.csv",), ("movies.csv",)]
    assert a.fingerprint == b.fingerprint
    assert len({a.fingerprint, c.fingerprint, d.fingerprint}) == 3
    assert a.describe() == "movielens: real, 5 ratings of 5 movies by 3 users"


def test_rows_in_another_order_are_not_the_published_file(tmp_path, published):
    header, *rows = RATINGS.splitlines()
    laid(tmp_path, files(ratings="\r\n".join([header, *reversed(rows)]) + "\r\n"))
    assert movielens.load("real", root=tmp_path).altered == ("ratings.csv",)


# ratings.csv with one thing wrong, and what is said of it
BAD_RATINGS = {
    "a column less": (RATINGS.replace("7,1,5.0,1537109090", "7,1,5.0"), "line 5: 3 columns instead of 4"),
    "a column more": (RATINGS.replace("3,90,0.5", "3,90,0,5"), "line 3: 5 columns instead of 4"),
    "an empty line": (RATINGS.replace("3,90", "\r\n3,90"), "line 3: 0 columns instead of 4"),
    "a word": (RATINGS.replace("3.5", "good"), "line 4: rating is 'good', not one of 0.5, 1, 1.5 … 5"),
    "nothing": (RATINGS.replace("3.5", ""), "line 4: rating is '', not one of 0.5, 1, 1.5 … 5"),
    "not a number": (RATINGS.replace("3.5", "nan"), "line 4: rating is 'nan', not one of 0.5, 1, 1.5 … 5"),
    "too high": (RATINGS.replace("5.0", "5.5"), "line 5: rating is '5.5', not one of 0.5, 1, 1.5 … 5"),
    "zero": (RATINGS.replace("0.5", "0.0"), "line 3: rating is '0.0', not one of 0.5, 1, 1.5 … 5"),
    "between": (RATINGS.replace("3.5", "3.7"), "line 4: rating is '3.7', not one of 0.5, 1, 1.5 … 5"),
    "no such movie": (RATINGS.replace("7,11,", "7,12,"), "line 4: movie 12 is not in movies.csv"),
    "twice": (RATINGS + "7,1,4.0,1\r\n", "line 7: user 7 rates movie 1 a second time"),
    "half a user": (RATINGS.replace("12,", "1.2,"), "line 6: userId is '1.2', which is no whole number"),
    "a negative time": (RATINGS.replace(",1000000000", ",-1"), "line 6: timestamp is '-1', which is no whole number"),
    "16 digits": (RATINGS.replace("12,", 16 * "9" + ","), "line 6: userId is '9999999999999999', which is"),
    "a long number": (RATINGS.replace("12,", 20 * "9" + ","), "line 6: userId is '99999999999999999999', which is"),
    "another header": (RATINGS.replace("rating,", "stars,"), "line 1: the header is 'userId,movieId,stars,timestamp'"),
    "no header": (RATINGS.split("\r\n", 1)[1], "line 1: the header is '3,1,4.0,964982703', not 'userId"),
    "a web page": ("<!DOCTYPE html><html>404</html>", "line 1: the header is '<!DOCTYPE html><html>404</html>'"),
    "NUL bytes": (RATINGS.replace("3,90", "3\0,90"), "line 3: there is a NUL byte (byte 53)"),
    "two empty lines, and more": (RATINGS + "\r\n\r\n7,11,4.0,1\r\n", "line 7: 0 columns instead of 4"),
    "a line of blanks": (RATINGS + "  \r\n", "line 7: 1 columns instead of 4"),
    "header only": (RATINGS.split("\r\n")[0], "has no rows"),
    "empty": ("", "has no rows"),
}
BAD_MOVIES = {
    "twice": (MOVIES + "11,Again (2000),Drama\r\n", "line 7: movie 11 stands there a second time"),
    "no title": (MOVIES.replace("Unseen (1999)", " "), "line 5: movie 42 has no title"),
    "a title of controls": (MOVIES.replace("Unseen (1999)", "\x1b\x7f\u2028"), "line 5: movie 42 has no title"),
    "no genre": (MOVIES.replace("(no genres listed)", ""), "line 5: a genre of movie 42 is empty, where none is"),
    "a genre of blanks": (MOVIES.replace("|Children", "| "), "line 2: a genre of movie 1 is empty, where none is"),
    "a genre between": (
        MOVIES.replace("|Children", "||Children"),
        "line 2: a genre of movie 1 is empty, where none is",
    ),
    "NUL in a title": (MOVIES.replace("Unseen", "Un\0seen"), "line 5: there is a NUL byte (byte "),
    "NUL bytes only": (1000 * "\0", "line 1: there is a NUL byte (byte 0)"),
    "a name for a number": (MOVIES.replace("\r\n42,", "\r\nX,"), "line 5: movieId is 'X', which is no whole number"),
    "an open quote": (MOVIES.replace('(1995)",Romance', "(1995),Romance"), "line 4: "),
    "a bare comma": (MOVIES.replace("Unseen (", "Unseen, The ("), "line 5: 4 columns instead of 3"),
}
CASES = [pytest.param("ratings.csv", *case, id=f"ratings: {name}") for name, case in BAD_RATINGS.items()]
CASES += [pytest.param("movies.csv", *case, id=f"movies: {name}") for name, case in BAD_MOVIES.items()]


@pytest.mark.parametrize(("name", "text", "what"), CASES)
def test_a_bad_row_is_named_by_file_and_line_with_the_remedy(tmp_path, name, text, what):
    folder = laid(tmp_path, files() | {name: text.encode()})
    for data in ("auto", "real"):
        with pytest.raises(store.BrokenData) as caught:
            movielens.load(data, root=tmp_path)
        assert str(caught.value).startswith(f"{folder / name} {what}")
        assert str(caught.value).endswith(REMEDY)
    assert not movielens.present(tmp_path)
    assert movielens.load("standin", root=tmp_path).origin == "stand-in"


def test_text_in_another_encoding_is_named(tmp_path):
    folder = laid(tmp_path, files() | {"movies.csv": MOVIES.encode("latin-1")})
    with pytest.raises(store.BrokenData) as caught:
        movielens.load("auto", root=tmp_path)
    assert str(caught.value) == f"{folder / 'movies.csv'} is no UTF-8 text (byte {MOVIES.index('é')}){REMEDY}"


def test_a_byte_order_mark_is_no_fault(tmp_path):
    laid(tmp_path, files(ratings="\ufeff" + RATINGS))
    assert len(movielens.load("real", root=tmp_path).values) == 5


@pytest.mark.parametrize("end", ["", "\r\n\r\n", "\n", "\r\n\r\n\r\n"])
def test_blank_lines_at_the_end_are_no_fault(tmp_path, published, end):
    laid(tmp_path, files(ratings=RATINGS.rstrip() + end))
    d = movielens.load("real", root=tmp_path)
    assert (len(d.values), d.altered) == (5, ())


def test_fifteen_digits_are_a_number(tmp_path):
    laid(tmp_path, files(ratings=RATINGS.replace("12,", 15 * "9" + ",")))
    assert movielens.load("real", root=tmp_path).user_ids[-1] == 999_999_999_999_999


@pytest.mark.parametrize("odd", ["\n", "\r\n", "\r", "\t", "\x1b", "\x85", "\x9b", "\u2028", "\u202e", "\v\f\x1c"])
def test_a_title_and_a_genre_are_one_line_of_what_can_be_seen(tmp_path, odd):
    movies = MOVIES.replace("42,Unseen (1999)", f'42,"Un{odd}seen (1999){odd}"').replace("Romance", f'"Rom{odd}ance"')
    laid(tmp_path, files(movies=movies))
    d = movielens.load("real", root=tmp_path)
    assert d.titles[3] == "Un seen (1999)"
    assert d.genres[1] == ("Rom ance",)
    assert (d.num_movies, len(d.values)) == (5, 5)


def test_a_title_that_only_looks_odd_stays_as_it_is(tmp_path):
    odd = "  <b>$x|y$</b>  «Amélie» 映画 {math}`a` (1999)"
    laid(tmp_path, files(movies=MOVIES.replace("Unseen (1999)", odd)))
    assert movielens.load("real", root=tmp_path).titles[3] == odd


def test_a_file_that_is_too_large_for_a_table_is_not_read(tmp_path):
    folder = laid(tmp_path, files())
    with open(folder / "ratings.csv", "r+b") as file:
        file.truncate(60 * 10**9)  # sparse
    assert not movielens.present(tmp_path)
    with pytest.raises(store.BrokenData, match=r"ratings\.csv has 60,000,000,000 bytes, more than the 268,435,456"):
        movielens.load("auto", root=tmp_path)


UNREAD = {
    PermissionError(13, "Permission denied"): "cannot be read (Permission denied): mend that, set COURSE_DATA",
    MemoryError(): "has 96 bytes, more than the memory takes: run",
}


@pytest.mark.parametrize("error", UNREAD, ids=repr)
def test_a_table_that_cannot_be_read_is_named(tmp_path, monkeypatch, error):
    folder = laid(tmp_path, files(movies=MOVIES[:96]))

    def refuse(path):
        raise error

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert not movielens.present(tmp_path)
    with pytest.raises(store.BrokenData) as caught:
        movielens.load("auto", root=tmp_path)
    assert str(caught.value).startswith(f"{folder / 'movies.csv'} {UNREAD[error]}")


def test_one_rating_of_one_movie_is_enough(tmp_path):
    laid(tmp_path, {name: b"".join(content.splitlines(True)[:2]) for name, content in files().items()})
    d = movielens.load("real", root=tmp_path)
    assert (d.num_users, d.num_movies, d.values.tolist()) == (1, 1, [4.0])


def test_two_users_are_enough(tmp_path):
    laid(tmp_path, files(ratings="\r\n".join(RATINGS.split("\r\n")[:-2])))
    d = movielens.load("real", root=tmp_path)
    assert (d.num_users, len(d.values)) == (2, 4)


def too_deep(folder):
    folder.rename(folder.with_name("aside"))
    folder.mkdir()
    folder.with_name("aside").rename(folder / folder.name)


def up(folder):
    for path in folder.iterdir():
        path.rename(folder.parent / path.name)


def packed_beside(folder):
    up(folder)
    for name in ("movies.csv", "ratings.csv"):
        (folder.parent / name).unlink()
    (folder.parent / "ml-latest-small.zip").write_bytes(b"PK")


def packed_inside(folder):
    for path in folder.iterdir():
        path.unlink()
    (folder / "ml-latest-small.zip").write_bytes(b"PK")


def a_folder(folder):
    (folder / "ratings.csv").unlink()
    (folder / "ratings.csv").mkdir()


def a_dead_link(folder):
    (folder / "movies.csv").unlink()
    (folder / "movies.csv").symlink_to("/mnt/gone/movies.csv")


ELSEWHERE = {
    too_deep: ("ml-latest-small/ml-latest-small/movies.csv", "move it to {}/movies.csv, or run"),
    up: ("movies.csv", "move it to {}/movies.csv, or run"),
    packed_beside: ("ml-latest-small.zip", "unpack it under {.parent}, or run"),
    packed_inside: ("ml-latest-small/ml-latest-small.zip", "unpack it under {.parent}, or run"),
    a_folder: ("ml-latest-small/ratings.csv", "is a folder, where a file should be: run"),
    a_dead_link: ("ml-latest-small/movies.csv", "is a link to /mnt/gone/movies.csv, which leads nowhere: run"),
}


@pytest.mark.posix  # links, which need a privilege elsewhere
@pytest.mark.parametrize("data", ["auto", "real"])
@pytest.mark.parametrize("case", ELSEWHERE)
def test_files_that_lie_elsewhere_are_named_with_what_to_do(tmp_path, case, data):
    folder = laid(tmp_path, files())
    case(folder)
    assert not movielens.present(tmp_path)
    with pytest.raises(store.BrokenData) as caught:
        movielens.load(data, root=tmp_path)
    path, what = ELSEWHERE[case]
    assert str(caught.value).startswith(f"{tmp_path / path} ")
    assert what.format(folder) in str(caught.value)


def test_half_of_the_files_is_broken_and_none_is_missing(tmp_path):
    folder = laid(tmp_path, {"ratings.csv": RATINGS.encode()})
    with pytest.raises(store.BrokenData) as caught:
        movielens.load("auto", root=tmp_path)
    assert str(caught.value) == f"{folder / 'movies.csv'} is missing, and others are there{REMEDY}"
    (folder / "ratings.csv").unlink()
    assert not movielens.present(tmp_path)
    assert movielens.load("auto", root=tmp_path).origin == "stand-in"
    with pytest.raises(store.MissingData) as caught:
        movielens.load("real", root=tmp_path)
    assert str(caught.value) == f'MovieLens is not under {tmp_path}: run "make data" or pass data="standin"'


# --- getting it


def archive(contents, folder="ml-latest-small/"):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for name, content in contents.items():
            opened.writestr(zipfile.ZipInfo(folder + name), content)
    return packed.getvalue()


@pytest.fixture
def offered(published, monkeypatch):
    """A server on this machine, and a function that makes it offer an archive as the published one."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    server = Loopback({})

    def offer(packed):
        server.files[movielens.ARCHIVE] = packed
        monkeypatch.setattr(movielens, "ARCHIVE_SHA256", hashlib.sha256(packed).hexdigest())

    offer(archive(published | {"README.txt": b"licence"}))
    yield server, offer
    server.close()


def held(root):
    return sorted(path.name for path in root.iterdir() if path.suffix != ".lock")


def test_what_is_fetched_is_read_as_real_and_fetched_once(tmp_path, offered, published):
    server, _ = offered
    mirrors = [f"{server.address}/404/", f"{server.address}/good/"]
    assert movielens.fetch(tmp_path, mirrors) == tmp_path / "ml-latest-small"
    assert movielens.present(tmp_path)
    assert movielens.load("real", root=tmp_path).origin == "real"
    there = {path.name: path.read_bytes() for path in (tmp_path / "ml-latest-small").iterdir()}
    assert there == published | {"README.txt": b"licence"}
    assert held(tmp_path) == ["ml-latest-small"]
    assert len(server.asked) == 2
    movielens.fetch(tmp_path, mirrors)
    assert len(server.asked) == 2


def test_a_broken_copy_is_set_aside_and_an_unofficial_one_left_alone(tmp_path, offered):
    server, _ = offered
    laid(tmp_path / "broken", files(ratings=RATINGS.replace("3.5", "3.7")))
    movielens.fetch(tmp_path / "broken", [f"{server.address}/good/"])
    assert held(tmp_path / "broken") == ["ml-latest-small", "ml-latest-small.old1"]
    assert movielens.load("real", root=tmp_path / "broken").origin == "real"
    server.asked.clear()
    laid(tmp_path / "other", files(ratings=RATINGS.replace("3.5", "3.0")))
    movielens.fetch(tmp_path / "other", [f"{server.address}/good/"])
    assert server.asked == []
    assert movielens.load("real", root=tmp_path / "other").origin == "real (unofficial copy)"


def test_a_truncated_answer_leaves_nothing_and_the_next_run_succeeds(tmp_path, offered):
    server, _ = offered
    with pytest.raises(store.DownloadFailed, match="MovieLens: no mirror gave ml-latest-small.zip"):
        movielens.fetch(tmp_path, [f"{server.address}/truncated/"])
    assert not movielens.present(tmp_path)
    movielens.fetch(tmp_path, [f"{server.address}/good/"])
    assert movielens.load("real", root=tmp_path).origin == "real"


REFUSED = {
    "a way out": ({"../escaped.txt": b"x"}, "its member"),
    "one file": ({"movies.csv": MOVIES.encode()}, "does not hold the published files"),
    "other values": (files(ratings=RATINGS.replace("3.5", "3.0")), "does not hold the published files"),
    "a bad row": (files(ratings=RATINGS.replace("3.5", "3.7")), "line 4: rating is '3.7'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_archive_with_something_else_in_it_is_refused(tmp_path, offered, case):
    server, offer = offered
    contents, what = REFUSED[case]
    offer(archive(contents))
    with pytest.raises(store.BrokenData, match=what):
        movielens.fetch(tmp_path, [f"{server.address}/good/"])
    assert not (tmp_path / "ml-latest-small").exists()
    assert not list(tmp_path.rglob("escaped.txt"))


def test_an_archive_without_the_folder_is_refused(tmp_path, offered, published):
    server, offer = offered
    offer(archive(published, folder=""))
    with pytest.raises(store.BrokenData, match="does not hold the published files"):
        movielens.fetch(tmp_path, [f"{server.address}/good/"])


@pytest.mark.real_data
def test_the_real_files(data_root):
    d = movielens.load("real")
    assert (len(d.values), d.num_movies, d.num_users) == (100_836, 9_742, 610)  # as its README says
    assert "ratings.csv" not in d.altered
    assert d.users.bincount().min() == 20
    assert len(d.movies.unique()) == 9_724
    liked = d.movies[d.values >= 4]
    assert len(liked) == 48_580
    assert d.num_movies - len(liked.unique()) == 3_444
    assert len(d.titles) - len(set(d.titles)) == 5
    assert set(movielens_standin.ASKED) <= set(d.titles)


# --- the stand-in


@pytest.fixture(scope="module")
def planted():
    return movielens_standin.ratings()


def test_it_has_the_form_of_the_real_set(planted):
    d = planted
    assert (d.name, d.origin, d.altered) == ("standin_tastes", "stand-in", ())
    assert (d.num_users, d.num_movies) == (240, 360)
    assert len(d.users) == len(d.movies) == len(d.values) == len(d.timestamps)
    assert {x.dtype for x in (d.users, d.movies, d.timestamps, d.user_ids, d.movie_ids)} == {torch.int64}
    assert d.values.dtype == torch.float32
    assert set(d.values.tolist()) <= set(movielens.STARS.values())
    assert d.users.bincount().min() >= 20
    assert torch.equal(d.users.unique(), torch.arange(240))
    pairs = d.users * d.num_movies + d.movies
    assert torch.equal(pairs, pairs.unique())  # sorted as the real file is, and nobody rates a movie twice
    assert 0 < d.num_movies - len(d.movies.unique()) < 40  # some were rated by nobody
    assert 0.3 < (d.values >= 4).double().mean() < 0.6
    assert len(d.titles) - len(set(d.titles)) == 1
    assert all(title[-1] == ")" and title[-6] == "(" for title in d.titles)
    assert len(d.genres) == 360
    assert sum(genres == () for genres in d.genres) == 72


def test_its_content_is_this_and_no_other(planted):
    """Pages quote what is planted: a change of one rating or title is a change of the stand-in."""
    assert planted.fingerprint == "a20db0e7f1f8bafa"
    assert movielens_standin.ratings(seed=1).fingerprint == "70c470fad0d6a62c"
    assert len(planted.values) == 9584
    assert planted.num_movies - len(planted.movies.unique()) == 32
    rest = (planted.timestamps, planted.user_ids, planted.movie_ids, *movielens_standin.planted_tastes())
    content = b"".join(x.numpy().tobytes() for x in rest) + repr(planted.genres).encode()
    assert hashlib.sha256(content).hexdigest()[:16] == "fd0681a85bf749eb"


def test_users_like_what_is_to_their_taste(planted):
    user_tastes, movie_tastes = movielens_standin.planted_tastes()
    assert user_tastes.bincount().tolist() == [30] * 8
    assert (movie_tastes + 1).bincount().tolist() == [72] + [36] * 8
    own = user_tastes[planted.users] == movie_tastes[planted.movies]
    liked = planted.values >= 4
    assert liked[own].double().mean() > 0.75
    assert liked[~own].double().mean() < 0.35
    assert own.double().mean() > 0.35  # an eighth, were there no tastes


def neighbours(d, movies, count=10):
    """The `count` nearest of each of `movies` by the cosine of their columns of likes, one by one."""
    likes = np.zeros((d.num_users, d.num_movies))
    likes[d.users[d.values >= 4], d.movies[d.values >= 4]] = 1
    found = {}
    for movie in movies:
        with np.errstate(invalid="ignore"):
            similar = likes[:, movie] @ likes / np.sqrt(likes[:, movie].sum() * likes.sum(0))
        similar[movie] = -1
        found[movie] = np.argsort(-np.nan_to_num(similar, nan=-1), kind="stable")[:count]
    return found


def test_neighbours_share_the_planted_taste(planted):
    _, tastes = movielens_standin.planted_tastes()
    tastes = tastes.numpy()
    found = neighbours(planted, np.flatnonzero(tastes >= 0))
    precision = np.mean([(tastes[near] == tastes[movie]).mean() for movie, near in found.items()])
    assert precision >= 0.95
    assert precision < 1  # and there is noise
    shuffled = np.random.default_rng(0).permutation(tastes)
    assert np.mean([(shuffled[near] == shuffled[movie]).mean() for movie, near in found.items()]) < 0.3


def test_the_movies_asked_about_are_there_and_the_best_liked_of_their_tastes(planted):
    _, tastes = movielens_standin.planted_tastes()
    likes = planted.movies[planted.values >= 4].bincount(minlength=planted.num_movies)
    for number, title in enumerate(movielens_standin.ASKED):
        movie = planted.titles.index(title)
        assert tastes[movie] == number
        assert likes[movie] == likes[tastes == number].max()


def test_it_is_the_same_every_time(planted):
    code = "from helpers.datasets import movielens_standin; print(movielens_standin.ratings().fingerprint)"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == planted.fingerprint
    assert movielens_standin.ratings(seed=1).fingerprint != planted.fingerprint


def test_under_movielens_name_it_is_the_same(planted, data_root):
    d = movielens.load()
    assert (d.name, d.origin, d.fingerprint) == ("movielens", "stand-in", planted.fingerprint)
    assert d.describe() == f"movielens: stand-in, {len(planted.values):,} ratings of 360 movies by 240 users"
    with pytest.raises(ValueError, match="choose one of auto, real, standin"):
        movielens.load("fake")
    assert list(data_root.iterdir()) == []


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Matrix, The (1999)", 0),
        ("Matrix, The", 0),
        ("the matrix", 0),
        ("  The Matrix (1999) ", 0),
        ("Emma", 2),  # two movies of this title: the one with more ratings
        ("Emma (1996)", 2),
        ("Heat", 3),
        ("Eros", 5),  # as many ratings: the one with more stars
        ("Saturn 3 (1980)", 6),  # fewer stars, but more ratings
    ],
)
def test_a_movie_is_found_with_or_without_its_year(planted, title, found):
    titles = ("Matrix, The (1999)", "Emma (1996)", "Emma (1996)", "Heat (1995)", "Eros (2004)", "Eros (2004)")
    movies, stars = [0, 1, 2, 2, 3, 4, 5, 6, 6, 7], [3.0, 5, 2, 2, 1, 3.5, 4, 0.5, 0.5, 5]
    rated = dataclasses.replace(
        planted,
        titles=(*titles, "Saturn 3 (1980)", "Saturn 3 (1980)"),
        movie_ids=torch.arange(8),
        movies=torch.tensor(movies),
        values=torch.tensor(stars),
    )
    assert rated.find(title) == found


def test_an_unknown_title_is_refused_with_the_five_nearest(planted):
    with pytest.raises(
        ValueError, match=r"no movie is called 'Toy Stori'; the nearest titles: Toy Story \(1995\)"
    ) as no:
        planted.find("Toy Stori")
    assert str(no.value).count(";") == 5
