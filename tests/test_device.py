"""helpers.device: the seeds against generators of their own, the memory against the kernel's count."""

import contextlib
import math
import random
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import device

STATUS, CPUINFO = Path("/proc/self/status"), Path("/proc/cpuinfo")


def draws():
    """One draw from each global generator."""
    return random.random(), np.random.rand(), torch.rand(1).item()


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**32 - 1])
def test_every_generator_is_seeded(seed):
    device.seed_everything(seed)
    own = torch.rand(1, generator=torch.Generator().manual_seed(seed)).item()
    assert draws() == (random.Random(seed).random(), np.random.RandomState(seed).rand(), own)


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (-1, ValueError, "seed = -1 is outside 0 … 2³² − 1"),
        (2**32, ValueError, "seed = 4294967296 is outside"),
        (True, TypeError, "seed is True: give an integer"),
        (1.0, TypeError, "seed is 1.0: give an integer"),
        ("1", TypeError, "seed is '1': give an integer"),
        (None, TypeError, "seed is None: give an integer"),
    ],
)
def test_a_bad_seed_is_refused_and_moves_no_generator(seed, error, message):
    before = states()
    with pytest.raises(error, match=re.escape(message)):
        device.seed_everything(seed)
    with pytest.raises(error), device.own_generators(seed):
        pytest.fail("the block must not run")
    assert states() == before


def test_own_generators_draw_from_their_seed_and_leave_no_trace():
    device.seed_everything(5)
    expected = draws()
    device.seed_everything(0)
    before = states()
    with device.own_generators(5):
        assert draws() == expected
        with device.own_generators(6):
            assert draws() != expected
    assert states() == before


def test_own_generators_are_put_back_after_an_exception():
    before = states()
    with pytest.raises(ZeroDivisionError), device.own_generators(5):
        math.floor(sum(draws()) / 0)
    assert states() == before


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="no accelerator here")
def test_own_generators_on_the_accelerator():
    where = device.pick_device()
    assert where.type == torch.accelerator.current_accelerator().type
    torch.manual_seed(1)
    expected = torch.rand(3, device=where)
    torch.manual_seed(1)
    with device.own_generators(5):
        torch.rand(7, device=where)
    assert torch.equal(torch.rand(3, device=where), expected)


def test_an_accelerator_that_torch_was_built_for_and_that_is_not_there_is_not_picked(monkeypatch):
    def current(check_available=False):
        return None if check_available else torch.device("cuda")  # as torch documents it

    monkeypatch.setattr(torch.accelerator, "current_accelerator", current)
    assert device.pick_device() == torch.device("cpu")


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_the_current_accelerators_generator_is_kept_too(kind, monkeypatch):
    kept = []

    @contextlib.contextmanager
    def fork_rng(**options):
        kept.append(options)
        yield

    monkeypatch.setattr(device, "pick_device", lambda: torch.device(kind))
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: 3)
    monkeypatch.setattr(torch.random, "fork_rng", fork_rng)
    with device.own_generators(5):
        pass
    assert kept == [{"devices": [3], "device_type": kind}]


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_without_an_accelerator_it_is_the_cpu():
    assert device.pick_device() == torch.device("cpu")
    assert device.describe() == device.describe(torch.device("cpu"))


@pytest.mark.skipif(not CPUINFO.exists() or "model name" not in CPUINFO.read_text(), reason="no /proc/cpuinfo")
def test_the_processor_is_named_as_linux_names_it():
    words = re.search(r"^model name\s*:\s*(.*)$", CPUINFO.read_text(), re.M)[1].replace("(R)", "").split()
    assert device.describe(torch.device("cpu")) == f"cpu ({' '.join(words)})"


def test_cuda_is_named_by_the_card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: f"card of {where}")
    assert device.describe(torch.device("cuda", 1)) == "cuda (card of cuda:1)"


@pytest.fixture
def proc(monkeypatch, tmp_path):
    """A folder that stands for the root of the file system, with an empty /proc."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    monkeypatch.setattr(device, "Path", lambda path: tmp_path / path.lstrip("/"))
    return tmp_path / "proc"


@pytest.mark.parametrize(
    ("cpuinfo", "processor", "name"),
    [
        ("cpu\t: 0\nmodel name\t: Acme(R)  Fast:  2.0 GHz\nmodel name\t: other\n", "x86_64", "Acme Fast: 2.0 GHz"),
        ("cpu\t: 0\nBogoMIPS\t: 50\n", "aarch64", "aarch64"),  # an ARM board
        (None, "arm", "arm"),  # macOS
        (None, "", "its machine"),
    ],
)
def test_the_processor_is_named_everywhere(cpuinfo, processor, name, proc, monkeypatch):
    monkeypatch.setattr(device.platform, "processor", lambda: processor)
    monkeypatch.setattr(device.platform, "machine", lambda: "its machine")
    if cpuinfo is not None:
        (proc / "cpuinfo").write_text(cpuinfo, encoding="utf-8")
    assert device.describe(torch.device("cpu")) == f"cpu ({name})"
    assert device.describe(torch.device("mps")) == f"mps ({name})"


@pytest.mark.parametrize(("system", "megabytes"), [("Darwin", 3.0), ("Linux", 3072.0)])
@pytest.mark.parametrize("status", [None, "Name:\tpython\nVmRSS:\t    7 kB\n"])  # some kernels count no peak
def test_without_the_kernels_count_it_is_that_of_getrusage(system, megabytes, status, proc, monkeypatch):
    def getrusage(whose):
        return types.SimpleNamespace(ru_maxrss={"this process": 3_000_000}[whose])

    monkeypatch.setitem(sys.modules, "resource", types.SimpleNamespace(RUSAGE_SELF="this process", getrusage=getrusage))
    monkeypatch.setattr(device.platform, "system", lambda: system)
    if status:
        (proc / "self" / "status").write_text(status, encoding="utf-8")
    assert device.peak_memory_mb() == megabytes


def test_on_linux_it_is_the_peak_in_1024_bytes(proc):
    (proc / "self" / "status").write_text("VmPeak:\t 9000 kB\nVmHWM:\t   2000 kB\nVmRSS:\t 1000 kB\n", encoding="utf-8")
    assert device.peak_memory_mb() == 2.048


def test_on_windows_it_is_the_peak_of_the_working_set(proc, monkeypatch):
    memory = types.SimpleNamespace(rss=1_000_000, peak_wset=2_500_000)
    process = types.SimpleNamespace(memory_info=lambda: memory)
    monkeypatch.setitem(sys.modules, "psutil", types.SimpleNamespace(Process=lambda: process))
    monkeypatch.setattr(device, "os", types.SimpleNamespace(name="nt"))
    assert device.peak_memory_mb() == 2.5


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc")
def test_peak_memory_is_what_linux_counted():
    large = np.ones(10_000_000)  # 80 MB
    assert device.peak_memory_mb() >= large.nbytes / 1e6
    counted = int(re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())[1]) * 1024 / 1e6
    assert device.peak_memory_mb() == pytest.approx(counted, rel=0.01)
    del large
    assert device.peak_memory_mb() >= 0.99 * counted, "a peak does not sink"


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc")
def test_peak_memory_is_not_that_of_the_parent_process():
    def peak_of_a_child():
        # The function without its module: importing torch would hide what is looked for.
        start = "import os, re, platform; from pathlib import Path\n"
        source = Path(device.__file__).read_text().partition("def peak_memory_mb")
        code = f"{start}{''.join(source[1:])}\nprint(peak_memory_mb())"
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    large = np.ones(20_000_000)  # 160 MB, far above a bare Python
    assert peak_of_a_child() < large.nbytes / 1e6
