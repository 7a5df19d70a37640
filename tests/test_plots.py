"""helpers.plots: labelled, told apart without colour, the same bytes each time, SVG or PNG as marked."""

import io
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from nbclient import NotebookClient
from PIL import Image

from helpers import MIME, plots


@pytest.fixture(autouse=True)
def style():
    """The course's style, for one test."""
    with plt.rc_context():
        plots.use_style()
        yield
        plt.close("all")


SERIES = {"up": [1.0, 4.0, 9.0], "down": ([10, 100], [2.0, 1.0])}


def lines(**options):
    return plots.curves(SERIES, xlabel="epoch", ylabel="loss in nats", title="Loss", **options)


def drawn(ax):
    return {line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist()) for line in ax.get_lines()}


def test_curves_are_drawn_and_labelled():
    ax = lines()
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("epoch", "loss in nats", "Loss")
    assert drawn(ax) == {"up": ([1, 2, 3], [1, 4, 9]), "down": ([10, 100], [2, 1])}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["up", "down"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")


def test_curves_options():
    figure, (left, right) = plt.subplots(1, 2)
    ax = lines(ax=right, start=0, logx=True, logy=True, markers=False)
    assert ax is right
    assert drawn(ax)["up"][0] == [0, 1, 2]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert {line.get_marker() for line in ax.get_lines()} <= {"", "None"}
    alone = plots.curves({"only": torch.ones(3)}, xlabel="x", ylabel="y", ax=left)
    assert alone.get_legend() is None
    assert drawn(alone) == {"only": ([1, 2, 3], [1, 1, 1])}
    with pytest.raises(ValueError, match="there is no series to draw"):
        plots.curves({}, xlabel="x", ylabel="y")


def test_eight_lines_are_told_apart_without_colour():
    ax = plots.curves({str(i): [i, i] for i in range(8)}, xlabel="x", ylabel="y")
    assert len({line.get_marker() for line in ax.get_lines()}) == 8
    neighbours = [line.get_linestyle() for line in ax.get_lines()]
    assert all(len(set(neighbours[i : i + 4])) == 4 for i in range(5))
    bare = plots.curves({str(i): [i, i] for i in range(4)}, xlabel="x", ylabel="y", markers=False)
    assert len({line.get_linestyle() for line in bare.get_lines()}) == 4


def test_nothing_but_the_data_draws_attention():
    ax = lines()
    assert [side for side, spine in ax.spines.items() if spine.get_visible()] == ["left", "bottom"]
    assert not ax.get_legend().get_frame_on()
    assert all(line.get_visible() for line in ax.get_xgridlines() + ax.get_ygridlines())
    ax.figure.canvas.draw()
    labels = [label.get_window_extent().corners() for label in (ax.xaxis.label, ax.yaxis.label, ax.title)]
    assert [ax.figure.bbox.count_contains(corners) for corners in labels] == [4, 4, 4], "nothing is cut off"
    assert plots.curves({"a": [1, 2]}, xlabel="x", ylabel="y").get_title() == ""


def test_a_long_curve_has_few_markers():
    (line,) = plots.curves({"a": np.zeros(1000)}, xlabel="x", ylabel="y").get_lines()
    assert 5 <= 1000 / line.get_markevery() <= 20
    assert isinstance(line.get_markevery(), int), "a fraction would count along the line, off the data"
    (line,) = plots.curves({"a": np.zeros(5)}, xlabel="x", ylabel="y").get_lines()
    assert line.get_markevery() == 1


def seen_by_deuteranopes(colour):
    """Linear RGB as seen without the middle cone (Machado, Oliveira and Fernandes, 2009)."""
    matrix = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    rgb = np.array(to_rgb(colour))
    return np.array(matrix) @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def smallest_distance(colours):
    seen = [seen_by_deuteranopes(colour) for colour in colours]
    return min(np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i])


def test_the_first_colours_differ_for_the_colour_blind_more_than_the_usual_ones():
    assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == list(plots.PALETTE)
    assert smallest_distance(plots.PALETTE[:4]) > 1.5 * smallest_distance(
        ["tab:blue", "tab:orange", "tab:green", "tab:red"]
    )


# ------------------------------------------------------------------------------------------------- SVG and PNG


def test_a_line_plot_is_an_svg_of_the_same_bytes_each_time():
    first = plots._svg(lines(logx=True).figure)
    ax = lines(logx=True)
    assert plots._svg(ax.figure) == plots._svg(ax.figure) == first
    assert plots._png(ax.figure) is None
    assert "<svg" in first
    assert "dc:date" not in first
    assert "Matplotlib v" not in first
    assert "\n" not in first
    paths = " ".join(re.findall(r' d="([^"]*)"', first))
    assert max(map(len, re.findall(r"\.(\d+)", paths))) == 2
    assert set(paths) <= set("MLQCz 0123456789.-"), "still paths"
    ax.set_xlabel("another")
    assert plots._svg(ax.figure) != first


def test_a_picture_is_a_png_of_the_same_bytes_each_time():
    figure = lines().figure
    assert plots.picture(figure) is figure
    first = plots._png(figure)
    assert first == plots._png(figure)
    assert plots._svg(figure) is None
    with Image.open(io.BytesIO(first)) as opened:
        assert opened.format == "PNG"
        assert "Software" not in opened.info


# ------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize(
    ("shape", "dtype", "full"),
    [((5, 1, 4, 3), np.uint8, 255), ((5, 3, 4, 3), np.uint8, 255), ((5, 1, 4, 3), np.float32, 1)]
    + [((5, 1, 1, 3), np.float64, 1), ((5, 1, 4, 1), np.float64, 1), ((5, 3, 1, 1), np.float64, 1)],
)
def test_pictures_in_rows(shape, dtype, full, kind):
    images = (np.random.default_rng(0).random(shape) * full).astype(dtype)
    axes = plots.picture_grid(kind(images), list("abcde"), columns=2)
    assert axes.shape == (3, 2)
    assert not any(ax.axison for ax in axes.flat)
    assert [len(ax.get_images()) for ax in axes.flat] == [1, 1, 1, 1, 1, 0]
    assert [ax.get_title() for ax in axes.flat] == [*"abcde", ""]
    for image, ax in zip(images, axes.flat, strict=False):
        (shown,) = ax.get_images()
        assert np.array_equal(np.asarray(shown.get_array()).reshape(image[0].shape + (-1,)), image.transpose(1, 2, 0))
        if shape[1] == 1:
            assert shown.get_clim() == (0, full), "one scale for all, not each its own"
            assert shown.get_cmap().name == "gray_r"
    assert plots._png(axes[0, 0].figure)[:4] == b"\x89PNG"
    assert plots._svg(axes[0, 0].figure) is None


def test_rows_of_ten_and_room_for_titles():
    bare = plots.picture_grid(np.zeros((12, 1, 4, 4)))
    named = plots.picture_grid(np.zeros((12, 1, 4, 4)), ["one"] * 12)
    assert bare.shape == named.shape == (2, 10)
    assert bare[0, 0].figure.get_size_inches().tolist() == [7.5, 1.5], "square cells"
    height = named[0, 0].figure.get_size_inches()[1] - 1.5
    assert 2 * 8 / 72 < height < 2 * 3 * 8 / 72, "a line of 8 points for each row, and less than three"
    assert plots.picture_grid(np.zeros((1, 1, 4, 4)), columns=1).shape == (1, 1)


@pytest.mark.parametrize("shape", [(0, 1, 4, 4), (4, 4), (2, 4, 4), (2, 2, 4, 4), (2, 4, 4, 3), (1, 2, 1, 4, 4)])
def test_pictures_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"pictures must be \(n ≥ 1, 1 or 3, height, width\), not \(") as caught:
        plots.picture_grid(np.zeros(shape))
    assert str(shape) in str(caught.value)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("titles", [[], ["a"], ["a", "b", "c"]])
def test_titles_are_one_for_each_picture(titles):
    with pytest.raises(ValueError, match=f"{len(titles)} titles for 2 pictures: give one each"):
        plots.picture_grid(np.zeros((2, 1, 4, 4)), titles)


def test_a_surface_has_its_scale_its_half_line_and_low_y_below():
    ax = plt.subplots()[1]
    y, x = np.mgrid[2:3:21j, -1:1:31j]
    assert plots.surface(np.clip((x + 1) / 2 * (y - 2), 0, 1), (-1, 1, 2, 3), ax, label="probability") is ax
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 1), (2, 3))
    filled, half = ax.collections
    np.testing.assert_allclose(filled.levels, np.linspace(0, 1, 11))
    assert half.levels.tolist() == [0.5]
    points = np.concatenate([path.vertices for path in half.get_paths()])
    np.testing.assert_allclose((points[:, 0] + 1) / 2 * (points[:, 1] - 2), 0.5, atol=0.01)
    assert [other.get_ylabel() for other in ax.figure.axes[1:]] == ["probability"]
    assert plots._svg(ax.figure) is None
    assert not any(line.get_visible() for line in ax.get_xgridlines() + ax.get_ygridlines())


@pytest.mark.parametrize(("low", "high"), [(0.5, 1.0), (0.0, 0.5)])
def test_a_surface_on_one_side_of_a_half_has_no_half_line(low, high):
    ax = plots.surface(np.linspace(low, high, 12).reshape(3, 4), (0, 1, 0, 1), plt.subplots()[1])
    assert len(ax.collections) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 1.0])
def test_a_flat_surface_has_no_half_line_and_no_scale_unless_named(value):
    ax = plots.surface(np.full((3, 4), value), (0, 1, 0, 1), plt.subplots()[1])
    assert len(ax.collections) == 1
    assert ax.figure.axes == [ax]


def test_in_a_kernel_the_page_keeps_svg_or_png_and_the_record():
    first = "from helpers.run import start\nfrom helpers import plots\nimport numpy as np\n"
    line = "plots.curves({'a': [1, 2]}, xlabel='x', ylabel='y');"
    sources = [
        f"{first}run = start('a_page', seed=0)\n{line}",
        line,
        "plots.picture_grid(np.zeros((2, 1, 4, 4)));",
        "plots.surface(np.eye(3), (0, 1, 0, 1), plots.plt.subplots()[1]);",
        "run.record('x', np.float32(0.5), label='X', n=np.int64(3))\nrun.finish()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    shown = [
        [output.data for output in each.outputs if output.output_type == "display_data"] for each in notebook.cells
    ]
    assert [[sorted(set(data) - {"text/plain"}) for data in outputs] for outputs in shown] == [
        [["text/markdown"], ["image/svg+xml"]],
        [["image/svg+xml"]],
        [["image/png"]],
        [["image/png"]],
        [[MIME, "text/markdown"]],
    ]
    assert shown[0][1]["image/svg+xml"] == shown[1][0]["image/svg+xml"]
    record = shown[4][0][MIME]
    assert (record["slug"], record["metrics"], record["details"]) == (
        "a_page",
        {"x": 0.5},
        {"x": {"n": 3, "label": "X"}},
    )
