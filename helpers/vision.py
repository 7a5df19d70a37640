"""torchvision, importable also beside a CPU-only torch, and what of it the course uses.

The default Linux wheel of torchvision links CUDA; beside a CPU torch its operators do not load and the import ends with
"operator torchvision::nms does not exist" (pytorch/vision issues 8985, 9077, 9085).  Only detection models use them, so
their schemas are declared here when, and only when, the import fails so.
"""

import importlib
import sys

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library = None  # torch keeps the schemas as long as this lives


def _import():
    global _library
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half-imported
    _library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        _library.define(schema)
    return importlib.import_module("torchvision")


torchvision = _import()
datasets = torchvision.datasets
transforms = torchvision.transforms
