"""Mini-batches straight from tensors in memory, and shifted copies of a whole batch, drawn per picture.

Page "A network from raw tensors" introduces it.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional


def minibatches(
    *tensors: Tensor, batch_size: int, generator: torch.Generator | None = None, drop_last: bool = False
) -> Iterator[tuple[Tensor, ...]]:
    """Walk once through `tensors` together, `batch_size` rows at a time; each step gives a tuple, one part a tensor.

    tensors: (n, …), any dtype and device, the same n.  The last batch is smaller where batch_size does not divide n,
    and left out with drop_last.  generator: None keeps the order of the rows and gives views; a torch.Generator
    shuffles, by one torch.randperm(n) drawn on the generator's device at the first step.
    Raises ValueError for no tensor, lengths that differ, or a batch_size below 1.
    """
    lengths = {len(tensor) for tensor in tensors}
    if len(lengths) != 1:
        raise ValueError(f"minibatches need tensors of one length, not {[len(tensor) for tensor in tensors]}")
    if batch_size < 1:
        raise ValueError(f"batch_size = {batch_size}: choose at least 1")
    (n,) = lengths
    return _walk(tensors, n - n % batch_size if drop_last else n, n, batch_size, generator)


def _walk(tensors, end, n, batch_size, generator):
    if generator is None:
        for start in range(0, end, batch_size):
            yield tuple(tensor[start : start + batch_size] for tensor in tensors)
        return
    order = torch.randperm(n, generator=generator, device=generator.device)[:end]
    orders = {tensor.device: order.to(tensor.device) for tensor in tensors}
    for start in range(0, end, batch_size):
        yield tuple(tensor[orders[tensor.device][start : start + batch_size]] for tensor in tensors)


def shift(images: Tensor, dy: Tensor, dx: Tensor) -> Tensor:
    """Move each picture down by its dy and right by its dx pixels; what comes in at the border is 0.

    images: (n, channels, height, width), any dtype and device.  dy, dx: (n,) integers, negative for up and left.
    Returns new pictures of the same shape, dtype and device, by one gather from copies with a margin, without a loop.
    Raises ValueError for other shapes, TypeError for shifts that are no integers.
    """
    n = len(images)
    if images.ndim != 4 or dy.shape != (n,) or dx.shape != (n,):
        shapes = f"{tuple(images.shape)}, {tuple(dy.shape)}, {tuple(dx.shape)}"
        raise ValueError(f"shift needs pictures (n, channels, height, width) and shifts (n,), (n,), not {shapes}")
    if dy.is_floating_point() or dx.is_floating_point():
        raise TypeError(f"shift needs whole pixels, not {dy.dtype} and {dx.dtype}")
    if not n:
        return images.clone()
    dy, dx = dy.to(images.device), dx.to(images.device)
    margin = int(torch.stack([dy, dx]).abs().max())
    padded = functional.pad(images, (margin,) * 4)
    windows = padded.unfold(2, images.shape[2], 1).unfold(3, images.shape[3], 1)
    return windows[torch.arange(n, device=images.device), :, margin - dy, margin - dx]


def random_shift(images: Tensor, max_shift: int, generator: torch.Generator) -> Tensor:
    """Shift each picture by its own dy and dx, drawn uniformly from −max_shift, …, max_shift.

    images: as `shift` takes them.  Two draws of n integers are made on the generator's device, dy before dx.
    Raises ValueError for a negative max_shift, and what `shift` raises.
    """
    if max_shift < 0:
        raise ValueError(f"max_shift = {max_shift}: choose at least 0")
    dy, dx = (
        torch.randint(-max_shift, max_shift + 1, (len(images),), generator=generator, device=generator.device)
        for _ in range(2)
    )
    return shift(images, dy, dx)
