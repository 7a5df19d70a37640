"""The course's figures: one style, colour-blind-safe, deterministic.  Each function returns its Axes."""

import re
import warnings
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure

PALETTE = sns.color_palette("colorblind")
MARKERS = "osD^vPX*"
STYLES = ("-", "--", ":", "-.")

_STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.figsize": (6.4, 3.8),
    "font.size": 10.5,
    "grid.alpha": 0.35,
    "legend.frameon": False,
    "svg.hashsalt": "deep-learning-checked",
}


def use_style() -> None:
    """Set the course's style, and make notebooks keep figures as SVG, or as PNG where `picture` marked them."""
    plt.rcParams.update(_STYLE)
    # A title in a script that the font lacks shows boxes; a warning besides would be an error of the book.
    warnings.filterwarnings("ignore", "Glyph .* missing from|Matplotlib currently does not support")
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=PALETTE)
    shell = get_ipython()
    if shell is None:
        return
    shell.run_line_magic("matplotlib", "inline")
    formatters = shell.display_formatter.formatters
    formatters["image/png"].for_type(Figure, _png)
    formatters["image/svg+xml"].for_type(Figure, _svg)


def _svg(figure: Figure) -> str | None:
    if getattr(figure, "is_picture", False):
        return None
    svg = print_figure(figure, "svg", metadata={"Date": None, "Creator": None})
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)  # hundredths of a point do
    return re.sub(r"\s*\n\s*", " ", svg)


def _png(figure: Figure) -> bytes | None:
    if not getattr(figure, "is_picture", False):
        return None
    return print_figure(figure, "png", dpi=130, metadata={"Software": None})


def picture(figure: Figure) -> Figure:
    """Mark a figure of pixels (picture grids, filled contours): the page keeps it as PNG instead of SVG."""
    figure.is_picture = True
    return figure


def curves(
    series: Mapping[str, Sequence[float] | tuple[Sequence[float], Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    start: int = 1,
    logx: bool = False,
    logy: bool = False,
    markers: bool = True,
    ax: plt.Axes | None = None,
) -> plt.Axes:
    """Lines, one a name; colour, dash and marker differ, so that no line needs its colour to be told apart.

    series: name → y, drawn over start, start + 1, …, or name → (x, y).  Raises ValueError for an empty mapping.
    """
    if not series:
        raise ValueError("there is no series to draw")
    ax = ax or plt.subplots()[1]
    for i, (name, values) in enumerate(series.items()):
        x, y = values if isinstance(values, tuple) else (np.arange(start, start + len(values)), values)
        marker = MARKERS[i % len(MARKERS)] if markers else ""
        every = max(1, len(y) // 12)
        ax.plot(x, y, STYLES[i % len(STYLES)], marker=marker, markevery=every, markersize=4, label=name)
    if logx:
        ax.set_xscale("log")
    if logy:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if len(series) > 1:
        ax.legend()
    return ax


def picture_grid(
    images, titles: Sequence[str] | None = None, *, columns: int = 10, cell: float = 0.75, cmap: str = "gray_r"
) -> np.ndarray:
    """Pictures in rows of `columns`, without axes, kept as PNG.  Returns the array of Axes.

    images: (n, 1, h, w) or (n, 3, h, w), uint8 or float in [0, 1]; n ≥ 1.  titles: one a picture.
    Raises ValueError for another shape or another number of titles.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"pictures must be (n ≥ 1, 1 or 3, height, width), not {images.shape}")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(titles)} titles for {len(images)} pictures: give one each")
    rows = -(-len(images) // columns)
    height = cell + (0.28 if titles is not None else 0)
    figure, axes = plt.subplots(rows, columns, figsize=(cell * columns, height * rows), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    full = 255 if images.dtype == np.uint8 else 1
    for i, (image, ax) in enumerate(zip(images, axes.flat, strict=False)):
        ax.imshow(image.transpose(1, 2, 0), cmap=cmap, vmin=0, vmax=full)
        if titles is not None:
            ax.set_title(titles[i], fontsize=8, pad=2)
    picture(figure)
    return axes


def surface(values: np.ndarray, extent: tuple[float, float, float, float], ax: plt.Axes, *, label: str = ""):
    """A filled contour of values in [0, 1] with the line at one half; the figure becomes a PNG.  Returns `ax`.

    values: (rows, columns), rows from low y to high y.  extent: (x from, x to, y from, y to).
    """
    x, y = np.linspace(*extent[:2], values.shape[1]), np.linspace(*extent[2:], values.shape[0])
    filled = ax.contourf(x, y, values, levels=np.linspace(0, 1, 11), cmap="cividis")
    if values.min() < 0.5 < values.max():
        ax.contour(x, y, values, levels=[0.5], colors="white", linewidths=1.5)
    ax.grid(False)
    if label:
        ax.figure.colorbar(filled, ax=ax, label=label)
    picture(ax.figure)
    return ax
