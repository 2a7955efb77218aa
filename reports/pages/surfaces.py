"""Nine planes of an energy landscape on a page: as surfaces, as contours, and in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ...solver.landscapes.landscapes import Landscape
from .style import BLACK, Page

Array = NDArray[Any]

# Perceptually uniform and made for colour-vision deficiencies.
_COLOURS = "cividis"
# Facets of a surface along each side: what still shows single nodes being crossed, in a file of a few megabytes.
_FACETS = 50
_LEVELS = 14
_ROWS, _COLUMNS = 3, 3


def surface_page(scape: Landscape, title: str, caption: str, bottom: float = 0.17) -> Page:
    """The first nine planes as surfaces of energy above the least value drawn, with room for text below `bottom`."""
    figure = Figure()
    for k, values in enumerate(_shown(scape)):
        axes: Any = figure.add_subplot(_ROWS, _COLUMNS, k + 1, projection="3d")
        first, second = np.meshgrid(scape.first, scape.second, indexing="ij")
        axes.plot_surface(
            first, second, values, cmap=_COLOURS, rcount=_FACETS, ccount=_FACETS, linewidth=0, antialiased=False
        )
        axes.set_box_aspect(None, zoom=1.12)
        axes.set_title(_name(scape, k), fontsize=9.5, y=1.02, pad=0)
        axes.tick_params(labelsize=7, pad=-2)
        axes.view_init(elev=32, azim=-55)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_major_locator(MaxNLocator(3))
    figure.subplots_adjust(left=0.02, right=0.97, top=0.9, bottom=bottom, wspace=0.02, hspace=0.16)
    return Page(title, caption, figure)


def contour_page(scape: Landscape, title: str, caption: str) -> Page:
    """The first nine planes as contours, θ* marked and a path drawn where there is one."""
    figure = Figure()
    axes = figure.subplots(_ROWS, _COLUMNS)
    for k, (ax, values) in enumerate(zip(axes.flat, _shown(scape), strict=False)):
        draw_contours(ax, scape, k, values)
        ax.set_title(_name(scape, k), fontsize=10)
        ax.tick_params(labelsize=8)
    for ax in axes.flat[len(scape.planes) :]:
        ax.axis("off")
    figure.subplots_adjust(left=0.06, right=0.97, top=0.87, bottom=0.2, wspace=0.3, hspace=0.42)
    return Page(title, caption, figure)


def draw_contours(axes: Any, scape: Landscape, plane: int, values: Array) -> None:
    """One plane: values (resolution, resolution) with α upwards in the first index."""
    # Levels dense where the bowl is flat: equal steps of the root are equal steps of distance in a parabola.
    levels = np.unique(np.linspace(0, np.sqrt(values.max()), _LEVELS) ** 2)
    # A plane that is constant to the last bit has one level, and no areas.
    if len(levels) > 1:
        filled = axes.contourf(scape.first, scape.second, values.T, levels=levels, cmap=_COLOURS)
        # Viewers show seams between filled areas that have no edges.
        filled.set_edgecolor("face")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.plot(0, 0, "+", color="white", markersize=9, markeredgewidth=1.6)
    path = scape.planes[plane].path
    if path is not None:
        axes.plot(path[:, 0], path[:, 1], color="white", linewidth=1.2)
        axes.plot(path[-1, 0], path[-1, 1], "o", color="white", markersize=5)
    axes.grid(visible=False)


def path_page(scape: Landscape, title: str, caption: str) -> Page:
    """One plane alone, with the path in it."""
    figure = Figure()
    axes = figure.add_axes((0.3, 0.22, 0.42, 0.64))
    draw_contours(axes, scape, 0, _shown(scape)[0])
    axes.set_title(scape.planes[0].label)
    axes.set_xlabel(r"$\alpha$")
    axes.set_ylabel(r"$\beta$")
    return Page(title, caption, figure)


def roughness_page(scapes: Mapping[str, tuple[Landscape, str, str]], title: str, caption: str) -> Page:
    """Roughness by plane of several landscapes: name → (landscape, colour, marker)."""
    figure = Figure()
    axes = figure.add_axes((0.09, 0.25, 0.6, 0.6))
    names: Sequence[str] = ()
    for name, (scape, colour, marker) in scapes.items():
        places = range(len(scape.planes))
        axes.plot(places, scape.roughness, marker, color=colour, markersize=9, linestyle="none", label=name)
        median = float(np.median(scape.roughness))
        axes.axhline(median, color=colour, linewidth=1, alpha=0.6)
        names = [plane.label for plane in scape.planes]
    smooth = next(iter(scapes.values()))[0].parabola_roughness
    axes.axhline(smooth, color=BLACK, linestyle=":", linewidth=1.4, label="a parabola")
    axes.set_yscale("log")
    axes.set_xticks(range(len(names)), [n.removeprefix("eigenvectors ") for n in names], fontsize=9.5)
    axes.set_xlabel("plane of eigenvectors of the Hessian, counted from the largest eigenvalue")
    axes.set_ylabel("roughness")
    axes.set_title("Mean |second difference| ÷ range along the lines of each plane; lines are medians")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=10.5)
    figure.text(0.705, 0.42, "median over the planes", fontsize=10, color="#555555")
    for k, (name, (scape, colour, _)) in enumerate(scapes.items()):
        text = f"{float(np.median(scape.roughness)):.1e}   {name}"
        figure.text(0.705, 0.385 - 0.032 * k, text, fontsize=10, color=colour)
    return Page(title, caption, figure)


def cuts_page(scapes: Mapping[str, tuple[Landscape, str]], planes: Sequence[int], title: str, caption: str) -> Page:
    """Cuts through θ* along the first direction of some planes: name → (landscape, colour)."""
    figure = Figure()
    axes = figure.subplots(1, len(planes))
    for ax, k in zip(np.atleast_1d(axes), planes, strict=True):
        for name, (scape, colour) in scapes.items():
            middle = len(scape.second) // 2
            cut = scape.values[k][:, middle]
            ax.plot(scape.first, cut - cut[middle], color=colour, linewidth=1.4, label=name)
        ax.set_title(f"along the first of {_name(next(iter(scapes.values()))[0], k)}", fontsize=10)
        ax.set_xlabel(r"$\alpha$")
    figure.axes[0].set_ylabel(r"$\Pi - \Pi(\theta^*)$")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0.2), ncols=4)
    figure.subplots_adjust(left=0.075, right=0.975, top=0.86, bottom=0.3, wspace=0.28)
    return Page(title, caption, figure)


def _shown(scape: Landscape) -> Array:
    """Values above the least of each plane, (≤ 9, resolution, resolution)."""
    values = scape.values[: _ROWS * _COLUMNS]
    return np.asarray(values - values.min((1, 2), keepdims=True))


def _name(scape: Landscape, plane: int) -> str:
    return scape.planes[plane].label
