"""Augmentation of whole batches on their device, drawn per picture: crop, flip, rotate, colour, erase.

Every function takes its parameters picture by picture, as tensors (n,); `Augment` draws them.
Page "Pooling, padding, batch size" introduces it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

GREY = (0.2989, 0.587, 0.114)  # the shares of red, green and blue in a grey level (ITU-R BT.601)


def crop(images: Tensor, top: Tensor, left: Tensor, size: tuple[int, int], padding: int = 0) -> Tensor:
    """A window of `size` from each picture with `padding` zeros around it; top, left: integers, its upper left corner.

    images: (n, channels, height, width), any dtype.  Raises IndexError for a window that lies outside.
    """
    windows = functional.pad(images, (padding,) * 4).unfold(2, size[0], 1).unfold(3, size[1], 1)
    if len(images) and min(top.amin(), left.amin()) < 0:
        raise IndexError("a window begins above or left of its picture: give corners from 0 on")
    return windows[torch.arange(len(images), device=images.device), :, top.to(images.device), left.to(images.device)]


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Those pictures mirrored, left for right, for which mirrored (n,) is true; any dtype."""
    return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Each float picture turned around its middle, counter-clockwise, bilinear; what comes in is 0."""
    n, _, height, width = images.shape
    turn = torch.deg2rad(degrees.to(images))
    cos, sin, zero = turn.cos(), turn.sin(), torch.zeros_like(turn)
    rows = [torch.stack([cos, -sin * height / width, zero], 1), torch.stack([sin * width / height, cos, zero], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), [n, 1, height, width], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def colour(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Float pictures (n, 3, height, width) in [0, 1], from black, their mean grey, their greys by these factors."""
    weights = torch.tensor(GREY).to(images)[:, None, None]
    brightness, contrast, saturation = (f.to(images)[:, None, None, None] for f in (brightness, contrast, saturation))
    images = (images * brightness).clamp(0, 1)
    mean = (images * weights).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    images = torch.lerp(mean, images, contrast).clamp(0, 1)
    return torch.lerp((images * weights).sum(1, keepdim=True), images, saturation).clamp(0, 1)


def erase(images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """A rectangle of 0 in each picture; what of it lies outside is nothing.  Any dtype; integers (n,)."""
    inside = []
    for start, length, side in ((top, height, images.shape[2]), (left, width, images.shape[3])):
        at = torch.arange(side, device=images.device) - start.to(images.device)[:, None]
        inside.append((at >= 0) & (at < length.to(images.device)[:, None]))
    return images.masked_fill(inside[0][:, None, :, None] & inside[1][:, None, None, :], 0)


@dataclass(frozen=True)
class Augment:
    """Draws for every picture of a batch, and does in this order: rotate, colour, crop, flip, erase.

    degrees: uniform, to both sides.  strength: of three factors, uniform in 1 ± strength.  padding: a crop of the
    picture's size.  flips: half of the pictures.  hole: a square of that side, its middle anywhere.  What is 0 or
    False is neither drawn nor done.  Bytes stay bytes.
    """

    degrees: float = 0.0
    strength: float = 0.0
    padding: int = 0
    flips: bool = False
    hole: int = 0

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """New pictures of the same shape (n, channels, height, width) from bytes or floats in [0, 1]."""
        n, _, height, width = images.shape
        kind = {"generator": generator, "device": generator.device}
        if self.degrees or self.strength:
            floats = images if images.is_floating_point() else images / 255
            floats = rotate(floats, self.degrees * (2 * torch.rand(n, **kind) - 1)) if self.degrees else floats
            if self.strength:
                floats = colour(floats, *(1 + self.strength * (2 * torch.rand(3, n, **kind) - 1)))
            images = floats if images.is_floating_point() else (255 * floats).round().to(images.dtype)
        if self.padding:
            images = crop(images, *torch.randint(2 * self.padding + 1, (2, n), **kind), (height, width), self.padding)
        images = flip(images, torch.rand(n, **kind) < 0.5) if self.flips else images
        if self.hole:
            top, left = (torch.randint(side, (n,), **kind) - self.hole // 2 for side in (height, width))
            images = erase(images, top, left, *torch.full((2, n), self.hole))
        return images
