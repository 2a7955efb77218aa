"""One neuron times D: its derivatives as derived and as autodiff has them, the paper's figure 3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...solver.training.checks import Check
from ...verify.discrete.neuron import neuron_fields
from ...verify.discrete.quadrature import grid
from ...verify.statement.blocks import BLOCKS
from ...verify.statement.problem import RitzProblem
from ..layout.page import Page
from ..layout.style import BLACK, ORANGE

Array = NDArray[Any]

# w and c; the kink lies at this share of the domain. The paper's own values are not legible.
_WEIGHT, _OUTPUT, _KINK = 1.0, 1.0, 0.4
_POINTS = 50
# Sums of a handful of float64 numbers of size one.
_ROUNDING = 1e-12
# The mixed gradients with a δ, by their places in `NeuronComparison.panels`.
_SPIKED = (4, 5)


@dataclass(frozen=True, eq=False)
class NeuronComparison:
    """Seven fields of û = lift + D·c·max(0, wx + b), each on the nodes (n,).

    Attributes:
        parameters: w, b, c.
        nodes: (n,).
        panels: title and analytic field: û′, then ∂û/∂θ and ∂û′/∂θ by block, with δ as in Eq. (10).
        system: whose autodiff is beside them, "" if none that was judged shows its fields.
        autodiff: the same fields by it, empty if none.
    """

    parameters: tuple[float, float, float]
    nodes: Array
    panels: tuple[tuple[str, Array], ...]
    system: str
    autodiff: tuple[Array, ...]

    @property
    def gaps(self) -> list[float]:
        """Largest difference in each field."""
        pairs = zip(self.panels, self.autodiff, strict=True)
        return [float(np.abs(analytic - found).max()) for (_, analytic), found in pairs]

    @property
    def elsewhere(self) -> float:
        """Largest difference of all fields once the node of the spike is left out of the mixed ones."""
        w, b, _ = self.parameters
        spike = np.arange(len(self.nodes)) == np.argmin(np.abs(self.nodes + b / w))
        mixed = [np.abs(self.panels[k][1] - self.autodiff[k])[~spike].max() for k in _SPIKED]
        return float(max(*mixed, *(g for k, g in enumerate(self.gaps) if k not in _SPIKED)))

    @property
    def checks(self) -> list[Check]:
        """The claim of figure 3: only the mixed gradient differs, by the missing spike."""
        if not self.autodiff:
            return [Check("No system that was judged shows its fields: nothing was compared.", False)]
        gaps = self.gaps
        plain, spiked = max(gaps[:4] + gaps[6:]), [gaps[k] for k in _SPIKED]
        return [
            Check(
                f"The spatial derivative, all parameter gradients and ∂û′/∂c by {self.system} equal the analytic ones, "
                f"to {plain:.0e}.",
                plain <= _ROUNDING,
            ),
            Check(
                f"The mixed gradients ∂û′/∂w and ∂û′/∂b lack the spike at the kink, whose height on this grid is "
                f"{spiked[0]:.3g} and {spiked[1]:.3g}; at all other nodes they agree, to {self.elsewhere:.0e}.",
                min(spiked) > _ROUNDING >= self.elsewhere,
            ),
        ]


def compare_neuron(problem: RitzProblem, systems: Iterable[str]) -> NeuronComparison:
    """The fields of one neuron whose kink lies at four tenths of the domain, on 50 midpoints.

    Args:
        problem: gives D and lift.
        systems: AD systems that were judged; torch is asked to show its fields, else JAX.
    """
    left, right = (float(e) for e in problem.domain)
    w, b, c = _WEIGHT, -_WEIGHT * (left + _KINK * (right - left)), _OUTPUT
    mesh = grid("midpoint", _POINTS, problem.domain)
    exact = neuron_fields(problem, w, b, c, mesh)
    symbols = dict(zip(BLOCKS, "wbc", strict=True))
    panels = [(r"$\hat u′$, Eq. (6)", exact.spatial_gradient)]
    panels += [(rf"$\partial \hat u/\partial {symbols[n]}$, Eq. (7)", exact.parameter_gradients[n]) for n in BLOCKS]
    panels += [(rf"$\partial \hat u′/\partial {symbols[n]}$, Eq. (8)", exact.mixed_gradients[n]) for n in BLOCKS]
    system, fields = _autodiff_fields(systems)
    found: tuple[Array, ...] = ()
    if fields is not None:
        slope, parameter, mixed = fields(problem, np.array([w, b, c]), mesh.nodes)
        found = (slope, *parameter, *mixed)
    return NeuronComparison((w, b, c), mesh.nodes, tuple(panels), system, found)


def _autodiff_fields(systems: Iterable[str]) -> tuple[str, Any]:
    """A system that can show its fields, torch first as in the paper, and the function that does."""
    judged = set(systems)
    if "torch" in judged:
        from ...verify.systems import pytorch

        return "torch", pytorch.neuron_fields
    if "jax" in judged:
        from ...verify.systems import jax_transforms

        return "jax", jax_transforms.neuron_fields
    return "", None


def neuron_figure(compared: NeuronComparison, bottom: float = 0.22) -> Figure:
    """The seven panels, with room for text below `bottom`."""
    figure = Figure()
    axes = figure.subplots(2, 4, sharex=True)
    figure.subplots_adjust(left=0.06, right=0.97, top=0.86, bottom=bottom, wspace=0.32, hspace=0.35)
    places = [axes[0, 0], axes[0, 1], axes[0, 2], axes[0, 3], axes[1, 1], axes[1, 2], axes[1, 3]]
    for k, (ax, (title, analytic)) in enumerate(zip(places, compared.panels, strict=True)):
        ax.plot(compared.nodes, analytic, color=ORANGE, linewidth=3.2, label="analytic, with $\\delta_h$")
        if compared.autodiff:
            name = f"autodiff ({compared.system})"
            ax.plot(compared.nodes, compared.autodiff[k], color=BLACK, linestyle="--", linewidth=1.4, label=name)
        ax.set_title(title)
    for ax in axes[1]:
        ax.set_xlabel("$x$")
    axes[0, 0].set_xlabel("$x$")
    axes[0, 0].xaxis.set_tick_params(labelbottom=True)
    axes[1, 0].axis("off")
    handles, labels = places[0].get_legend_handles_labels()
    axes[1, 0].legend(handles, labels, loc="center", fontsize=12)
    return figure


def neuron_page(compared: NeuronComparison) -> Page:
    """The panels as a page of the discrepancy report."""
    w, b, c = compared.parameters
    caption = (
        f"One neuron times D on {_POINTS} midpoints, w = {w:g}, b = {b:g}, c = {c:g} (our choice; the paper's "
        "figure 3).\n"
    )
    if not compared.autodiff:
        caption += "Autodiff is not drawn beside it: that takes torch or JAX among the systems audited."
        return Page("One neuron: the mixed gradient has a spike at the kink", caption, neuron_figure(compared))
    if not all(check.holds for check in compared.checks):
        caption += " ".join(f"{'' if c.holds else 'Not so: '}{c.sentence}" for c in compared.checks)
        return Page("One neuron: as derived and as autodiff has it", caption, neuron_figure(compared))
    caption += (
        f"Only ∂û′/∂w and ∂û′/∂b differ: autodiff lacks the spike, whose height is {compared.gaps[5]:.3g} in "
        f"∂û′/∂b on this grid and grows with the points.\nEverywhere else the two agree to {compared.elsewhere:.0e}."
    )
    title = "One neuron: only the mixed gradient differs, by the missing spike"
    return Page(title, caption, neuron_figure(compared))
