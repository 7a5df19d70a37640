"""The shoes' reader, what is said of broken copies, the decoded pictures that are kept, and the stand-in."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.datasets import decoded, shoes, shoes_standin, store

FORMS = {"train": "u{:03}_{}_{}_w.jpg", "test_w": "u{:>30}_{}_{}_w.jpg", "test_m": "u{:03}_{}_{}_m.jpg"}
PEOPLE = {"train": (1, 3, 12), "test_w": (11, 110), "test_m": (2,)}


@pytest.fixture(scope="module")
def originals():
    """(part, person, pair, side) → (224, 224, 4) uint8, opaque."""
    generator, found = np.random.default_rng(0), {}
    for part, people in PEOPLE.items():
        for person in people:
            for pair, side in shoes.PICTURES:
                coarse = generator.integers(0, 256, (7, 7, 4), dtype=np.uint8).repeat(32, 0).repeat(32, 1)
                coarse[..., 3] = 255
                found[part, person, pair, side] = coarse
    return found


@pytest.fixture(scope="module")
def written(originals, tmp_path_factory):
    root = tmp_path_factory.mktemp("written")
    for (part, person, pair, side), pixels in originals.items():
        (root / "shoes" / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / "shoes" / part / FORMS[part].format(person, pair, side), "PNG")
    return root / "shoes"


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "shoes")


def test_every_shoe_lies_where_its_name_says(folder, originals, tmp_path):
    d = shoes.load("real", root=tmp_path)
    assert d.people == tuple(PEOPLE.values())
    assert d.train.dtype == torch.uint8
    for (part, person, pair, side), pixels in originals.items():
        row = PEOPLE[part].index(person)
        shoe = getattr(d, part)[row, int(pair) - 1, ["left", "right"].index(side)]
        assert torch.equal(shoe, torch.from_numpy(pixels[..., :3].transpose(2, 0, 1).copy()))
    assert repr(d) == (
        "<shoes: real (unofficial copy), 3 + 2 + 1 people (train, test_w, test_m) of 3 pairs, 3 × 224 × 224>"
    )
    assert shoes.fetch(tmp_path) == folder


def test_what_lies_beside_the_pictures_does_no_harm(folder, tmp_path):
    (folder / "train" / ".DS_Store").write_text("")
    (folder / "train" / "._u001_1_left_w.jpg").write_text("")
    (folder / "readme.txt").write_text("")
    assert len(shoes.load("real", root=tmp_path).train) == 3


def test_as_many_whole_people_as_were_handed_out_are_the_real_ones(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shoes, "PEOPLE", [3, 2, 1])
    assert shoes.load("real", root=tmp_path).origin == "real"
    (folder / "train" / "u012_3_left_w.jpg").unlink()
    monkeypatch.setattr(shoes, "PEOPLE", [2, 2, 1])
    d = shoes.load("real", root=tmp_path)
    assert (d.origin, d.people[0]) == ("real (unofficial copy)", (1, 3))
    assert d.left_out == ("train/u012 lacks 3_left",)
    assert d.describe().endswith("(left out: train/u012 lacks 3_left)")


def test_transparent_pixels_lie_on_white(folder, tmp_path):
    pixels = np.full((224, 224, 4), (200, 100, 0, 255), dtype=np.uint8)
    pixels[0, :2, 3] = 0, 51
    Image.fromarray(pixels).save(folder / "test_m" / "u002_1_left_m.jpg", "PNG")
    shoe = shoes.load("real", root=tmp_path).test_m[0, 0, 0]
    assert shoe[:, 0, :3].T.tolist() == [[255, 255, 255], [244, 224, 204], [200, 100, 0]]


def truncated(folder):
    path = folder / "train" / "u003_2_right_w.jpg"
    path.write_bytes(path.read_bytes()[:-60])
    return path, "is no whole picture (", shoes.AGAIN


def empty(folder):
    path = folder / "train" / "u003_2_right_w.jpg"
    path.write_bytes(b"")
    return path, "is no whole picture (", shoes.AGAIN


def small(folder):
    path = folder / "test_w" / f"u{' ' * 28}11_1_left_w.jpg"
    Image.new("RGB", (200, 224)).save(path, "PNG")
    return path, "is 200 × 224 pixels, not 224 × 224", shoes.AGAIN


def misnamed(folder):
    path = folder / "train" / "u003_4_right_w.jpg"
    (folder / "train" / "u003_3_right_w.jpg").rename(path)
    return path, 'is not called like "u001_2_left_w.jpg"', f"rename or remove it, or {shoes.AGAIN}"


def twice(folder):
    path = folder / "train" / "u003_3_right_w.jpg"
    shutil.copy(path, folder / "train" / "u3_3_right_w.jpg")
    return folder / "train" / "u3_3_right_w.jpg", f"and {path.name} are the same shoe", f"remove one, or {shoes.AGAIN}"


def a_folder(folder):
    path = folder / "train" / "u003_3_right_w.jpg"
    path.unlink()
    path.mkdir()
    return path, "is a folder, where a file should be", shoes.AGAIN


def nobody_whole(folder):
    (folder / "test_m" / "u002_3_left_m.jpg").unlink()
    return folder / "test_m", "nobody is whole (u002 lacks 3_left)", shoes.AGAIN


def no_pictures(folder):
    for path in (folder / "test_m").iterdir():
        path.unlink()
    return folder / "test_m", "holds no picture of a shoe", shoes.AGAIN


def no_part(folder):
    shutil.rmtree(folder / "test_w")
    return folder / "test_w", "is missing, and others are there", shoes.AGAIN


def packed(folder):
    shutil.rmtree(folder)
    (folder.parent / "data.rar").write_bytes(b"Rar!")
    return folder.parent / "data.rar", f"is there, and {folder} is not", f"unpack it into {folder}, or "


def too_deep(folder):
    folder.rename(folder.with_name("aside"))
    folder.mkdir()
    folder.with_name("aside").rename(folder / "data")
    path = folder / "data" / "train"
    return path, f"is there, and {folder / 'train'} is not", f"move what {folder / 'data'} holds to {folder}, or "


DAMAGES = (truncated, empty, small, misnamed, twice, a_folder, nobody_whole, no_pictures, no_part, packed, too_deep)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_copy_is_named_with_what_is_wrong_and_the_remedy(folder, tmp_path, damage):
    path, what, remedy = damage(folder)
    for data in ("auto", "real"):
        with pytest.raises(store.BrokenData) as caught:
            shoes.load(data, root=tmp_path)
        assert str(caught.value).startswith(f"{path} {what}")
        assert f": {remedy}" in str(caught.value)
        assert str(caught.value).endswith('pass data="standin"')
    assert not shoes.present(tmp_path)
    with pytest.raises(store.BrokenData):
        shoes.fetch(tmp_path)


def test_where_nothing_is_there(data_root):
    assert not shoes.present()
    with pytest.raises(store.MissingData) as caught:
        shoes.load("real")
    assert str(caught.value) == (
        f"Shoes are not under {data_root}: unpack the assignment's data.rar so that {data_root / 'shoes'} "
        'holds the folders train, test_w, test_m, or pass data="standin"'
    )
    with pytest.raises(store.MissingData, match="there is no address that they could be fetched from"):
        shoes.fetch()
    assert shoes.load().origin == "stand-in"
    assert list(data_root.iterdir()) == []


# --- what is kept


@pytest.fixture
def counted(monkeypatch):
    """The names of the files that are decoded."""
    names, original = [], decoded._decoded

    def counting(path, *rest):
        names.append(path.name)
        return original(path, *rest)

    monkeypatch.setattr(decoded, "_decoded", counting)
    return names


def test_pictures_are_decoded_once(folder, tmp_path, counted):
    first = shoes.load("real", root=tmp_path)
    assert len(counted) == 36
    again = shoes.load("real", root=tmp_path)
    assert len(counted) == 36
    assert torch.equal(first.train, again.train)
    assert first.fingerprint == again.fingerprint
    assert [path.name for path in (tmp_path / "decoded").iterdir()] == ["shoes.safetensors"]


def touched(folder, kept):
    os.utime(folder / "train" / "u001_1_left_w.jpg", ns=(1, 1))


def replaced(folder, kept):
    Image.new("RGB", (224, 224)).save(folder / "train" / "u001_1_left_w.jpg", "PNG")


def fewer(folder, kept):
    (folder / "train" / "u001_1_left_w.jpg").unlink()


def cut(folder, kept):
    kept.write_bytes(kept.read_bytes()[:-1])


def one_bit(folder, kept):
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)


def nonsense(folder, kept):
    kept.write_bytes(b"nonsense")


def nothing(folder, kept):
    kept.unlink()


@pytest.mark.parametrize("change", [touched, replaced, fewer, cut, one_bit, nonsense, nothing])
def test_what_does_not_fit_is_decoded_anew(folder, tmp_path, counted, change):
    before = shoes.load("real", root=tmp_path)
    kept = tmp_path / "decoded" / "shoes.safetensors"
    change(folder, kept)
    after = shoes.load("real", root=tmp_path)
    assert len(counted) == 36 + 6 * sum(len(part) for part in (after.train, after.test_w, after.test_m))
    assert (after.fingerprint == before.fingerprint) == (change not in (replaced, fewer))
    shoes.load("real", root=tmp_path)
    assert len(counted) <= 72  # and kept again


def test_where_nothing_can_be_written_memory_holds_the_pictures(folder, tmp_path, capsys):
    (tmp_path / "decoded").write_text("in the way")
    d = shoes.load("real", root=tmp_path)
    assert len(d.train) == 3
    assert (
        f"the decoded pictures are not kept as {tmp_path / 'decoded' / 'shoes.safetensors'} ("
        in capsys.readouterr().err
    )
    assert (tmp_path / "decoded").read_text() == "in the way"


def test_a_full_disk_leaves_what_was_there(folder, tmp_path, monkeypatch, capsys):
    shoes.load("real", root=tmp_path)
    kept = tmp_path / "decoded" / "shoes.safetensors"
    before = kept.read_bytes()
    touched(folder, kept)

    def full(tensors, path, note):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoded, "save_file", full)
    assert len(shoes.load("real", root=tmp_path).train) == 3
    assert "No space left on device" in capsys.readouterr().err
    assert kept.read_bytes() == before
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_change_to_what_is_loaded_does_not_reach_the_disk(folder, tmp_path):
    shoes.load("real", root=tmp_path)
    d = shoes.load("real", root=tmp_path)
    d.train.zero_()
    assert shoes.load("real", root=tmp_path).train.any()


@pytest.mark.real_data
def test_the_real_files(data_root):
    d = shoes.load("real")
    assert (len(d.test_w), len(d.test_m)) == (10, 10)  # the test sets are whole
    assert d.test_w.shape[1:] == (3, 2, 3, 224, 224)
    assert not set(d.people[0]) & set(d.people[1] + d.people[2])
    assert d.origin == ("real" if len(d.train) == 112 else "real (unofficial copy)")
    colours = d.test_w.float().mean((-1, -2))  # person, pair, side, channel
    within = (colours[:, :, 0] - colours[:, :, 1]).abs().mean()
    between = (colours[:, :, 0] - colours[:, :, 1].roll(1, dims=1)).abs().mean()
    assert within < between


# --- the stand-in


@pytest.fixture(scope="module")
def drawn():
    return shoes_standin.pairs()


def test_it_has_the_form_of_the_real_set(drawn):
    assert [tuple(part.shape) for part in (drawn.train, drawn.test_w, drawn.test_m)] == [
        (n, 3, 2, 3, 224, 224) for n in (40, 10, 10)
    ]
    assert drawn.train.dtype == torch.uint8
    assert (drawn.name, drawn.origin) == ("standin_shoes", "stand-in")
    assert shoes.load("standin").fingerprint == drawn.fingerprint


def test_people_share_a_floor_and_two_of_their_pairs_a_colour(drawn):
    floor = drawn.train[..., :20, :].float().mean((-1, -2))  # above every shoe: (people, 3, 2, 3)
    assert floor.flatten(1, 2).std(1).max() < 2
    assert floor.mean((1, 2)).std(0).min() > 15
    looks = shoes_standin.styles()
    assert (looks[:, 0, :3] == looks[:, 1, :3]).all()
    assert (looks[:, 0, :3] != looks[:, 2, :3]).any(1).all()
    for column in (5, 6):  # mark and profile tell any two pairs of a person apart
        assert all(len(set(person)) == 3 for person in looks[:, :, column])


def test_a_pair_is_told_from_two_of_one_person_but_not_by_the_mean_colour(drawn):
    people = drawn.test_w.float()[..., ::4, ::4]
    left, right = people[:, :, 0], people[:, :, 1]
    same = (left - right).abs().mean((-1, -2, -3))
    other = (left - right.roll(1, dims=1)).abs().mean((-1, -2, -3))
    assert (same < other).float().mean() > 0.6  # there is something to see in the pixels
    colour = (left[:, :2].mean((-1, -2)) - right[:, :2].mean((-1, -2))).abs().mean(-1)
    crossed = (left[:, :2].mean((-1, -2)) - right[:, :2].roll(1, dims=1).mean((-1, -2))).abs().mean(-1)
    assert (colour < crossed).float().mean() < 0.95


def test_its_content_is_this_and_no_other(drawn):
    """Pages quote what was learned from it."""
    assert drawn.fingerprint == "c33dec764c3d059a"
    assert shoes_standin.pairs(seed=1).fingerprint != drawn.fingerprint
