"""helpers.augment against torchvision's functional transforms, picture by picture, on the same parameters."""

import pytest
import torch

from helpers.augment import Augment, colour, crop, erase, flip, rotate
from helpers.vision import transforms


@pytest.fixture(scope="module")
def oracle():
    from torchvision.transforms.v2 import functional

    return functional


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n=12, height=20, width=14, seed=1):
    return torch.randint(0, 256, (n, 3, height, width), generator=generator(seed), dtype=torch.uint8)


def integers(low, high, n=12, seed=2):
    return torch.randint(low, high, (n,), generator=generator(seed))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(("size", "padding"), [((20, 14), 4), ((9, 11), 0), ((24, 5), 2)])
def test_crop(oracle, dtype, size, padding):
    images = pictures().to(dtype)
    top = integers(0, 20 + 2 * padding - size[0] + 1)
    left = integers(0, 14 + 2 * padding - size[1] + 1, seed=3)
    found = crop(images, top, left, size, padding)
    assert found.dtype == dtype
    for picture, y, x, result in zip(images, top.tolist(), left.tolist(), found, strict=True):
        assert torch.equal(result, oracle.crop(oracle.pad(picture, padding), y, x, *size))


def test_crop_refuses_a_window_outside():
    zero = torch.zeros(12, dtype=torch.long)
    with pytest.raises(IndexError, match="above or left"):
        crop(pictures(), zero - 1, zero, (5, 5))
    with pytest.raises(IndexError):
        crop(pictures(), zero + 16, zero, (5, 5))


def test_flip(oracle):
    mirrored = torch.rand(12, generator=generator()) < 0.5
    images = pictures()
    for picture, turned, result in zip(images, mirrored, flip(images, mirrored), strict=True):
        assert torch.equal(result, oracle.horizontal_flip(picture) if turned else picture)


def test_rotate(oracle):
    images = pictures() / 255
    degrees = 90 * (torch.rand(12, generator=generator()) - 0.5)
    bilinear = transforms.InterpolationMode.BILINEAR
    for picture, angle, result in zip(images, degrees.tolist(), rotate(images, degrees), strict=True):
        assert torch.allclose(result, oracle.rotate(picture, angle, interpolation=bilinear), atol=1e-4)


def test_colour(oracle):
    images = pictures() / 255
    factors = 2 * torch.rand(3, 12, generator=generator())
    for picture, (b, c, s), result in zip(images, factors.T.tolist(), colour(images, *factors), strict=True):
        expected = oracle.adjust_contrast(oracle.adjust_brightness(picture, b), c)
        assert torch.allclose(result, oracle.adjust_saturation(expected, s), atol=1e-5)


def test_erase(oracle):
    images = pictures()
    top, left, height, width = (integers(0, high, seed=k) for k, high in enumerate((12, 8, 8, 6)))
    rows = zip(images, top.tolist(), left.tolist(), height.tolist(), width.tolist(), strict=True)
    for (picture, *place), result in zip(rows, erase(images, top, left, height, width), strict=True):
        assert torch.equal(result, oracle.erase(picture, *place, torch.zeros(1, dtype=torch.uint8)))
    outside = erase(images, top - 20, left, height, width)
    assert torch.equal(outside, images)


def test_nothing_asked_for_is_nothing_done():
    images = pictures()
    assert torch.equal(Augment()(images, generator()), images)


def test_every_picture_is_drawn_on_its_own():
    n = 4_000
    points = torch.zeros(n, 1, 9, 9, dtype=torch.uint8)
    points[:, :, 4, 4] = 1
    moved = Augment(padding=1)(points, generator(5)).flatten(1)
    counts = moved.argmax(1).bincount(minlength=81).reshape(9, 9)
    assert counts.sum() == counts[3:6, 3:6].sum() == n
    assert (counts[3:6, 3:6] - n / 9).abs().max() < 100  # five standard deviations
    points[:, :, 4, 4], points[:, :, 4, 0] = 0, 1
    mirrored = Augment(flips=True)(points, generator(5))[:, 0, 4, 8].sum().item()
    assert abs(mirrored - n / 2) < 160
    holes = (Augment(hole=3)(torch.ones(n, 1, 9, 9), generator(5)) == 0).sum((1, 2, 3))
    assert (holes.min().item(), holes.max().item()) == (4, 9)  # a corner, and the whole square


def test_the_same_seed_draws_the_same_and_types_are_kept():
    every = Augment(degrees=20, strength=0.3, padding=3, flips=True, hole=4)
    images = pictures()
    one, again, other = (every(images, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert (one.shape, one.dtype) == (images.shape, torch.uint8)
    floats = every(images / 255, generator(1))
    assert (floats - one / 255).abs().max() <= 0.5 / 255 + 1e-6  # bytes are rounded once
