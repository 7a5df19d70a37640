"""helpers.batches against torch's DataLoader and torchvision's affine transform."""

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from helpers.batches import minibatches, random_shift, shift
from helpers.vision import transforms


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def rows():
    return torch.randn(23, 3, generator=generator()), torch.arange(23)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
def test_file_order_is_that_of_a_dataloader(rows, batch_size, drop_last):
    expected = list(DataLoader(TensorDataset(*rows), batch_size=batch_size, drop_last=drop_last))
    found = list(minibatches(*rows, batch_size=batch_size, drop_last=drop_last))
    assert len(found) == len(expected)
    for batch, truth in zip(found, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(batch, truth, strict=True))


@pytest.mark.parametrize("drop_last", [False, True])
def test_shuffled_order_is_that_of_a_random_sampler(rows, drop_last):
    sampler = RandomSampler(TensorDataset(*rows), generator=generator(7))
    expected = list(BatchSampler(sampler, batch_size=5, drop_last=drop_last))
    found = minibatches(*rows, batch_size=5, generator=generator(7), drop_last=drop_last)
    assert [labels.tolist() for _, labels in found] == expected


def test_each_epoch_has_its_own_order_and_every_row_once(rows):
    orders = generator(7)
    first, second = ([i for _, y in minibatches(*rows, batch_size=5, generator=orders) for i in y] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(23))
    assert first != second


def test_rows_of_all_tensors_stay_together(rows):
    for X, y in minibatches(*rows, batch_size=4, generator=generator(3)):
        assert torch.equal(X, rows[0][y])


def test_file_order_copies_nothing(rows):
    (X, _), *_ = minibatches(*rows, batch_size=4)
    assert X.data_ptr() == rows[0].data_ptr()


def test_nothing_gives_no_batch():
    assert list(minibatches(torch.zeros(0, 2), batch_size=4)) == []
    assert list(minibatches(torch.zeros(0, 2), batch_size=4, generator=generator())) == []


@pytest.mark.parametrize(
    ("tensors", "batch_size", "message"),
    [
        ((torch.zeros(3), torch.zeros(4)), 2, r"one length, not \[3, 4\]"),
        ((), 2, r"one length, not \[\]"),
        ((torch.zeros(3),), 0, "batch_size = 0"),
    ],
)
def test_a_bad_call_is_refused_at_once_and_not_at_the_first_step(tensors, batch_size, message):
    with pytest.raises(ValueError, match=message):
        minibatches(*tensors, batch_size=batch_size)


def test_shift_by_hand():
    image = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=torch.uint8).expand(3, 1, 3, 3)
    found = shift(image, dy=torch.tensor([1, 0, -1]), dx=torch.tensor([0, 2, -1]))[:, 0].tolist()
    assert found[0] == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]  # down
    assert found[1] == [[0, 0, 1], [0, 0, 4], [0, 0, 7]]  # right by two
    assert found[2] == [[5, 6, 0], [8, 9, 0], [0, 0, 0]]  # up and left
    alone = shift(image[:1], dy=torch.tensor([-1]), dx=torch.tensor([-2]))
    assert alone[0, 0].tolist() == [[6, 0, 0], [9, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(60, 1, 28, 28), (60, 3, 9, 14)])
def test_shift_is_torchvisions_affine_picture_by_picture(shape, dtype):
    images = torch.randint(0, 256, shape, generator=generator(1)).to(dtype)
    dy, dx = torch.randint(-4, 5, (2, len(images)), generator=generator(2))
    found = shift(images, dy, dx)
    assert found.dtype == dtype
    assert found.is_contiguous()
    for picture, y, x, result in zip(images, dy.tolist(), dx.tolist(), found, strict=True):
        oracle = transforms.functional.affine(picture, angle=0, translate=[x, y], scale=1, shear=[0.0, 0.0], fill=0)
        assert torch.equal(result, oracle), (y, x)


def test_shift_leaves_its_input_alone_and_can_move_everything_out():
    images = torch.ones(2, 1, 4, 4)
    assert shift(images, torch.tensor([4, 9]), torch.tensor([0, -9])).sum() == 0
    assert images.sum() == 32
    assert torch.equal(shift(images, torch.tensor([0, 0]), torch.tensor([0, 0])), images)
    assert shift(images[:0], torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)).shape == (0, 1, 4, 4)


def test_shift_refuses_what_it_cannot_do():
    images, moves = torch.zeros(2, 1, 4, 4), torch.tensor([1, 0])
    with pytest.raises(ValueError, match=r"not \(2, 4, 4\)"):
        shift(images[:, 0], moves, moves)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        shift(images, moves, torch.zeros(3, dtype=torch.long))
    with pytest.raises(TypeError, match="whole pixels"):
        shift(images, moves, torch.zeros(2))


def test_random_shift_draws_each_picture_on_its_own_and_uniformly():
    n = 9_000
    points = torch.zeros(n, 1, 7, 7, dtype=torch.uint8)
    points[:, :, 3, 3] = 1
    moved = random_shift(points, 1, generator(5))
    where = moved.flatten(1).argmax(1)
    counts = torch.bincount(where, minlength=49).reshape(7, 7)
    assert counts.sum() == counts[2:5, 2:5].sum() == n
    # nine cells of 1,000 expected, standard deviation 30: five of them is no chance
    assert (counts[2:5, 2:5] - n / 9).abs().max() < 150
    assert torch.equal(moved, random_shift(points, 1, generator(5)))
    assert not torch.equal(moved, random_shift(points, 1, generator(6)))


def test_random_shift_by_zero_and_by_less():
    images = torch.rand(5, 1, 4, 4)
    assert torch.equal(random_shift(images, 0, generator()), images)
    with pytest.raises(ValueError, match="max_shift = -1"):
        random_shift(images, -1, generator())
