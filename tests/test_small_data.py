"""Too few data: a page says so, and what it needs, before it works; what the stand-ins have is enough."""

import nbformat
import numpy as np
import pytest
import torch
from conftest import ROOT
from test_mnist import TEST_X, TEST_Y, TRAIN_X, TRAIN_Y, idx
from test_mnist import laid as laid_digits
from test_movielens import laid as laid_ratings
from test_notebooks import calls, code

REMEDY = r': get the whole data set \("make data"\), or pass data="standin"$'


@pytest.fixture(autouse=True)
def denormals():
    """As they are in a new process; a page may set them."""
    yield
    torch.set_flush_denormal(False)


def begin(slug, data):
    """Run the page's first cells, up to the one that asks for enough data."""
    space = {}
    for cell in code(nbformat.read(ROOT / "notebooks" / f"{slug}.ipynb", as_version=4)):
        exec(cell.source, space)
        if "parameters" in cell.metadata.get("tags", []):
            space["data"] = data
        if calls(cell.source, "at_least"):
            return
    pytest.fail("the page asks for nothing")


def digits(root, labels, test_labels):
    contents = {}
    for images, names, values in ((TRAIN_X, TRAIN_Y, labels), (TEST_X, TEST_Y, test_labels)):
        contents[images] = idx(np.zeros((len(values), 28, 28), dtype=np.uint8))
        contents[names] = idx(np.asarray(values, dtype=np.uint8))
    laid_digits(root, contents)


@pytest.mark.parametrize("slug", ["03_mnist_from_scratch", "04_mnist_logistic"])
@pytest.mark.parametrize(
    ("labels", "test_labels", "needed"),
    [
        (np.arange(50) % 10, np.arange(20) % 10, "5,000 training pictures of every class, and there are 5"),
        (np.full(6_000, 3), np.full(1_000, 3), "5,000 training pictures of every class, and there are 0"),
        (np.arange(50_000) % 10, [7], "800 test pictures of every class, and there are 0"),
    ],
    ids=["fifty pictures", "one class", "one test picture"],
)
def test_few_pictures_are_refused(slug, labels, test_labels, needed, data_root):
    digits(data_root, labels, test_labels)
    with pytest.raises(ValueError, match=f"^this page needs at least {needed}{REMEDY}"):
        begin(slug, "real")


def ratings(root, users, movies, stars="4.0", each=None, genres="Drama"):
    """Every user rates `each` movies (all of them, where None), with `stars` by turns."""
    stars = stars.split()
    rows = [
        f"{user},{1 + (user + j) % movies},{stars[(user + j) % len(stars)]},{1_000_000 + j}"
        for user in range(1, users + 1)
        for j in range(each or movies)
    ]
    titles = [f"{i},Movie {i} (2000),{genres}" for i in range(1, movies + 1)]
    contents = {
        "movies.csv": ["movieId,title,genres", *titles],
        "ratings.csv": ["userId,movieId,rating,timestamp", *rows],
    }
    laid_ratings(root, {name: "\n".join([*lines, ""]).encode() for name, lines in contents.items()})


@pytest.mark.parametrize(
    ("slug", "users", "movies", "more", "needed"),
    [
        ("11", 2, 400, {}, "100 users with two likes, and there are 2"),
        ("11", 300, 3, {}, "1,000 movies, and there are 3"),
        ("11", 300, 1_000, {"each": 1}, "100 users with two likes, and there are 0"),
        ("11", 300, 1_000, {"each": 9, "stars": "3.5 1.0"}, "100 users with two likes, and there are 0"),
        ("12", 2, 400, {}, "200 users, and there are 2"),
        ("12", 300, 3, {}, "300 movies, and there are 3"),
        ("12", 300, 400, {"each": 1}, "8,000 ratings, and there are 300"),
        ("12", 300, 400, {"genres": "(no genres listed)"}, "200 movies with a genre, and there are 0"),
        ("12", 300, 400, {"each": 30}, "5 different ratings, and there are 1"),
    ],
)
def test_few_ratings_are_refused(slug, users, movies, more, needed, data_root):
    ratings(data_root, users, movies, **more)
    name = {"11": "11_movie_embeddings", "12": "12_collaborative_filtering"}[slug]
    with pytest.raises(ValueError, match=f"^this page needs at least {needed}{REMEDY}"):
        begin(name, "real")


@pytest.mark.parametrize(
    "slug", ["03_mnist_from_scratch", "04_mnist_logistic", "11_movie_embeddings", "12_collaborative_filtering"]
)
def test_stand_ins_are_enough(slug):
    begin(slug, "standin")
