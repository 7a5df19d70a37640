"""Where tensors live, and one seed for every generator."""

import os
import platform
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch


def pick_device() -> torch.device:
    """The accelerator that torch sees now (CUDA, MPS, XPU …), else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's legacy global and torch's generators (all devices).

    seed: 0 ≤ seed < 2³² (NumPy's range).  Raises ValueError outside it, TypeError for anything but an integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed is {seed!r}: give an integer")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed = {seed} is outside 0 … 2³² − 1")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def own_generators(seed: int) -> Iterator[None]:
    """Inside, the global generators are seeded with `seed`; afterwards they stand as they stood before."""
    python, numpy = random.getstate(), np.random.get_state()
    device = pick_device()
    devices = [] if device.type == "cpu" else [torch.accelerator.current_device_index()]
    with torch.random.fork_rng(devices=devices, device_type=device.type):
        seed_everything(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def describe(device: torch.device | None = None) -> str:
    """The device in words: "cpu (Intel Xeon …)" or "cuda (NVIDIA …)"."""
    device = device or pick_device()
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({_processor()})"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].replace("(R)", "").split())
    return platform.processor() or platform.machine()


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MB (10⁶ bytes)."""
    if os.name == "nt":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    status = Path("/proc/self/status")
    if status.exists() and (own := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(own[1]) * 1024 / 1e6
    import resource  # on Linux it starts from the peak of the parent process

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if platform.system() == "Darwin" else peak * 1024 / 1e6  # macOS counts bytes, Linux KiB
