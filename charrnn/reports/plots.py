"""Pictures as files, PNG or SVG, drawn by matplotlib (the extra `plots`)."""

import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from charrnn.errors import ConfigError
from charrnn.runs.curves import Curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from charrnn.analysis.memory import Memory

ImageFormat = Literal["png", "svg"]

_COLOURS = ("#b4451f", "#2f62be", "#2d7d46", "#8b3fa0", "#8a6d1a", "#3d3b37")
_SIZE, _WIDE = (7.5, 4.2), (10.0, 4.2)  # inches
_DOTS = 160  # an inch
_LEAST = 1e-7  # of what is drawn on a logarithmic axis: below, float32 has no say
_STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e2da",
    "grid.linewidth": 0.6,
    "axes.edgecolor": "#8d887f",
    "font.size": 10,
    "svg.hashsalt": "charrnn",  # the same picture is the same file
}


def image_format(path: Path) -> ImageFormat:
    """Return the format that a file's name asks for."""
    return cast(ImageFormat, path.suffix.lower().removeprefix("."))


def draw_curves(curves: Curves, image_format: ImageFormat) -> bytes:
    """Return a picture of training and held-out losses: thin and bold lines, a colour a run."""
    return _drawn(lambda figure: _put_curves(figure, curves), _SIZE, image_format)


def draw_memory(memories: Mapping[str, "Memory"], image_format: ImageFormat) -> bytes:
    """Return a picture of how the influence of a character fades, a line a model."""
    return _drawn(lambda figure: _put_memory(figure, memories), _WIDE, image_format)


def _put_curves(figure: "Figure", curves: Curves) -> None:
    axes = figure.add_subplot()
    runs = list(dict.fromkeys(each.name.removesuffix(each.kind) for each in curves.series))
    for each in curves.series:
        colour = _COLOURS[runs.index(each.name.removesuffix(each.kind)) % len(_COLOURS)]
        held_out = each.kind == "held out"
        x, y = zip(*each.points, strict=True)
        axes.plot(
            x,
            y,
            label=_escaped(each.name),
            color=colour,
            linewidth=2.0 if held_out else 0.9,
            alpha=1.0 if held_out else 0.6,
            marker="o" if held_out else None,
            markersize=3,
        )
    for level in curves.baselines:
        axes.axhline(level.points[0][1], color="#6d6a64", linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            _escaped(level.name),
            (1, level.points[0][1]),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 3),
            textcoords="offset points",
            ha="right",
            color="#6d6a64",
        )
    axes.set_ylim(curves.low, curves.high)
    axes.set_xlabel(curves.x_name)
    axes.set_ylabel(curves.y_name)
    if curves.series:
        axes.legend(frameon=False)
    else:
        axes.text(0.5, 0.5, "no curve yet", transform=axes.transAxes, ha="center")


def _put_memory(figure: "Figure", memories: Mapping[str, "Memory"]) -> None:
    panels = figure.subplots(1, 2)
    for panel, measure, title, y_name in (
        (panels[0], "gradient", "by gradient", "length of the gradient, relative to 1 step"),
        (panels[1], "ablation", "by ablation", "divergence of the forecast (nats)"),
    ):
        for place, (name, each) in enumerate(memories.items()):
            points = [point for point in getattr(each, measure) if point[1] > _LEAST]
            if points:
                x, y = zip(*points, strict=True)
                panel.plot(
                    x,
                    y,
                    label=_escaped(name),
                    color=_COLOURS[place % len(_COLOURS)],
                    marker="o" if measure == "ablation" else None,
                    markersize=3,
                    linewidth=1.6,
                )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_title(title, loc="left", fontsize="medium")
        panel.set_xlabel("steps ago")
        panel.set_ylabel(y_name)
    panels[0].legend(frameon=False)


def _drawn(
    plot: Callable[["Figure"], None], size: tuple[float, float], image_format: ImageFormat
) -> bytes:
    """Return the file of a picture; raise `ConfigError` where matplotlib is not installed."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            "pictures are drawn by matplotlib, which is not installed: pip install "
            '"matplotlib>=3.9"'
        ) from None
    file = io.BytesIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a name in letters that the font has not
        figure = Figure(figsize=size, layout="constrained")
        plot(figure)
        metadata = {"Date": None} if image_format == "svg" else {"Software": None}
        figure.savefig(file, format=image_format, dpi=_DOTS, facecolor="white", metadata=metadata)
    return file.getvalue()


def _escaped(name: str) -> str:
    """Return a name that matplotlib takes for text: not for mathematics, nor as hidden."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")
