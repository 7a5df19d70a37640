"""Page 02's network from many starts: one network after the other against all of them on the last axis of one array.

Both ways run the homework's updates (equations and order of page "XOR with two neurons"): the predictions of an epoch's
start in ∂ℓ/∂ŷ, the clipped ramp as ReLU's derivative, one hidden neuron after the other, the output neuron last.
"""

import numpy as np

from benchmarks.definitions import definitions
from helpers.press.sources import Repository

PAGE = "02_xor_in_numpy"
METRIC = "inits_speedup"
GOAL = 200

CORNERS = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])  # the last column is a 1
page = definitions(PAGE, X=CORNERS, labels=np.array([1.0, 0.0, 0.0, 1.0]))
WAYS = {"homework": page.loop, "book": page.together}
NUM_INITS, QUICK_INITS = Repository.here().profile_entry(PAGE)["num_inits"], 500
TITLE = f"{page.race_epochs} epochs of the XOR network from {NUM_INITS:,} starts"


def begin(way: str, quick: bool) -> list[np.ndarray]:
    """Weights of the hidden neurons, (inits, 2, 3), and of the output neuron, (inits, 3): the page's starts."""
    legacy = np.random.RandomState(page.study_seed)
    starts = legacy.rand(NUM_INITS, 2, 3), legacy.rand(NUM_INITS, 3)
    return [start[:QUICK_INITS].copy() if quick else start for start in starts]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    """Raise AssertionError where any trained weight differs by more than 1e-9 (rounding alone gives about 1e-15)."""
    for name, one, other in zip(("hidden", "output"), a, b, strict=True):
        assert one.shape == other.shape, f"{name} weights have shapes {one.shape} and {other.shape}"
        difference = np.abs(one - other).max()
        assert difference <= 1e-9, f"{name} weights differ by {difference:.1e}"
