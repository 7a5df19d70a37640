"""95 % intervals: thin names for SciPy's."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats


def wilson(correct: int, n: int) -> tuple[float, float]:
    """Wilson's score interval for a proportion of `correct` in `n` (Wilson, JASA 22, 1927).

    Raises ValueError unless both are whole numbers with 0 ≤ correct ≤ n and n ≥ 1.
    """
    if not 0 <= correct <= n or n < 1 or int(correct) != correct or int(n) != n:
        raise ValueError(f"{correct} correct of {n} is no proportion: give two counts")
    low, high = stats.binomtest(int(correct), int(n)).proportion_ci(confidence_level=0.95, method="wilson")
    return float(low), float(high)


def bootstrap(
    values: Sequence[float], statistic: Callable = np.mean, seed: int = 0, resamples: int = 2000
) -> tuple[float, float]:
    """Percentile bootstrap interval for `statistic` of a 1-d sample (Efron, Annals of Statistics 7, 1979).

    statistic: takes an array and `axis`, as np.mean and np.median do.  Raises ValueError for fewer than two values.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or values.size < 2:
        raise ValueError(f"a bootstrap needs a 1-d sample of at least two values, not shape {values.shape}")
    found = stats.bootstrap(
        (values,), statistic, n_resamples=resamples, method="percentile", rng=np.random.default_rng(seed)
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
