"""Image files, PNG or SVG, drawn with matplotlib (the extra `plots`)."""

import io
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from charrnn.errors import ConfigError
from charrnn.runs.curves import Curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from charrnn.analysis.memory import Memory

ImageFormat = Literal["png", "svg"]

_COLORS = ("#b4451f", "#2f62be", "#2d7d46", "#8b3fa0", "#8a6d1a", "#3d3b37")
_SIZE, _WIDE_SIZE = (7.5, 4.2), (10.0, 4.2)  # inches
_DPI = 160
_MIN_VALUE = 1e-7  # on a logarithmic axis; below this, float32 is not precise enough
_STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e2da",
    "grid.linewidth": 0.6,
    "axes.edgecolor": "#8d887f",
    "font.size": 10,
    "svg.hashsalt": "charrnn",  # makes the file reproducible
}


def find_image_format(path: Path) -> ImageFormat:
    """Return the image format of a path, by its suffix."""
    return cast(ImageFormat, path.suffix.lower().removeprefix("."))


def make_curves_figure(curves: Curves) -> "Figure":
    """Return a figure of training losses (thin) and held-out losses (bold), one color per run."""
    with _using_style():
        return _make_figure(lambda figure: _plot_curves(figure, curves), _SIZE)


def draw_curves(curves: Curves, image_format: ImageFormat) -> bytes:
    """Return an image of the figure of losses."""
    return _render(lambda figure: _plot_curves(figure, curves), _SIZE, image_format)


def draw_memory(memories: Mapping[str, "Memory"], image_format: ImageFormat) -> bytes:
    """Return an image of the influence of earlier characters, one line per model."""
    return _render(lambda figure: _plot_memory(figure, memories), _WIDE_SIZE, image_format)


def _plot_curves(figure: "Figure", curves: Curves) -> None:
    axes = figure.add_subplot()
    runs = list(dict.fromkeys(line.name.removesuffix(line.kind) for line in curves.series))
    for line in curves.series:
        color = _COLORS[runs.index(line.name.removesuffix(line.kind)) % len(_COLORS)]
        is_held_out = line.kind == "held out"
        x, y = zip(*line.points, strict=True)
        axes.plot(
            x,
            y,
            label=_escape_label(line.name),
            color=color,
            linewidth=2.0 if is_held_out else 0.9,
            alpha=1.0 if is_held_out else 0.6,
            marker="o" if is_held_out else None,
            markersize=3,
        )
    for baseline in curves.baselines:
        axes.axhline(baseline.points[0][1], color="#6d6a64", linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            _escape_label(baseline.name),
            (1, baseline.points[0][1]),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 3),
            textcoords="offset points",
            ha="right",
            color="#6d6a64",
        )
    axes.set_ylim(curves.low, curves.high)
    if any(y > curves.high for line in curves.series for _, y in line.points):
        axes.set_title("The steep fall at the start is not shown.", loc="left", fontsize=9)
    axes.set_xlabel(curves.x_name)
    axes.set_ylabel(curves.y_name)
    if curves.series:
        axes.legend(frameon=False)
    else:
        axes.text(0.5, 0.5, "there is no data to plot yet", transform=axes.transAxes, ha="center")


def _plot_memory(figure: "Figure", memories: Mapping[str, "Memory"]) -> None:
    panels = figure.subplots(1, 2)
    for panel, measure, title, y_name in (
        (
            panels[0],
            "gradient",
            "measured by gradient",
            "gradient norm relative to 1 character back",
        ),
        (panels[1], "ablation", "measured by replacement", "change of the prediction (nats)"),
    ):
        for index, (name, memory) in enumerate(memories.items()):
            points = [point for point in getattr(memory, measure) if point[1] > _MIN_VALUE]
            if points:
                x, y = zip(*points, strict=True)
                panel.plot(
                    x,
                    y,
                    label=_escape_label(name),
                    color=_COLORS[index % len(_COLORS)],
                    marker="o" if measure == "ablation" else None,
                    markersize=3,
                    linewidth=1.6,
                )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_title(title, loc="left", fontsize="medium")
        panel.set_xlabel("characters back")
        panel.set_ylabel(y_name)
    panels[0].legend(frameon=False)


def _render(
    plot: Callable[["Figure"], None], size: tuple[float, float], image_format: ImageFormat
) -> bytes:
    """Return the bytes of an image file; raise `ConfigError` if matplotlib is not installed."""
    file = io.BytesIO()
    with _using_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the font may lack letters of a name
        figure = _make_figure(plot, size)
        metadata = {"Date": None} if image_format == "svg" else {"Software": None}
        figure.savefig(file, format=image_format, dpi=_DPI, facecolor="white", metadata=metadata)
    return file.getvalue()


def _escape_label(name: str) -> str:
    """Return a name that matplotlib shows as plain text: not as mathematics, and not hidden."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")


def _using_style() -> "AbstractContextManager[None]":
    """Use the style of all images in a block; raise `ConfigError` without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise ConfigError(
            "images need matplotlib, which is not installed",
            'install it with `pip install "matplotlib>=3.9"`',
        ) from None
    context: AbstractContextManager[None] = mpl.rc_context(_STYLE)
    return context


def _make_figure(plot: Callable[["Figure"], None], size: tuple[float, float]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    plot(figure)
    return figure
