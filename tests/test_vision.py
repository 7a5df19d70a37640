"""helpers.vision: it imports whatever came before, and its transforms are torchvision's."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import vision

BEFORE = {
    "nothing": "",
    "a torchvision that did not load": "try:\n    import torchvision\nexcept RuntimeError:\n    pass\n",
}
AFTER = """
from helpers.vision import datasets, torchvision, transforms
import torchvision as again
import torch
assert again is torchvision and torchvision.transforms is transforms and torchvision.datasets is datasets
print(transforms.ToTensor().__class__.__module__, torch.ops.torchvision.nms)
"""


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_it_imports_in_a_fresh_process(before):
    done = subprocess.run([sys.executable, "-c", before + AFTER], capture_output=True, text=True)
    assert done.stdout.split() == ["torchvision.transforms.transforms", "torchvision.nms"], done.stderr


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA driver version is insufficient"), ImportError("operator torchvision::nms"), OSError("libjpeg")],
)
def test_any_other_fault_is_raised_as_it_is(error, monkeypatch):
    def fail(name):
        raise error

    before = set(sys.modules)
    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(type(error)) as caught:
        vision._import()
    assert caught.value is error
    assert set(sys.modules) == before, "nothing is unloaded"


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_pictures_become_tensors_and_come_back(mode, channels):
    array = np.random.default_rng(0).integers(0, 256, (5, 4, channels), dtype=np.uint8)
    picture = Image.fromarray(array.squeeze())
    assert picture.mode == mode
    tensor = vision.transforms.ToTensor()(picture)
    assert tensor.dtype == torch.float32
    assert np.array_equal(tensor.numpy(), array.transpose(2, 0, 1) / np.float32(255))
    assert np.array_equal(np.asarray(vision.transforms.ToPILImage()(tensor)), array.squeeze())


def test_transforms_in_a_row():
    tensor = torch.arange(36.0).reshape(1, 6, 6)
    centre = vision.transforms.Compose([vision.transforms.CenterCrop(2), vision.transforms.Normalize([10.0], [5.0])])
    assert torch.equal(centre(tensor), (torch.tensor([[[14.0, 15], [20, 21]]]) - 10) / 5)
