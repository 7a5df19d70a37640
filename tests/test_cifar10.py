"""CIFAR-10's reader against files written by hand, its download, and its stand-in."""

import hashlib
import io
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import torch
from loopback import Loopback

from helpers.datasets import cifar10, cifar10_standin, store

NAMES = (*cifar10.TRAIN, cifar10.TEST)


@pytest.fixture
def small():
    """Six files of seven random pictures, as name → (labels, pictures)."""
    generator = np.random.default_rng(0)
    return {
        name: (generator.integers(0, 10, 7, dtype=np.uint8), generator.integers(0, 256, (7, 3, 32, 32), dtype=np.uint8))
        for name in NAMES
    }


def packed(labels, pictures):
    """Each picture behind its label: the red plane, the green, the blue, row by row."""
    return b"".join(
        bytes([k]) + b"".join(plane.tobytes() for plane in p) for k, p in zip(labels, pictures, strict=True)
    )


def laid(root, contents):
    folder = root / cifar10.FOLDER
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else packed(*content))
    return folder


def test_pictures_and_labels_are_those_that_were_written(tmp_path, small):
    laid(tmp_path, small)
    d = cifar10.load("real", root=tmp_path)
    for images, labels, names in (
        (d.train_images, d.train_labels, NAMES[:5]),
        (d.test_images, d.test_labels, NAMES[5:]),
    ):
        assert np.array_equal(images.numpy(), np.concatenate([small[name][1] for name in names]))
        assert np.array_equal(labels.numpy(), np.concatenate([small[name][0] for name in names]))
        assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert d.describe() == "cifar10: real (unofficial copy), 35 training and 7 test images of 3 × 32 × 32"
    assert d.class_names[3] == "cat"


def test_the_published_test_batch_and_means_make_it_real(tmp_path, small, monkeypatch):
    laid(tmp_path / "a", small)
    monkeypatch.setattr(cifar10, "TEST_SHA256", hashlib.sha256(packed(*small[cifar10.TEST])).hexdigest())
    assert cifar10.load("auto", root=tmp_path / "a").origin == "real (unofficial copy)"
    pixels = np.concatenate([small[name][1] for name in NAMES[:5]]) / 255
    monkeypatch.setattr(cifar10, "MEANS", tuple(pixels.mean((0, 2, 3)).round(4).tolist()))
    a = cifar10.load("auto", root=tmp_path / "a")
    small[cifar10.TEST][1][0, 0, 0, 0] ^= 1
    laid(tmp_path / "b", small)
    b = cifar10.load("auto", root=tmp_path / "b")
    assert (a.origin, b.origin) == ("real", "real (unofficial copy)")
    assert a.fingerprint != b.fingerprint


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        (
            NAMES[1],
            lambda content: content[:-1],
            "has 21,510 bytes, which is no multiple of 3,073: a label and a picture",
        ),
        (NAMES[5], lambda content: b"", "has 0 bytes"),
        (NAMES[5], lambda content: b"<!DOCTYPE html>", "has 15 bytes"),
        (NAMES[0], lambda content: b"\x0a" + content[1:], "holds the label 10, and there are ten classes"),
        (NAMES[2], None, "is missing, and others are there"),
    ],
)
@pytest.mark.parametrize("data", ["auto", "real"])
def test_a_broken_file_is_named_with_the_remedy(tmp_path, small, name, change, what, data):
    folder = laid(tmp_path, small)
    if change:
        (folder / name).write_bytes(change(packed(*small[name])))
    else:
        (folder / name).unlink()
    with pytest.raises(store.BrokenData) as caught:
        cifar10.load(data, root=tmp_path)
    assert str(caught.value).startswith(f"{folder / name} {what}")
    assert str(caught.value).endswith(
        'run "make data", which keeps the old folder beside the new, or pass data="standin"'
    )
    assert not cifar10.present(tmp_path)
    assert cifar10.load("standin", root=tmp_path).origin == "stand-in"


def test_what_is_there_in_another_form_is_named(tmp_path, small):
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(store.BrokenData, match="cifar-10-batches-py is there, .*take the binary one"):
        cifar10.load("auto", root=tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / cifar10.ARCHIVE).write_bytes(b"")
    with pytest.raises(store.BrokenData, match=f"{cifar10.ARCHIVE} is there, .*unpack it under"):
        cifar10.load("auto", root=tmp_path / "b")


@pytest.mark.parametrize(
    ("error", "what"), [(MemoryError(), "more than the memory"), (OSError(13, "Denied"), "Denied")]
)
def test_a_file_that_cannot_be_taken_in_is_named(tmp_path, small, monkeypatch, error, what):
    folder = laid(tmp_path, small)

    def refuse(path, dtype):
        raise error

    monkeypatch.setattr(np, "fromfile", refuse)
    with pytest.raises(store.BrokenData, match=what) as caught:
        cifar10.load("auto", root=tmp_path)
    assert str(folder / NAMES[0]) in str(caught.value)


def test_where_nothing_is_there(data_root):
    assert not cifar10.present()
    assert cifar10.load().origin == "stand-in"
    with pytest.raises(store.MissingData) as caught:
        cifar10.load("real")
    assert str(caught.value) == f'CIFAR-10 is not under {data_root}: run "make data" or pass data="standin"'


@pytest.fixture
def server(small, monkeypatch):
    """A mirror of an archive of the small files, which is the published one as far as `cifar10` knows."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        for name, content in {name: packed(*small[name]) for name in NAMES}.items():
            member = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    content = memory.getvalue()
    monkeypatch.setattr(cifar10, "ARCHIVE_SIZE", len(content))
    monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(cifar10, "TEST_SHA256", hashlib.sha256(packed(*small[cifar10.TEST])).hexdigest())
    loopback = Loopback({cifar10.ARCHIVE: content})
    yield loopback
    loopback.close()


def test_what_is_fetched_is_read_and_fetched_once(tmp_path, server, small):
    mirrors = [f"{server.address}/404/", f"{server.address}/good/"]
    folder = cifar10.fetch(tmp_path, mirrors)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {n: packed(*small[n]) for n in NAMES}
    assert cifar10.present(tmp_path)
    asked = len(server.asked)
    cifar10.fetch(tmp_path, mirrors)
    assert len(server.asked) == asked == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock") == [cifar10.FOLDER]


def test_an_archive_with_another_test_batch_is_refused(tmp_path, server, monkeypatch):
    monkeypatch.setattr(cifar10, "TEST_SHA256", "0" * 64)
    with pytest.raises(store.BrokenData, match="does not hold the published files"):
        cifar10.fetch(tmp_path, [f"{server.address}/good/"])
    assert not (tmp_path / cifar10.FOLDER).exists()


def test_a_wrong_archive_is_not_unpacked(tmp_path, server):
    with pytest.raises(store.DownloadFailed, match="CIFAR-10: no mirror gave"):
        cifar10.fetch(tmp_path, [f"{server.address}/wrong/"])
    assert not cifar10.present(tmp_path)


@pytest.mark.real_data
def test_the_real_files(data_root):
    d = cifar10.load("real")
    assert (len(d.train_images), len(d.test_images)) == (50_000, 10_000)
    assert d.train_labels.bincount().tolist() == [5_000] * 10
    assert d.test_labels.bincount().tolist() == [1_000] * 10
    means = [round(d.train_images[:, k].double().mean().item() / 255, 2) for k in range(3)]
    assert means == [0.49, 0.48, 0.45]  # as published, also where the pictures went through JPEG


# --- the stand-in


@pytest.fixture(scope="module")
def things():
    return cifar10_standin.pictures()


def test_its_shapes_types_and_names_are_cifars(things):
    assert things.train_images.shape == (5_000, 3, 32, 32)
    assert things.test_images.shape == (1_000, 3, 32, 32)
    assert things.train_images.dtype == things.test_images.dtype == torch.uint8
    assert things.train_labels.bincount().tolist() == [500] * 10
    assert things.test_labels.bincount().tolist() == [100] * 10
    assert things.class_names == (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    assert len(torch.unique(torch.cat([things.train_images, things.test_images]), dim=0)) == 6_000


def test_raw_pixels_find_some_of_its_structure_and_not_all(things):
    X, T = (images.flatten(1).float() for images in (things.train_images, things.test_images))
    found = things.train_labels[torch.cdist(T, X).argmin(1)]
    assert 0.3 < (found == things.test_labels).double().mean() < 0.65
    animals = torch.tensor([2, 3, 4, 5, 6, 7])
    missed = (found != things.test_labels) & torch.isin(things.test_labels, animals)
    assert torch.isin(found[missed], animals).double().mean() > 0.6  # chance gives 5/9


def test_it_has_no_side(things):
    """A mirror image is as likely as the picture: the mean picture of every class is symmetric up to chance."""
    for k in range(10):
        mean = things.train_images[things.train_labels == k].double().mean(0)
        noise = things.train_images[things.train_labels == k].double().std(0) / 500**0.5
        assert ((mean - mean.flip(2)) / (noise * 2**0.5)).abs().mean() < 1.6


def test_it_is_the_same_bytes_every_time(things):
    code = "from helpers.datasets import cifar10_standin; print(cifar10_standin.pictures().fingerprint)"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == things.fingerprint == "660cdbd37cc7cfd2"
    assert cifar10_standin.pictures(seed=1).fingerprint != things.fingerprint
    d = cifar10.load("standin")
    assert (d.name, d.origin, d.fingerprint) == ("cifar10", "stand-in", things.fingerprint)
