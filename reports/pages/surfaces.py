"""Planes of an energy landscape on a page: as surfaces, as contours, along cuts, and in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ...solver.landscapes.landscapes import Landscape
from ..layout.blocks import Text
from ..layout.page import Page
from ..layout.style import BLACK, FAINT, PAGE, QUIET

Array = NDArray[Any]

# Perceptually uniform and made for colour-vision deficiencies.
_COLOURS = "cividis"
# Facets of a surface along each side: what still shows single nodes being crossed, in a file of a few megabytes.
_FACETS = 50
_LEVELS = 14
# Planes of a page, and how many beside each other.
_MOST, _ACROSS = 9, 5
# Planes beside each other where two landscapes are compared.
ABREAST = 3
# Directions of a plane; heights are measured from the least of the plane.
_FIRST, _SECOND, _HEIGHT = r"$\alpha$", r"$\beta$", r"$\Pi - \min\,\Pi$"


def surface_page(
    scape: Landscape, title: str, caption: str, bottom: float = 0.17, beside: Landscape | None = None
) -> Page:
    """The first nine planes as surfaces of energy above the least value drawn.

    Args:
        scape: whose planes.
        title: of the page.
        caption: likewise.
        bottom: there is room for text below it.
        beside: a landscape of the same planes whose heights are shared, so that two pages can be compared.
    """
    figure = Figure()
    others = _shown(scape if beside is None else beside)
    height = (0.915 - bottom) / 2
    for k, values in enumerate(_shown(scape)):
        row, column = divmod(k, _ACROSS)
        box = (0.03 + 0.189 * column, 0.915 - (row + 1) * height, 0.185, 0.96 * height)
        _surface(figure, box, scape, values, float(max(values.max(), others[k].max())), _name(scape, k))
    note = "Height: energy above the least of the plane."
    if beside is not None:
        note += " Grid and exact energy, a page each, have the same scales."
    return Page(title, caption, figure, (Text(note, 0.8, 0.915 - 1.2 * height, 0.15, 11, colour=QUIET),))


def compared_surfaces(
    scapes: Mapping[str, Landscape], planes: Sequence[int], title: str, caption: str, box: Sequence[float] | None = None
) -> Page:
    """Some planes as surfaces, a row for each landscape; what stands below each other has the same heights.

    Args:
        scapes: name → landscape, all on the same planes.
        planes: which of them, beside each other.
        title: of the page.
        caption: likewise.
        box: left, bottom, width and height of all, in shares of the page.
    """
    left, bottom, width, height = box or (0.035, 0.165, 0.945, 0.745)
    figure = Figure()
    tall, wide = height / len(scapes), width / len(planes)
    for row, (name, scape) in enumerate(scapes.items()):
        shown = _shown(scape)
        middle = bottom + height - (row + 0.5) * tall
        if len(planes) > 1:
            figure.text(0.025, middle, name, fontsize=13, rotation=90, ha="center", va="center")
        for column, k in enumerate(planes):
            top = max(float(_shown(other)[k].max()) for other in scapes.values())
            place = (left + column * wide, bottom + height - (row + 1) * tall, 0.97 * wide, 0.95 * tall)
            above = name if len(planes) == 1 else _name(scape, k)
            _surface(figure, place, scape, shown[k], top, above)
    return Page(title, caption, figure)


def _surface(
    figure: Figure, box: Sequence[float], scape: Landscape, values: Array, top: float, title: str
) -> None:  # fmt: skip
    left, bottom, width, height = box
    axes: Any = figure.add_axes((left, bottom, width, height), projection="3d")
    first, second = np.meshgrid(scape.first, scape.second, indexing="ij")
    # What stands beside must not be covered by an empty corner.
    axes.patch.set_visible(False)
    axes.plot_surface(
        first, second, values, cmap=_COLOURS, vmin=0, vmax=top or 1.0, rcount=_FACETS, ccount=_FACETS, linewidth=0,
        antialiased=False,
    )  # fmt: skip
    axes.set_zlim(0, top or 1.0)
    # Wider than high where the box is; ticks and labels need a share of it.
    wide = 1.5 if width * PAGE[0] > 1.2 * height * PAGE[1] else 1.15
    tall = min(1.5, max(1.0, height * PAGE[1] / (width * PAGE[0])))
    axes.set_box_aspect((wide, wide, tall), zoom=1.12 if wide == 1.5 else 0.92)
    axes.text2D(0.02, 0.93, title, transform=axes.transAxes, fontsize=11)
    axes.tick_params(labelsize=8, pad=-3)
    axes.view_init(elev=28, azim=-55)
    axes.set_xlabel(_FIRST, fontsize=10, labelpad=-8)
    axes.set_ylabel(_SECOND, fontsize=10, labelpad=-8)
    axes.set_zlabel(_HEIGHT, fontsize=9, labelpad=-5)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(MaxNLocator(3))
        axis.set_pane_color((1, 1, 1, 0))


def contour_page(scape: Landscape, title: str, caption: str, beside: Landscape | None = None) -> Page:
    """The first nine planes as square contours with a colour bar each, θ* marked.

    Args:
        scape: whose planes.
        title: of the page.
        caption: likewise.
        beside: a landscape of the same planes whose levels are shared, so that two pages can be compared.
    """
    figure = Figure()
    side, across, down = 0.15, 0.187, 0.36
    shown = _shown(scape)
    others = _shown(scape if beside is None else beside)
    for k, values in enumerate(shown):
        row, column = divmod(k, _ACROSS)
        left, low = 0.055 + across * column, 0.645 - down * row
        ax = figure.add_axes((left, low, side, side * 11.69 / 8.27))
        drawn = draw_contours(ax, scape, k, values, float(max(values.max(), others[k].max())))
        ax.set_title(_name(scape, k), fontsize=11, pad=5)
        ax.tick_params(labelsize=9)
        ax.set_xlabel(_FIRST, fontsize=10, labelpad=1)
        ax.set_ylabel(_SECOND, fontsize=10, labelpad=-4)
        if drawn is not None:
            _bar(figure, drawn, (left, low - 0.074, side, 0.012))
    note = (
        "White cross: θ*.\nEach plane has its own colours, told by the bar below it: energy above the least of the "
        "plane. Levels are equal steps of the root, which a parabola crosses at equal distances."
    )
    text = Text(note, 0.055 + across * 4, 0.5, 0.15, 12, colour=QUIET)
    return Page(title, caption, figure, (text,))


def _bar(figure: Figure, drawn: Any, box: Sequence[float]) -> None:
    left, bottom, width, height = box
    axes = figure.add_axes((left, bottom, width, height))
    bar = figure.colorbar(drawn, cax=axes, orientation="horizontal")
    top = drawn.levels[-1]
    bar.set_ticks([0, top / 2, top], labels=["0", f"{top / 2:.2g}", f"{top:.2g}"], fontsize=9)
    axes.tick_params(length=2, pad=2)


def draw_contours(axes: Any, scape: Landscape, plane: int, values: Array, top: float | None = None) -> Any:
    """One plane: values (resolution, resolution) with α upwards in the first index; returns the areas, if any.

    Args:
        axes: to draw on.
        scape: whose plane.
        plane: which of its planes.
        values: of the energy above the least.
        top: of the levels; by default the largest value.
    """
    drawn = None
    # Levels dense where the bowl is flat: equal steps of the root are equal steps of distance in a parabola.
    levels = np.unique(np.linspace(0, np.sqrt(values.max() if top is None else top), _LEVELS) ** 2)
    # A plane that is constant to the last bit has one level, and no areas.
    if len(levels) > 1:
        drawn = axes.contourf(scape.first, scape.second, values.T, levels=levels, cmap=_COLOURS)
        # Viewers show seams between filled areas that have no edges.
        drawn.set_edgecolor("face")
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.plot(0, 0, "+", color="white", markersize=9, markeredgewidth=1.6)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    return drawn


def path_page(scape: Landscape, gap: float, steps: Array, gaps: Array, title: str, caption: str) -> Page:
    """A path on the energy of its plane, and the energy along it: where it climbs, and when.

    Args:
        scape: one plane, with the path in it.
        gap: energy gap at the centre.
        steps: epochs at which the path was looked at, (n,).
        gaps: energy gap there, (n,).
        title: of the page.
        caption: likewise.
    """
    figure = Figure()
    axes = figure.add_axes((0.07, 0.25, 0.4, 0.585))
    middle = scape.values[0][len(scape.first) // 2, len(scape.second) // 2]
    surface = scape.values[0] - middle + gap
    # The plane is scanned exactly, so that no value lies below the minimum but by rounding.
    least = max(float(surface.min()), 1e-12)
    most = max(float(surface.max()), 1.01 * least)
    levels = np.geomspace(least, most, 2 * _LEVELS)
    drawn = axes.contourf(
        scape.first, scape.second, np.clip(surface, least, most).T, levels=levels, cmap=_COLOURS,
        norm=LogNorm(least, most),
    )  # fmt: skip
    drawn.set_edgecolor("face")
    path = scape.planes[0].path
    assert path is not None
    axes.plot(path[:, 0], path[:, 1], color="white", linewidth=1.6)
    axes.plot(path[0, 0], path[0, 1], "+", color="white", markersize=11, markeredgewidth=2)
    axes.plot(path[-1, 0], path[-1, 1], "o", color="white", markersize=6)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.set_title(scape.planes[0].label)
    axes.set_xlabel(_FIRST)
    axes.set_ylabel(_SECOND)
    bar = figure.colorbar(drawn, cax=figure.add_axes((0.492, 0.25, 0.013, 0.585)))
    decades = 10.0 ** np.arange(np.ceil(np.log10(least)), np.floor(np.log10(most)) + 1)
    # Whatever the range, some ticks: decades, or the ends where there is none between them.
    ticks = decades if len(decades) > 1 else np.array([least, most])
    bar.set_ticks(list(ticks), labels=[f"{t:g}" if len(decades) > 1 else f"{t:.2g}" for t in ticks])
    bar.ax.minorticks_off()
    bar.set_label("energy gap in the plane")
    climb = figure.add_axes((0.67, 0.25, 0.29, 0.585))
    climb.plot(steps, gaps, color=BLACK)
    climb.axhline(gaps[0], color=FAINT, linestyle="--", linewidth=1.2, label="where it began")
    climb.set_yscale("log")
    climb.set_xlabel("epochs")
    climb.set_ylabel(r"energy gap $\Pi(\hat u) - \Pi(u)$")
    climb.set_title("The energy along the path")
    climb.legend(loc="upper right", bbox_to_anchor=(1.0, 0.2))
    return Page(title, caption, figure)


def roughness_page(scapes: Mapping[str, tuple[Landscape, str, str]], title: str, caption: str) -> Page:
    """Roughness by plane of several landscapes: name → (landscape, colour, marker)."""
    figure = Figure()
    axes = figure.add_axes((0.08, 0.25, 0.6, 0.6))
    names: Sequence[str] = ()
    blocks = [Text("median over the planes", 0.705, 0.46, 0.25, 12, colour=QUIET)]
    for k, (name, (scape, colour, marker)) in enumerate(scapes.items()):
        # Side by side, a little: where two agree both are seen.
        places = np.arange(len(scape.planes)) + 0.12 * (k - (len(scapes) - 1) / 2)
        axes.plot(places, scape.roughness, marker, color=colour, markersize=8, linestyle="none", label=name)
        median = float(np.median(scape.roughness))
        axes.axhline(median, color=colour, linewidth=1, alpha=0.6)
        names = [plane.label for plane in scape.planes]
        blocks.append(Text(f"{median:.1e}   {name}", 0.705, 0.42 - 0.035 * k, 0.25, 12, colour=colour))
    smooth = next(iter(scapes.values()))[0].parabola_roughness
    axes.axhline(smooth, color=BLACK, linestyle=":", linewidth=1.4, label="a parabola")
    axes.set_yscale("log")
    axes.set_xticks(range(len(names)), [n.removeprefix("eigenvectors ") for n in names], fontsize=11)
    axes.set_xlabel("plane of eigenvectors of the Hessian, counted from the largest eigenvalue")
    axes.set_ylabel("roughness")
    axes.set_title("Mean |second difference| ÷ range along the lines of each plane; lines are medians")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
    return Page(title, caption, figure, tuple(blocks))


def cuts_page(scapes: Mapping[str, tuple[Landscape, str]], planes: Sequence[int], title: str, caption: str) -> Page:
    """Cuts through θ* along the first direction of some planes: name → (landscape, colour)."""
    figure = Figure()
    axes = figure.subplots(1, len(planes))
    for ax, k in zip(np.atleast_1d(axes), planes, strict=True):
        for name, (scape, colour) in scapes.items():
            middle = len(scape.second) // 2
            cut = scape.values[k][:, middle]
            ax.plot(scape.first, cut - cut[middle], color=colour, linewidth=1.4, label=name)
        ax.set_title(f"along the first of {_name(next(iter(scapes.values()))[0], k)}", fontsize=12)
        ax.set_xlabel(_FIRST)
    figure.axes[0].set_ylabel(r"$\Pi - \Pi(\theta^*)$")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0.21), ncols=4)
    figure.subplots_adjust(left=0.075, right=0.975, top=0.87, bottom=0.29, wspace=0.28)
    return Page(title, caption, figure)


def _shown(scape: Landscape) -> Array:
    """Values above the least of each plane, (≤ 9, resolution, resolution)."""
    values = scape.values[:_MOST]
    return np.asarray(values - values.min((1, 2), keepdims=True))


def _name(scape: Landscape, plane: int) -> str:
    return scape.planes[plane].label
