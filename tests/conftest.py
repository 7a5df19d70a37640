"""Every test: one thread, no data but what it makes, no network."""

import os
import shutil
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"  # before torch loads: two processes of two threads on two cores are 40 times slower
os.environ["MPLBACKEND"] = "agg"
REAL_DATA = os.environ.get("COURSE_DATA", "")

import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_runtest_setup(item):
    if os.name != "posix" and item.get_closest_marker("posix"):
        pytest.skip("this system has no signals, forks, FIFOs, resource limits, or links without a privilege")


@pytest.fixture(autouse=True)
def data_root(request, tmp_path_factory, monkeypatch):
    """An empty data root, but for the tests marked real_data, which need $COURSE_DATA."""
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    if request.node.get_closest_marker("real_data"):
        if not REAL_DATA:
            pytest.skip("COURSE_DATA names no folder of real data")
        monkeypatch.setenv("COURSE_DATA", REAL_DATA)
        return Path(REAL_DATA)
    empty = tmp_path_factory.mktemp("empty-data")
    monkeypatch.setenv("COURSE_DATA", str(empty))
    return empty


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory, worker_id):
    """A folder that all processes of one test session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def published(shared_folder):
    """A course of one published page, run once a session; copy it before a change."""
    from press_repository import published_course

    return published_course(shared_folder)
