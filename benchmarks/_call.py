"""One way, timed in whatever process runs it (a spawned one imports this module, not `__main__`)."""

import importlib
import time

import torch

ENOUGH, MOST = 3.0, 5  # a way is called until its calls took so many seconds, or so often


def once(module, way: str, quick: bool) -> tuple[object, float]:
    """What `way` of a benchmark finds, and the seconds that it took; its arguments are made before."""
    arguments = module.begin(way, quick)
    began = time.perf_counter()
    returned = module.WAYS[way](*arguments)
    seconds = time.perf_counter() - began
    found = module.found(way, arguments, returned) if hasattr(module, "found") else returned
    return _arrays(found), seconds


def call(name: str, way: str, quick: bool) -> tuple[object, float, float]:
    """(what `way` of the benchmark `name` found, seconds of its shortest call, peak memory of this process in MB).

    A rehearsal on less work comes first, outside the clock: imports, caches, thread pools, torch's first optimiser.
    """
    from helpers import device

    module = importlib.import_module(f"benchmarks.{name}")
    if hasattr(module, "set_up"):
        module.set_up()
    once(module, way, quick=True)
    seconds = []
    while sum(seconds) < ENOUGH and len(seconds) < MOST:
        found, taken = once(module, way, quick)
        seconds.append(taken)
    return found, min(seconds), device.peak_memory_mb()


def _arrays(found):
    """`found` with NumPy arrays in place of tensors: a tensor's memory would end with the process."""
    if isinstance(found, list | tuple):
        return [_arrays(part) for part in found]
    return found.detach().numpy() if isinstance(found, torch.Tensor) else found
