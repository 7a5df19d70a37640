"""MNIST's reader against torchvision's, its download, and its stand-in against scikit-learn's digits."""

import gzip
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from loopback import Loopback

from helpers.datasets import mnist, mnist_standin, store

TRAIN_X, TRAIN_Y, TEST_X, TEST_Y = mnist.FILES


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def small():
    """The content of four small files: 50 and 20 random pictures."""
    generator = np.random.default_rng(0)
    contents = {}
    for images, labels, n in ((TRAIN_X, TRAIN_Y, 50), (TEST_X, TEST_Y, 20)):
        contents[images] = idx(generator.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        contents[labels] = idx(generator.integers(0, 10, n, dtype=np.uint8))
    return contents


@pytest.fixture
def published(small, monkeypatch):
    """The small files are the published ones, as far as `mnist` knows."""

    def md5(content):
        return hashlib.md5(content).hexdigest()

    table = {name: (md5(gzip.compress(content, mtime=0)), md5(content)) for name, content in small.items()}
    monkeypatch.setattr(mnist, "FILES", table)
    return small


def laid(root, contents):
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def test_the_files_are_read_as_torchvision_reads_them(tmp_path, small):
    from helpers.vision import torchvision

    folder = laid(tmp_path, small)
    d = mnist.load("real", root=tmp_path)
    reader = torchvision.datasets.mnist
    for ours, name in ((d.train_images, TRAIN_X), (d.test_images, TEST_X)):
        assert torch.equal(ours[:, 0], reader.read_image_file(str(folder / name)))
        assert ours.dtype == torch.uint8
    for ours, name in ((d.train_labels, TRAIN_Y), (d.test_labels, TEST_Y)):
        assert torch.equal(ours, reader.read_label_file(str(folder / name)))
        assert ours.dtype == torch.int64
    assert d.train_images.shape == (50, 1, 28, 28)
    assert d.class_names == tuple("0123456789")
    assert repr(d) == (
        "<mnist: real (unofficial copy), 50 training and 20 test images of 1 × 28 × 28>"
    )  # readable, and not the published files


def test_the_published_files_are_real_and_the_fingerprint_is_that_of_the_content(tmp_path, published):
    laid(tmp_path / "a", published)
    laid(tmp_path / "b", published)
    changed = published | {TEST_Y: published[TEST_Y][:-1] + bytes([(published[TEST_Y][-1] + 1) % 10])}
    laid(tmp_path / "c", changed)
    a, b, c = (mnist.load("auto", root=tmp_path / folder) for folder in "abc")
    assert (a.origin, b.origin, c.origin) == ("real", "real", "real (unofficial copy)")
    assert a.fingerprint == b.fingerprint
    assert a.fingerprint != c.fingerprint
    assert a.describe() == "mnist: real, 50 training and 20 test images of 1 × 28 × 28"


def three_files(contents):
    del contents[TEST_X]


def cut(contents):
    contents[TRAIN_X] = contents[TRAIN_X][:-1]


def too_long(contents):
    contents[TRAIN_Y] += b"\0"


def header_only(contents):
    contents[TEST_X] = contents[TEST_X][:11]


def empty(contents):
    contents[TEST_Y] = b""


def no_pictures(contents):
    contents[TEST_X] = idx(np.zeros((0, 28, 28), dtype=np.uint8))


def swapped(contents):
    contents[TEST_X], contents[TEST_Y] = contents[TEST_Y], contents[TEST_X]


def other_type(contents):
    contents[TRAIN_X] = contents[TRAIN_X][:2] + b"\x0d" + contents[TRAIN_X][3:]


def other_counts(contents):
    contents[TRAIN_Y] = contents[TEST_Y]


def other_pictures(contents):
    contents[TEST_X] = idx(np.zeros((20, 32, 32), dtype=np.uint8))


def letters(contents):
    contents[TEST_Y] = contents[TEST_Y][:-1] + b"\x1a"


def a_web_page(contents):
    contents[TRAIN_X] = b"<!DOCTYPE html><html>404</html>"


BROKEN = {
    three_files: (TEST_X, "is missing, and others are there"),
    cut: (TRAIN_X, "holds 39,199 values where its header promises 39,200"),
    too_long: (TRAIN_Y, "holds 51 values where its header promises 50"),
    header_only: (TEST_X, "is no IDX file of unsigned bytes in 3 dimensions"),
    empty: (TEST_Y, "is no IDX file of unsigned bytes in 1 dimension:"),
    no_pictures: (TEST_X, "is empty but for its header"),
    swapped: (TEST_X, "is no IDX file of unsigned bytes in 3 dimensions"),
    other_type: (TRAIN_X, "is no IDX file of unsigned bytes in 3 dimensions"),
    other_counts: (TRAIN_Y, "holds 20 labels for 50 pictures"),
    other_pictures: (TEST_X, "holds pictures of 32 × 32, not 28 × 28"),
    letters: (TEST_Y, "holds the label 26, which is no digit"),
    a_web_page: (TRAIN_X, "is no IDX file of unsigned bytes in 3 dimensions"),
}


@pytest.mark.parametrize("damage", BROKEN)
@pytest.mark.parametrize("data", ["auto", "real"])
def test_a_broken_file_is_named_with_what_is_wrong_and_the_remedy(tmp_path, small, damage, data):
    damage(small)
    folder = laid(tmp_path, small)
    with pytest.raises(store.BrokenData) as caught:
        mnist.load(data, root=tmp_path)
    name, what = BROKEN[damage]
    assert str(caught.value).startswith(f"{folder / name} {what}")
    remedy = 'run "make data", which keeps the old folder beside the new, or pass data="standin"'
    assert str(caught.value).endswith(remedy)
    assert not mnist.present(tmp_path)
    assert mnist.load("standin", root=tmp_path).origin == "stand-in"


def a_folder(folder):
    (folder / TEST_X).unlink()
    (folder / TEST_X).mkdir()


def folders(folder):  # as Kaggle's copy unpacks
    for name in mnist.FILES:
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).mkdir()
        (folder / name / name).write_bytes(content)


def dotted(folder):  # as Kaggle's copy has them
    for name in mnist.FILES:
        (folder / name).rename(folder / name.replace("-idx", ".idx"))


def packed(folder):
    for name in mnist.FILES:
        (folder / name).rename(folder / f"{name}.gz")


def one_packed(folder):
    (folder / TRAIN_Y).rename(folder / f"{TRAIN_Y}.gz")


def too_deep(folder):
    folder.rename(folder.with_name("aside"))
    folder.mkdir()
    folder.with_name("aside").rename(folder / "raw")


def the_root_itself(folder):  # COURSE_DATA names MNIST
    (folder.parent.parent / "raw").symlink_to(folder.rename(folder.with_name("aside")))


def twice(folder):  # torchvision's root was MNIST
    folder.rename(folder.with_name("aside"))
    (folder.parent / "MNIST").mkdir()
    (folder.parent / "aside").rename(folder.parent / "MNIST" / "raw")


def packed_above(folder):
    for name in mnist.FILES:
        (folder / name).rename(folder.parent / f"{name}.gz")


def a_dead_link(folder):
    (folder / TEST_X).unlink()
    (folder / TEST_X).symlink_to("/mnt/gone/file")


def dead_links(folder):
    for name in mnist.FILES:
        (folder / name).unlink()
        (folder / name).symlink_to(f"/mnt/gone/{name}")


def a_link_to_itself(folder):
    (folder / TEST_X).unlink()
    (folder / TEST_X).symlink_to(TEST_X)


def a_pipe(folder):
    (folder / TRAIN_X).unlink()
    os.mkfifo(folder / TRAIN_X)


def endless(folder):
    (folder / TRAIN_X).unlink()
    (folder / TRAIN_X).symlink_to("/dev/zero")


def huge(folder):
    with open(folder / TRAIN_X, "r+b") as file:
        file.truncate(60 * 10**9)  # sparse: it takes no room


def dead_folder(folder):
    folder.rename(folder.with_name("aside"))
    folder.symlink_to("/mnt/gone")


def a_file_for_a_folder(folder):
    folder.rename(folder.with_name("aside"))
    folder.write_text("")


MISPLACED = {
    a_folder: (f"raw/{TEST_X}", "is a folder, where a file should be: run"),
    folders: (f"raw/{TRAIN_X}", "is a folder, where a file should be: run"),
    dotted: ("raw/train-images.idx3-ubyte", f'is there, and MNIST/raw/{TRAIN_X} is not: rename it to "{TRAIN_X}", or'),
    packed: (f"raw/{TRAIN_X}.gz", f"is there, and MNIST/raw/{TRAIN_X} is not: unpack it into "),
    one_packed: (f"raw/{TRAIN_Y}.gz", f"is there, and MNIST/raw/{TRAIN_Y} is not: unpack it into "),
    too_deep: (f"raw/raw/{TRAIN_X}", f"is there, and MNIST/raw/{TRAIN_X} is not: move it to "),
    the_root_itself: (f"../raw/{TRAIN_X}", f"is there, and MNIST/raw/{TRAIN_X} is not: move it to "),
    twice: (f"MNIST/raw/{TRAIN_X}", f"is there, and MNIST/raw/{TRAIN_X} is not: move it to "),
    packed_above: (f"{TRAIN_X}.gz", f"is there, and MNIST/raw/{TRAIN_X} is not: unpack it into "),
    a_dead_link: (f"raw/{TEST_X}", "is a link to /mnt/gone/file, which leads nowhere: run"),
    dead_links: (f"raw/{TRAIN_X}", f"is a link to /mnt/gone/{TRAIN_X}, which leads nowhere: run"),
    a_link_to_itself: (f"raw/{TEST_X}", f"is a link to {TEST_X}, which leads nowhere: run"),
    a_pipe: (f"raw/{TRAIN_X}", "is a pipe or a device, not a plain file: run"),
    endless: (f"raw/{TRAIN_X}", "is a pipe or a device, not a plain file: run"),
    huge: (f"raw/{TRAIN_X}", "holds 59,999,999,984 values where its header promises 39,200: run"),
    dead_folder: ("raw", "is a link to /mnt/gone, which leads nowhere: mend that, set COURSE_DATA"),
    a_file_for_a_folder: ("raw", "is no folder: mend that, set COURSE_DATA"),
}


@pytest.mark.posix
@pytest.mark.parametrize("case", MISPLACED)
def test_what_is_there_and_no_plain_file_is_named_with_what_to_do(tmp_path, small, case):
    case(laid(tmp_path, small))
    assert not mnist.present(tmp_path)
    for data in ("auto", "real"):
        with pytest.raises(store.BrokenData) as caught:
            mnist.load(data, root=tmp_path)
        path, what = MISPLACED[case]
        assert str(caught.value).startswith(f"{os.path.normpath(tmp_path / 'MNIST' / path)} {what}")
        assert str(caught.value).endswith('pass data="standin"')


@pytest.mark.posix
def test_a_root_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("/mnt/gone")
    for name, what in (("file", "is no folder"), ("link", "is a link to /mnt/gone, which leads nowhere")):
        assert not mnist.present(tmp_path / name)
        with pytest.raises(store.BrokenData, match=what):
            mnist.load("auto", root=tmp_path / name / "deeper")
        with pytest.raises(store.BrokenData) as caught:
            mnist.load("auto", root=tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name} {what}: mend that, set COURSE_DATA to another folder")


@pytest.mark.posix
def test_links_to_whole_files_and_folders_are_followed(tmp_path, small):
    folder = laid(tmp_path / "disk", small)
    (tmp_path / "a" / "MNIST").mkdir(parents=True)
    (tmp_path / "a" / "MNIST" / "raw").symlink_to(folder)
    (tmp_path / "b" / "MNIST" / "raw").mkdir(parents=True)
    for name in small:
        (tmp_path / "b" / "MNIST" / "raw" / name).symlink_to(folder / name)
    for name in "ab":
        assert len(mnist.load("real", root=tmp_path / name).test_images) == 20


CLOSED = {  # what is closed, its mode, the path that is named
    "a file": (f"MNIST/raw/{TEST_X}", 0, f"MNIST/raw/{TEST_X}"),
    "raw": ("MNIST/raw", 0, f"MNIST/raw/{TRAIN_X}"),
    "raw can be listed only": ("MNIST/raw", 0o644, f"MNIST/raw/{TRAIN_X}"),
    "MNIST": ("MNIST", 0, "MNIST/raw"),
    "the root": ("", 0, "MNIST"),
}


@pytest.fixture
def unprivileged(tmp_path_factory):
    """A folder that everybody may enter, and the rights of one who is not root."""
    if os.name != "posix":
        pytest.skip("POSIX permissions")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name), nobody
        for path in (Path(name), *Path(name).rglob("*")):
            path.chmod(0o755)


@contextmanager
def nobody():
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("case", CLOSED)
def test_what_may_not_be_read_is_named(unprivileged, small, case):
    folder, nobody = unprivileged
    laid(folder / "data", small)
    closed, mode, named = CLOSED[case]
    (folder / "data" / closed).chmod(mode)
    try:
        with nobody():
            assert not mnist.present(folder / "data")
            for data in ("auto", "real"):
                with pytest.raises(store.BrokenData) as caught:
                    mnist.load(data, root=folder / "data")
    finally:
        (folder / "data" / closed).chmod(0o755)
    what = 'cannot be read (Permission denied): mend that, set COURSE_DATA to another folder, or pass data="standin"'
    assert str(caught.value) == f"{folder / 'data' / named} {what}"


def test_a_file_that_the_memory_does_not_take_is_named(tmp_path, small, monkeypatch):
    folder = laid(tmp_path, small)

    def full(path, dtype):
        raise MemoryError

    monkeypatch.setattr(np, "fromfile", full)
    assert not mnist.present(tmp_path)
    with pytest.raises(store.BrokenData) as caught:
        mnist.load("auto", root=tmp_path)
    assert str(caught.value).startswith(f"{folder / TRAIN_X} has 39,200 values, more than the memory takes")


def test_a_file_that_may_not_be_read_is_named(tmp_path, small, monkeypatch):
    folder = laid(tmp_path, small)

    def refuse(path, dtype):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "fromfile", refuse)
    with pytest.raises(store.BrokenData) as caught:
        mnist.load("auto", root=tmp_path)
    assert str(caught.value).startswith(f"{folder / TRAIN_X} cannot be read (Permission denied)")


def test_where_nothing_is_there(data_root):
    assert not mnist.present()
    assert mnist.load().origin == "stand-in"
    with pytest.raises(store.MissingData) as caught:
        mnist.load("real")
    assert str(caught.value) == f'MNIST is not under {data_root}: run "make data" or pass data="standin"'
    with pytest.raises(ValueError, match="choose one of auto, real, standin"):
        mnist.load("fake")
    assert list(data_root.iterdir()) == []


def test_without_a_stand_in_the_stand_ins_need_no_scikit_learn(tmp_path, small):
    laid(tmp_path, small)
    code = f"import sys; from helpers.datasets import mnist; mnist.load('real', {str(tmp_path)!r})"
    code += "; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --- getting it


@pytest.fixture
def server(published, monkeypatch):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in published.items()}
    loopback = Loopback(packed)
    yield loopback
    loopback.close()


def held(root):
    return sorted(path.name for path in (root / "MNIST").iterdir() if path.suffix != ".lock")


def test_what_is_fetched_is_read_as_real_and_fetched_once(tmp_path, server, published):
    mirrors = [f"{server.address}/404/", f"{server.address}/good/"]
    assert mnist.fetch(tmp_path, mirrors) == tmp_path / "MNIST" / "raw"
    assert mnist.present(tmp_path)
    assert mnist.load("real", root=tmp_path).origin == "real"
    assert {path.name: path.read_bytes() for path in (tmp_path / "MNIST/raw").iterdir()} == published
    assert held(tmp_path) == ["raw"]
    assert len(server.asked) == 8
    mnist.fetch(tmp_path, mirrors)
    assert len(server.asked) == 8


def test_a_second_run_fetches_only_what_is_missing(tmp_path, server):
    last = server.files.pop(f"{TEST_Y}.gz")
    server.files[f"{TEST_Y}.gz"] = b"something else"
    with pytest.raises(store.DownloadFailed, match=f"MNIST: no mirror gave {TEST_Y}.gz"):
        mnist.fetch(tmp_path, [f"{server.address}/good/"])
    assert not mnist.present(tmp_path)
    assert held(tmp_path) == ["raw.downloads"]
    server.files[f"{TEST_Y}.gz"] = last
    server.asked.clear()
    mnist.fetch(tmp_path, [f"{server.address}/good/"])
    assert server.asked == [f"/good/{TEST_Y}.gz"]
    assert mnist.load("real", root=tmp_path).origin == "real"
    assert held(tmp_path) == ["raw"]


def test_fetching_repairs_what_is_broken_and_keeps_it_aside(tmp_path, server, published, capfd):
    laid(tmp_path, published | {TRAIN_X: b"broken", "notes.txt": b"mine"})
    mnist.fetch(tmp_path, [f"{server.address}/good/"])
    assert mnist.load("real", root=tmp_path).origin == "real"
    assert held(tmp_path) == ["raw", "raw.old1"]
    assert (tmp_path / "MNIST/raw.old1/notes.txt").read_bytes() == b"mine"
    assert (tmp_path / "MNIST/raw.old1" / TRAIN_X).read_bytes() == b"broken"


def test_an_unofficial_copy_is_left_alone(tmp_path, server, published):
    laid(tmp_path, published | {TEST_Y: idx(np.zeros(20, dtype=np.uint8))})
    mnist.fetch(tmp_path, [f"{server.address}/good/"])
    assert server.asked == []
    assert mnist.load("real", root=tmp_path).origin == "real (unofficial copy)"


@pytest.mark.posix
def test_a_link_to_a_folder_on_another_disk_stays_and_is_filled(tmp_path, server, published):
    disk = tmp_path / "disk" / "digits"
    disk.mkdir(parents=True)
    (tmp_path / "data" / "MNIST").mkdir(parents=True)
    (tmp_path / "data" / "MNIST" / "raw").symlink_to(disk)
    mnist.fetch(tmp_path / "data", [f"{server.address}/good/"])
    assert mnist.load("real", root=tmp_path / "data").origin == "real"
    assert (tmp_path / "data" / "MNIST" / "raw").is_symlink()
    assert sorted(path.name for path in disk.iterdir()) == sorted(published)
    assert sorted(path.name for path in disk.parent.iterdir() if path.suffix != ".lock") == ["digits"]
    assert held(tmp_path / "data") == ["raw"]


@pytest.mark.posix
def test_a_link_that_leads_nowhere_is_named_before_anything_is_fetched(tmp_path, server):
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "MNIST" / "raw").symlink_to("/mnt/gone")
    with pytest.raises(store.CannotWrite) as caught:
        mnist.fetch(tmp_path, [f"{server.address}/good/"])
    what = "is a link to /mnt/gone, which leads nowhere. Mount its disk, or delete the link"
    assert str(caught.value) == f"MNIST cannot be written: {tmp_path / 'MNIST' / 'raw'} {what}"
    assert server.asked == []
    assert held(tmp_path) == ["raw"]


@pytest.mark.parametrize("name", ["raw.partial", "raw.downloads", "raw.lock"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_in_the_way_is_named_and_left_alone(tmp_path, server, name, kind):
    path = tmp_path / "MNIST" / name
    path.parent.mkdir()
    if kind == "file":
        path.write_text("mine")
    else:
        path.mkdir()
    if (name, kind) in (("raw.lock", "file"), ("raw.partial", "folder"), ("raw.downloads", "folder")):
        mnist.fetch(tmp_path, [f"{server.address}/good/"])  # left by a run before
        return
    with pytest.raises(store.CannotWrite) as caught:
        mnist.fetch(tmp_path, [f"{server.address}/good/"])
    assert f"a {kind} is in the way, {path} (" in str(caught.value)
    assert "Move it away, or set COURSE_DATA to another folder, and run it again" in str(caught.value)
    assert server.asked == []
    assert path.is_dir() or path.read_text() == "mine"


def test_an_archive_with_another_file_in_it_is_refused(tmp_path, server, monkeypatch):
    table = dict(mnist.FILES)
    table[TRAIN_Y] = (table[TRAIN_Y][0], "0" * 32)
    monkeypatch.setattr(mnist, "FILES", table)
    with pytest.raises(store.BrokenData, match=f"{TRAIN_Y}.gz does not hold the published file"):
        mnist.fetch(tmp_path, [f"{server.address}/good/"])
    assert not (tmp_path / "MNIST" / "raw").exists()


def test_a_root_that_is_a_file_is_refused_with_the_remedy(tmp_path, server):
    (tmp_path / "file").write_text("")
    with pytest.raises(store.CannotWrite, match="set COURSE_DATA to another folder"):
        mnist.fetch(tmp_path / "file", [f"{server.address}/good/"])


def test_the_archives_checksums_are_torchvisions():
    from helpers.vision import torchvision

    ours = {f"{name}.gz": packed for name, (packed, _) in mnist.FILES.items()}
    assert ours == dict(torchvision.datasets.MNIST.resources)
    assert mnist.MIRRORS[0] in torchvision.datasets.MNIST.mirrors


@pytest.mark.real_data
def test_the_real_files(data_root):
    d = mnist.load("real")
    assert d.origin == "real"
    assert mnist.present()
    assert d.describe() == "mnist: real, 60,000 training and 10,000 test images of 1 × 28 × 28"
    assert d.train_images.shape == (60_000, 1, 28, 28)
    # as published: the classes' counts, the pixels' mean and deviation (in units of 255)
    assert d.test_labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert d.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    pixels = d.train_images.double() / 255
    assert (round(pixels.mean().item(), 4), round(pixels.std().item(), 4)) == (0.1307, 0.3081)


# --- the stand-in


@pytest.fixture(scope="module")
def digits():
    return mnist_standin.digits()


def cornered(pictures):
    """Each picture's ink moved to the upper left corner, as float32 rows."""
    corners = torch.zeros_like(pictures)
    for corner, picture in zip(corners, pictures, strict=True):
        rows, columns = picture.any(1).nonzero()[:, 0], picture.any(0).nonzero()[:, 0]
        ink = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        corner[: ink.shape[0], : ink.shape[1]] = ink
    return corners.flatten(1).float()


@pytest.fixture(scope="module")
def matched(digits):
    """For every picture, training then test: scikit-learn's nearest digit, how far it is, and its label."""
    from sklearn.datasets import load_digits

    originals = load_digits()
    small = torch.from_numpy(originals.images)[:, None]
    enlarged = torch.nn.functional.interpolate(small, size=(20, 20), mode="bilinear", align_corners=False)
    exact = torch.zeros(len(small), 28, 28)
    exact[:, :20, :20] = enlarged[:, 0] * 255 / 16
    candidates = cornered(exact.where(exact > 0.5, 0))  # what rounds to the paper's 0 is no ink
    pictures = cornered(torch.cat([digits.train_images, digits.test_images])[:, 0])
    nearest = torch.cdist(pictures, candidates).argmin(1)
    far = (pictures - candidates[nearest]).abs().amax(1)
    return nearest, far, torch.from_numpy(originals.target)[nearest]


def test_its_shapes_types_and_names_are_mnists(digits):
    assert digits.train_images.shape == (6188, 1, 28, 28)
    assert digits.test_images.shape == (1000, 1, 28, 28)
    assert digits.train_images.dtype == digits.test_images.dtype == torch.uint8
    assert digits.train_labels.dtype == digits.test_labels.dtype == torch.int64
    assert digits.train_labels.shape == (6188,)
    assert digits.class_names == tuple("0123456789")
    assert (digits.name, digits.origin) == ("standin_digits", "stand-in")
    assert digits.train_images.min() == 0
    assert digits.train_images.max() == 255


def test_every_picture_is_one_of_scikit_learns_enlarged_bilinearly(matched):
    _, far, _ = matched
    assert far.max() <= 0.5 + 1e-4  # grey levels of 255: rounded


def test_every_label_is_scikit_learns(digits, matched):
    assert torch.equal(torch.cat([digits.train_labels, digits.test_labels]), matched[2])


def test_no_original_is_on_both_sides_of_the_split(matched):
    train, test = set(matched[0][:6188].tolist()), set(matched[0][6188:].tolist())
    assert not train & test
    assert (len(train), len(test)) == (1547, 250)


def test_pictures_are_centred_as_mnists_are(digits):
    ink = digits.train_images[:, 0].double()
    mass = ink.sum((1, 2))
    for rows in (ink.sum(2), ink.sum(1)):
        centre = (rows @ torch.arange(28.0, dtype=torch.float64)) / mass
        assert (centre - 13.5).abs().max() <= 1.5 + 1e-9  # moved by one, after rounding
        assert abs(centre.mean().item() - 13.5) < 0.05


def test_copies_differ_and_the_order_is_shuffled(digits, matched):
    assert len(torch.unique(digits.train_images, dim=0)) == 6188
    # 1,000 drawn of 4 × 1,547 hold about 1547 (1 − (1 − 1000/6188)⁴) = 783 originals; in order, 250 or 1,000
    assert 720 < len(matched[0][:1000].unique()) < 850
    first = digits.train_labels[:1000].bincount(minlength=10)
    assert first.min() > 70
    assert first.max() < 135


def test_a_simple_classifier_finds_its_structure(digits):
    means = torch.stack([digits.train_images[digits.train_labels == k].double().mean(0) for k in range(10)])
    distances = torch.cdist(digits.test_images.double().flatten(1), means.flatten(1))
    accuracy = (distances.argmin(1) == digits.test_labels).double().mean().item()
    assert accuracy > 0.8
    assert accuracy < 0.97  # and it is not so easy that nothing is left to learn


def test_its_content_is_this_and_no_other(digits):
    """Pages quote what was learned from it: a change of one pixel or of the order is a change of the stand-in."""
    assert digits.fingerprint == "6110450626e35313"
    assert mnist_standin.digits(seed=1).fingerprint == "91a874a3876ce8df"


def test_it_is_the_same_bytes_every_time(digits):
    code = "from helpers.datasets import mnist_standin; print(mnist_standin.digits().fingerprint)"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == digits.fingerprint
    tensors = (digits.train_images, digits.train_labels, digits.test_images, digits.test_labels)
    content = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()
    assert content.startswith(digits.fingerprint)
    assert len(digits.fingerprint) == 16
    assert mnist_standin.digits(seed=1).fingerprint != digits.fingerprint


def test_under_mnists_name_it_is_the_same(digits, tmp_path):
    d = mnist.load("standin", root=tmp_path / "nowhere")
    assert (d.name, d.origin, d.fingerprint) == ("mnist", "stand-in", digits.fingerprint)
    assert torch.equal(d.train_images, digits.train_images)
    assert d.describe() == "mnist: stand-in, 6,188 training and 1,000 test images of 1 × 28 × 28"
