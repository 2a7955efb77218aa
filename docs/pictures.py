"""Draw the pictures of the mathematics page from real runs: `nox -s pictures`, some two minutes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from kinkproof.reports.layout.style import BLACK, BLUE, GREEN, GREY, ORANGE, RED, look
from kinkproof.solver import convergence, fit, landscape, regress, solve
from kinkproof.verify import ShallowNetwork, exact_energy, exact_gradient, problems
from kinkproof.verify.backends.summation import grid_energy
from kinkproof.verify.discrete.quadrature import grid
from kinkproof.verify.files import write_whole
from matplotlib.figure import Figure

FOLDER = Path(__file__).parent / "pictures"
PROBLEM = problems["sine-2"]
WIDTH = 20
SIZE = (8.0, 3.6)  # inches


def moving_kink() -> Figure:
    """The energy while one kink of the best network of 8 neurons crosses the nodes of a grid."""
    best = solve(PROBLEM, width=8).network
    w, b, c = best.floats
    # The neuron whose kink stands where bulk and Dirac part are large and cancel.
    moved = int(np.argmin(np.abs(-b / w - 0.5)))
    nodes = grid("midpoint", 60)
    summed = grid_energy(PROBLEM, nodes, lambda z: np.maximum(z, 0))
    kinks = -b[moved] / w[moved] + np.linspace(-0.08, 0.08, 1281)
    networks = [ShallowNetwork(w, np.where(np.arange(8) == moved, -w * kink, b), c) for kink in kinks]
    on_grid = np.array([summed(network.ravel()) for network in networks])
    exact = np.array([exact_energy(PROBLEM, network) for network in networks])
    figure = Figure(SIZE)
    axes = figure.add_axes((0.1, 0.17, 0.86, 0.7))
    # The sum jumps where the kink meets a node; a line across would be a slope that no derivative has.
    on_grid[1:][np.diff(np.searchsorted(nodes.nodes, kinks)) > 0] = np.nan
    axes.plot(kinks, on_grid, color=RED, label="on 60 midpoints: what autodiff differentiates")
    axes.plot(kinks, exact, color=BLACK, label="the integral")
    axes.plot(nodes.nodes, np.full(60, axes.get_ylim()[0]), "|", color=GREY, markersize=12, label="nodes")
    axes.set_xlim(kinks[0], kinks[-1])
    axes.set_xlabel(r"position $\xi$ of one kink")
    axes.set_ylabel(r"energy $\Pi$")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=3)
    return figure


def where_autodiff_ends() -> Figure:
    """The kinks of one network while it is trained, with autodiff and with the exact gradient."""
    figure = Figure(SIZE)
    start = regress(PROBLEM, width=WIDTH, seeds=[0])
    for place, (gradient, title) in enumerate((("autodiff", "autodiff"), ("exact", "exact gradient"))):
        run = fit(PROBLEM, start=start, gradient=gradient, steps=10_000, record=50)
        w, b = run.history.parameters[:, 0, :WIDTH], run.history.parameters[:, 0, WIDTH : 2 * WIDTH]
        axes = figure.add_axes((0.08 + 0.47 * place, 0.17, 0.42, 0.7))
        # Where the flux κu′ of the solution vanishes.
        for zero in (0.25, 0.75):
            axes.axhline(zero, color=GREY, linestyle="--", linewidth=1.2)
        axes.plot(run.history.steps, -b / w, color=RED if gradient == "autodiff" else GREEN, linewidth=1.0)
        axes.set_ylim(0, 1)
        axes.set_xlim(0, 10_000)
        axes.set_xticks([0, 5_000, 10_000])
        axes.set_xlabel("step of ADAM")
        axes.set_title(f"{title}: gap {run.energy_gap[0]:.2g}")
        if not place:
            axes.set_ylabel(r"kinks $\xi$")
    return figure


def noise() -> Figure:
    """The energy along one eigenvector around a fit, on the grid and as the integral."""
    fitted = regress(PROBLEM, width=WIDTH, seeds=[0])
    figure = Figure(SIZE)
    axes = figure.add_axes((0.1, 0.17, 0.86, 0.76))
    for energy, colour, label in (("quadrature", RED, "on 200 midpoints"), ("exact", BLACK, "the integral")):
        scan = landscape(PROBLEM, fitted, [(1, 2)], radius=0.3, resolution=401, energy=energy)
        axes.plot(scan.first, scan.values[0, :, 200], color=colour, label=label, linewidth=1.4)
    axes.set_xlabel("step along the second eigenvector of the exact Hessian")
    axes.set_ylabel(r"energy $\Pi$")
    axes.legend(loc="best")
    return figure


def limit() -> Figure:
    """The least energy gap by width, and where training ends at width 20."""
    widths = (4, 6, 8, 12, 16, 20, 32, 64, 128)
    table = convergence(PROBLEM, widths)
    pieces = np.array([network.certificate.kinks + 1 for network in table.networks])
    gaps = np.array([network.energy_gap for network in table.networks])
    figure = Figure(SIZE)
    axes = figure.add_axes((0.1, 0.17, 0.86, 0.76))
    axes.loglog(widths, gaps, "o-", color=BLUE, label="solve")
    axes.loglog(widths, gaps[-1] * (pieces[-1] / pieces) ** 2.0, "--", color=GREY, label=r"order $n^{-2}$")
    for gradient, colour in (("autodiff", RED), ("exact", GREEN)):
        run = fit(PROBLEM, width=WIDTH, gradient=gradient, steps=10_000, record=10_000, seeds=range(8))
        where = np.full(8, WIDTH * 1.0)
        axes.loglog(where, run.energy_gap, "_", color=colour, markersize=16, markeredgewidth=2,
                    label=f"ADAM, {gradient}, 8 seeds")  # fmt: skip
    tanh = fit(PROBLEM, width=WIDTH, activation="tanh", steps=10_000, record=10_000, seeds=range(8))
    axes.loglog(np.full(8, WIDTH * 1.0), tanh.energy_gap, "_", color=ORANGE, markersize=16, markeredgewidth=2,
                label="ADAM, tanh, 8 seeds")  # fmt: skip
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.minorticks_off()
    axes.set_xlabel("neurons")
    axes.set_ylabel("energy gap")
    axes.legend(loc="lower left")
    return figure


def near_the_solution() -> Figure:
    """Each component of the exact gradient at the best network: bulk and Dirac part cancel."""
    best = solve(PROBLEM, width=WIDTH)
    gradient = exact_gradient(PROBLEM, best.network)
    order = np.argsort(-best.network.floats[1] / best.network.floats[0])
    figure = Figure(SIZE)
    axes = figure.add_axes((0.1, 0.17, 0.86, 0.7))
    axes.axhline(0, color=GREY, linewidth=1)
    for part, colour, mark, label in (
        (gradient.bulk, RED, "o", "bulk: what autodiff sees"),
        (gradient.dirac, BLUE, "s", "Dirac part: what it misses"),
        (gradient.total, BLACK, "x", "their sum"),
    ):
        axes.plot(np.arange(1, WIDTH + 1), part.hidden_biases[order], mark, color=colour, label=label, markersize=6)
    axes.set_xticks(range(1, WIDTH + 1))
    axes.set_xlabel("neuron, by the place of its kink")
    axes.set_ylabel(r"$\partial\Pi/\partial b_i$")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=3)
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "moving-kink": moving_kink,
    "near-the-solution": near_the_solution,
    "noise": noise,
    "where-autodiff-ends": where_autodiff_ends,
    "limit": limit,
}


def main(names: Iterable[str]) -> None:
    """Draw those named, or all of them."""
    for name in list(names) or PICTURES:
        draw = PICTURES[name]
        buffer = io.BytesIO()
        with look():
            draw().savefig(buffer, format="svg", metadata={"Date": None})
        write_whole(FOLDER / f"{name}.svg", buffer.getvalue())
        print(f"{name}.svg: {len(buffer.getvalue()) / 1024:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
