"""Page 02's network from many starts: one network after the other against all of them on the last axis of one array.

Both ways run the homework's updates (equations and order of page "XOR with two neurons"): the predictions of an epoch's
start in ∂ℓ/∂ŷ, the clipped ramp as ReLU's derivative, one hidden neuron after the other, the output neuron last.
"""

import numpy as np

TITLE = "Many starts of the XOR network"
PAGE = "02_xor_in_numpy"
METRIC = "inits_speedup"
GOAL = 200

SEED, LR = 46, 0.1
NUM_INITS, QUICK_INITS = 4_000, 1_000
EPOCHS, QUICK_EPOCHS = 50, 10
X = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])  # the last column carries the bias
Y = np.array([1.0, 0.0, 0.0, 1.0])
_generator = np.random.default_rng(SEED)  # at import: drawing the starts is the same for both, and not timed
HIDDEN, OUTPUT = _generator.random((NUM_INITS, 2, 3)), _generator.random((NUM_INITS, 3))  # uniform, float64
Weights = tuple[np.ndarray, np.ndarray]


def starts(quick: bool) -> Weights:
    """Weights of the hidden neurons, (inits, 2, 3), and of the output neuron, (inits, 3), to be trained in place."""
    n = QUICK_INITS if quick else NUM_INITS
    return HIDDEN[:n].copy(), OUTPUT[:n].copy()


def epochs(quick: bool) -> int:
    """How many epochs each network is trained."""
    return QUICK_EPOCHS if quick else EPOCHS


def sigmoid(z):
    """1 / (1 + e^−z)."""
    return 1 / (1 + np.exp(-z))


def sigmoid_slope(z):
    """The derivative of `sigmoid`."""
    s = sigmoid(z)
    return s * (1 - s)


def ramp(a):
    """What the homework takes for ReLU's derivative."""
    return np.minimum(np.maximum(a, 0), 1)


def forward(W: np.ndarray, v: np.ndarray, x: np.ndarray) -> tuple:
    """Pre-activations (2,), hidden values and a 1 (3,), logit of one network, W (2, 3) and v (3,), at x (3,)."""
    a = W @ x
    h = np.ones(3)
    np.maximum(a, 0, out=h[:2])
    return a, h, v @ h


def train_one(W: np.ndarray, v: np.ndarray, num_epochs: int) -> None:
    """Train one network in place."""
    for _ in range(num_epochs):
        guesses = [sigmoid(forward(W, v, x)[2]) for x in X]
        for x, target, guess in zip(X, Y, guesses, strict=True):
            slope = -1 / guess if target else 1 / (1 - guess)
            a, h, z = forward(W, v, x)
            back, move_v = slope * v[:2] * ramp(a), slope * sigmoid_slope(z) * h
            W[0] -= LR * sigmoid_slope(z) * back[0] * x
            z = forward(W, v, x)[2]
            W[1] -= LR * sigmoid_slope(z) * back[1] * x
            v -= LR * move_v


def homework(quick: bool) -> Weights:
    """Every start by itself, one example at a time; returns the trained weights, shaped as `starts`."""
    W, v = starts(quick)
    for one_W, one_v in zip(W, v, strict=True):
        train_one(one_W, one_v, epochs(quick))
    return W, v


def forward_many(W: np.ndarray, v: np.ndarray, x: np.ndarray) -> tuple:
    """`forward` for all networks: W (3, 2, inits), v (3, inits), x (3, 1)."""
    a = np.einsum("khn,kn->hn", W, x)
    h = np.ones_like(v)
    np.maximum(a, 0, out=h[:2])
    return a, h, np.einsum("hn,hn->n", v, h)


def book(quick: bool) -> Weights:
    """All starts together; the logit after the first neuron's move follows from the page's equation eq-xor-in-turn."""
    W, v = starts(quick)
    W, v = np.ascontiguousarray(W.transpose(2, 1, 0)), np.ascontiguousarray(v.T)
    points = X[:, :, None]
    for _ in range(epochs(quick)):
        guesses = [sigmoid(forward_many(W, v, x)[2]) for x in points]
        for x, target, guess in zip(points, Y, guesses, strict=True):
            slope = -LR / guess if target else LR / (1 - guess)
            a, h, z = forward_many(W, v, x)
            g, s = slope * v[:2] * ramp(a), sigmoid_slope(z)
            g[0] *= s
            z = z + v[0] * (np.maximum(a[0] - g[0] * (x**2).sum(), 0) - h[0])
            g[1] *= sigmoid_slope(z)
            W -= g * x[:, None]
            v -= slope * s * h
    return W.transpose(2, 1, 0), v.T


def same(a: Weights, b: Weights) -> None:
    """Raise AssertionError where any trained weight differs by more than 1e-9 (rounding alone gives about 1e-15)."""
    for name, one, other in zip(("hidden", "output"), a, b, strict=True):
        assert one.shape == other.shape, f"{name} weights have shapes {one.shape} and {other.shape}"
        difference = np.abs(one - other).max()
        assert difference <= 1e-9, f"{name} weights differ by {difference:.1e}"
