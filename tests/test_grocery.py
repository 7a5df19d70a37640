"""The groceries' reader, its download from an archive without a checksum, and the stand-in."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
import torch
from loopback import Loopback
from PIL import Image

from helpers.datasets import grocery, grocery_standin, store

CLASSES = {"Gala": "Apple", "Pink": "Apple", "Kiwi": "Kiwi"}
LISTED = {"train": [0, 1, 1, 2], "val": [2], "test": [0, 1, 2]}  # fine labels
SIZES = [(40, 40), (60, 40), (40, 50)]  # width, height


def files():
    """path under the folder → content: 3 fine and 2 coarse classes, 8 pictures."""
    coarse = {name: number for number, name in enumerate(dict.fromkeys(CLASSES.values()))}
    rows = [
        f"{fine},{i},{c},{coarse[c]},/icons/{fine}.jpg,/icons/{fine}.txt" for i, (fine, c) in enumerate(CLASSES.items())
    ]
    found, generator = {"classes.csv": "\n".join([grocery.HEADER, *rows, ""]).encode()}, np.random.default_rng(0)
    for part, labels in LISTED.items():
        lines = []
        for number, label in enumerate(labels):
            fine, c = list(CLASSES.items())[label]
            path = f"{part}/Fruit/{fine}_{number:03}.jpg"
            width, height = SIZES[number % 3]
            buffer = io.BytesIO()
            Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(buffer, "JPEG")
            found[path] = buffer.getvalue()
            lines.append(f"{path}, {label}, {coarse[c]}\n")
        found[f"{part}.txt"] = "".join(lines).encode()
    return found


def laid(root, contents):
    folder = root / "GroceryStoreDataset" / "dataset"
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def published(monkeypatch):
    """The small files are the published ones, as far as `grocery` knows."""
    contents = files()
    table = {name: hashlib.sha256(contents[name]).hexdigest() for name in grocery.SHA256 if name in contents}
    digests = [hashlib.sha256(contents[name]).digest() for name in contents if name.endswith(".jpg")]
    monkeypatch.setattr(grocery, "SHA256", table | {"pictures": hashlib.sha256(b"".join(digests)).hexdigest()})
    return contents


def test_every_picture_has_its_labels_and_its_middle_square(tmp_path, published):
    folder = laid(tmp_path, published)
    d = grocery.load("real", root=tmp_path, size=40)
    assert d.origin == "real"
    assert (d.class_names, d.fine_names) == (("Apple", "Kiwi"), ("Gala", "Pink", "Kiwi"))
    assert d.coarse_of.tolist() == [0, 0, 1]
    for part, labels in LISTED.items():
        images = getattr(d, f"{part}_images")
        assert (images.dtype, tuple(images.shape)) == (torch.uint8, (len(labels), 3, 40, 40))
        assert getattr(d, f"{part}_fine").tolist() == labels
        assert getattr(d, f"{part}_labels").tolist() == [int(label == 2) for label in labels]
        for number, label in enumerate(labels):
            path = folder / part / "Fruit" / f"{d.fine_names[label]}_{number:03}.jpg"
            pixels = np.asarray(Image.open(path))
            top, left = (pixels.shape[0] - 40) // 2, (pixels.shape[1] - 40) // 2
            middle = pixels[top : top + 40, left : left + 40].transpose(2, 0, 1).copy()
            assert torch.equal(images[number], torch.from_numpy(middle))
    counts = "4 training and 3 test images of 3 × 40 × 40, 1 for validation; 2 coarse and 3 fine classes"
    assert repr(d) == f"<grocery: real, {counts}>"


def test_each_size_is_kept_for_itself(tmp_path, published):
    laid(tmp_path, published)
    small, large = (grocery.load("real", root=tmp_path, size=size) for size in (10, 20))
    again = grocery.load("real", root=tmp_path, size=10)
    assert large.test_images.shape == (3, 3, 20, 20)
    assert torch.equal(small.val_images, again.val_images)
    assert small.fingerprint == again.fingerprint != large.fingerprint
    names = sorted(path.name for path in (tmp_path / "decoded").iterdir())
    assert names == ["grocery_10.safetensors", "grocery_20.safetensors"]


def test_another_picture_or_another_label_makes_an_unofficial_copy(tmp_path, published):
    laid(tmp_path / "a", published | {"test/Fruit/Gala_000.jpg": published["test/Fruit/Pink_001.jpg"]})
    lists = published["train.txt"].replace(b"Gala_000.jpg, 0", b"Gala_000.jpg, 1")
    laid(tmp_path / "b", published | {"train.txt": lists})
    laid(tmp_path / "c", published)
    a, b, c = (grocery.load("real", root=tmp_path / name) for name in "abc")
    assert (a.origin, b.origin, c.origin) == ("real (unofficial copy)", "real (unofficial copy)", "real")
    assert len({a.fingerprint, b.fingerprint, c.fingerprint}) == 3


def cut(contents):
    contents["test/Fruit/Pink_001.jpg"] = contents["test/Fruit/Pink_001.jpg"][:-200]


def no_jpeg(contents):
    contents["val/Fruit/Kiwi_000.jpg"] = b"<!DOCTYPE html>"


def gone(contents):
    del contents["train/Fruit/Kiwi_003.jpg"]


def no_list(contents):
    del contents["val.txt"]


def empty_list(contents):
    contents["val.txt"] = b""


def outside(contents):
    contents["test.txt"] += b"test/../../secret.jpg, 0, 0\n"


def other_part(contents):
    contents["test.txt"] += b"train/Fruit/Gala_000.jpg, 0, 0\n"


def unknown_label(contents):
    contents["test.txt"] += b"test/Fruit/Gala_000.jpg, 3, 1\n"


def other_coarse(contents):
    contents["test.txt"] += b"test/Fruit/Gala_000.jpg, 0, 1\n"


def no_number(contents):
    contents["test.txt"] += b"test/Fruit/Gala_000.jpg, 0, x\n"


def renumbered(contents):
    contents["classes.csv"] = contents["classes.csv"].replace(b"Kiwi,2", b"Kiwi,4")


def two_names(contents):
    contents["classes.csv"] = contents["classes.csv"].replace(b"Pink,1,Apple", b"Pink,1,Pear")


BROKEN = {
    cut: ("test/Fruit/Pink_001.jpg", "is no whole picture ("),
    no_jpeg: ("val/Fruit/Kiwi_000.jpg", "is no whole picture ("),
    gone: ("train/Fruit/Kiwi_003.jpg", "is missing, and is listed"),
    no_list: ("val.txt", "is missing, and others are there"),
    empty_list: ("val.txt", "lists no picture"),
    outside: ("test.txt", "line 4 is 'test/../../secret.jpg, 0, 0', not “test/…, fine, coarse”"),
    other_part: ("test.txt", "line 4 is 'train/Fruit/Gala_000.jpg, 0, 0', not “test/…, fine, coarse”"),
    unknown_label: ("test.txt", "line 4: the labels 3, 1 are not in classes.csv"),
    other_coarse: ("test.txt", "line 4: the labels 0, 1 are not in classes.csv"),
    no_number: ("test.txt", "line 4: a label is 'x', which is no whole number"),
    renumbered: ("classes.csv", "line 4: the classes are not numbered 0, 1, 2 …"),
    two_names: ("classes.csv", "line 3: coarse class 0 has two names"),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_file_is_named_with_what_is_wrong_and_the_remedy(tmp_path, published, damage):
    damage(published)
    folder = laid(tmp_path, published)
    name, what = BROKEN[damage]
    for data in ("auto", "real"):
        with pytest.raises(store.BrokenData) as caught:
            grocery.load(data, root=tmp_path)
        assert str(caught.value).startswith(f"{folder / name} {what}")
        assert str(caught.value).endswith(store.FETCH)
    assert not grocery.present(tmp_path)


def test_where_nothing_is_there(data_root):
    assert not grocery.present()
    with pytest.raises(store.MissingData) as caught:
        grocery.load("real")
    assert str(caught.value) == f'Grocery Store is not under {data_root}: run "make data" or pass data="standin"'


# --- getting it


@pytest.fixture
def offered(monkeypatch):
    """A server, and a function that packs files as GitHub does and offers them."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    server = Loopback({})

    def offer(contents):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in contents.items():
                info = tarfile.TarInfo(f"GroceryStoreDataset-{grocery.COMMIT}/dataset/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        server.files[grocery.COMMIT] = buffer.getvalue()

    yield server, offer
    server.close()


def test_what_is_fetched_is_read_as_real_and_fetched_once(tmp_path, published, offered):
    server, offer = offered
    offer(published | {"iconic/Gala.jpg": b"not needed"})
    mirrors = [f"{server.address}/404/", f"{server.address}/good/"]
    assert grocery.fetch(tmp_path, mirrors) == tmp_path / "GroceryStoreDataset"
    assert grocery.load("real", root=tmp_path, size=40).origin == "real"
    names = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock")
    assert names == ["GroceryStoreDataset", "decoded"]
    asked = len(server.asked)
    grocery.fetch(tmp_path, mirrors)
    assert len(server.asked) == asked


@pytest.mark.parametrize("damage", [cut, gone, no_list])
def test_an_archive_of_other_files_is_refused_and_not_kept(tmp_path, published, offered, damage):
    server, offer = offered
    offer(whole := dict(published))
    damage(published)
    offer(published)
    with pytest.raises(store.StoreError):
        grocery.fetch(tmp_path, [f"{server.address}/good/"])
    assert not (tmp_path / "GroceryStoreDataset").exists()
    offer(whole)
    grocery.fetch(tmp_path, [f"{server.address}/good/"])
    assert grocery.load("real", root=tmp_path).origin == "real"


@pytest.mark.real_data
def test_the_real_files(data_root):
    d = grocery.load("real")
    assert d.origin == "real"
    parts = (d.train_labels, d.val_labels, d.test_labels)
    assert [len(part) for part in parts] == [2640, 296, 2485]
    assert [len(part.unique()) for part in parts] == [43, 37, 43]
    shares = [part.bincount(minlength=43) / len(part) for part in parts]
    distances = [((shares[a] - shares[b]).abs().sum() / 2).item() for a, b in ((0, 1), (0, 2))]
    assert [round(distance, 3) for distance in distances] == [0.172, 0.025]  # in total variation
    assert torch.equal(d.coarse_of[d.test_fine], d.test_labels)
    drawn = grocery.load("standin")
    assert (d.class_names, d.fine_names) == (drawn.class_names, drawn.fine_names)
    assert torch.equal(d.coarse_of, drawn.coarse_of)


# --- the stand-in


@pytest.fixture(scope="module")
def drawn():
    return grocery_standin.groceries(32)


def test_it_has_the_form_of_the_real_set(drawn):
    assert (len(drawn.class_names), len(set(drawn.fine_names))) == (43, 81)
    assert torch.equal(drawn.coarse_of.unique(), torch.arange(43))
    for part, count in grocery_standin.PER_CLASS.items():
        images, fine = getattr(drawn, f"{part}_images"), getattr(drawn, f"{part}_fine")
        assert (images.dtype, tuple(images.shape)) == (torch.uint8, (81 * count, 3, 32, 32))
        assert fine.bincount().tolist() == [count] * 81
        assert torch.equal(drawn.coarse_of[fine], getattr(drawn, f"{part}_labels"))
    assert (drawn.name, drawn.origin) == ("standin_groceries", "stand-in")


def test_a_simple_classifier_finds_its_structure(drawn):
    """The colour in the middle says much about the coarse class, and is not enough."""
    middles = [images[:, :, 12:20, 12:20].double().mean((-1, -2)) for images in (drawn.train_images, drawn.test_images)]
    means = torch.stack([middles[0][drawn.train_labels == label].mean(0) for label in range(43)])
    accuracy = (torch.cdist(middles[1], means).argmin(1) == drawn.test_labels).double().mean().item()
    assert 0.1 < accuracy < 0.6  # by chance: 0.02


def test_its_content_is_this_and_no_other(drawn):
    """Pages quote what was learned from it."""
    assert drawn.fingerprint == "ccd86351a36a52c9-32"
    assert torch.equal(drawn.test_images, grocery_standin.groceries(64).test_images[:, :, ::2, ::2])
    assert grocery_standin.groceries(32, seed=1).fingerprint != drawn.fingerprint
