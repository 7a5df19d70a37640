"""One call of one way, in whatever process runs it (a spawned one imports this module, not `__main__`)."""

import importlib
import time


def call(name: str, way: str, quick: bool) -> tuple[object, float, float]:
    """(what `way` of the benchmark `name` returned, seconds, peak memory of this process in MB)."""
    from helpers import device

    module = importlib.import_module(f"benchmarks.{name}")
    began = time.perf_counter()
    found = getattr(module, way)(quick)
    return found, time.perf_counter() - began, device.peak_memory_mb()
