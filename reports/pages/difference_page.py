"""Finite differences on a fixed grid against their step, with the adviser's choice marked (MATH 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...solver.data.statement import mesh
from ...solver.networks.architecture import Architecture
from ...solver.networks.closed_form import closed_form
from ...solver.networks.differences import advise_step, central_differences
from ...solver.networks.energies import Energy, grid_energy
from ...verify.systems.findings import Audit
from ...verify.systems.study import family
from ..layout.page import Page
from ..layout.style import BLACK, BLUE, LEAST, RED

Array = NDArray[Any]

_STEPS = np.logspace(-6, 0, 49)
_POINTS = (200, 1_000)


@dataclass(frozen=True, eq=False)
class DifferenceSweep:
    """Relative errors of central differences against the exact gradient, by step.

    Attributes:
        steps: ε, (S,).
        points: n of the grids, (K,).
        errors: on four neighbouring grids of n to 1.3 n points each, (K, 4, S).
        exact_errors: with the exact integral in place of the grid, (S,): truncation and rounding alone.
        advised: the adviser's ε on the grid of n points, (K,).
        advised_errors: the median error of the four grids there, (K,).
        autodiff: error of the derivative of the sum on the first grids, (K,).
    """

    steps: Array
    points: tuple[int, ...]
    errors: Array
    exact_errors: Array
    advised: Array
    advised_errors: Array
    autodiff: Array


def difference_sweep(audit: Audit) -> DifferenceSweep:
    """Central differences of the audit's problem at its network, for all steps at once."""
    problem, target = audit.problem, audit.exact.total.ravel()
    architecture = Architecture.of(audit.network.width, "relu")
    theta = torch.tensor(audit.network.ravel()[None])
    cpu = torch.device("cpu")

    # Where nothing is to be found, a silent network's gradient, errors are absolute.
    scale = float(np.linalg.norm(target)) or 1.0

    def errors(energy: Energy, steps: Array) -> Array:
        found = central_differences(energy, theta.expand(len(steps), -1), torch.tensor(steps)).numpy()
        return np.asarray(np.linalg.norm(found - target, axis=-1) / scale)

    swept, advised, at_advice, autodiff = [], [], [], []
    for n in _POINTS:
        sizes = [len(g.nodes) for g in family(audit.rule, n, problem.domain)]
        meshes = [mesh(problem, audit.rule, size, torch.float64, cpu) for size in sizes]
        energies = [grid_energy(problem, architecture, m) for m in meshes]
        swept.append([errors(e, _STEPS) for e in energies])
        step = advise_step(problem, architecture, theta, meshes[0]).step.numpy()
        advised.append(step[0])
        at_advice.append(np.median([errors(e, step) for e in energies]))
        leaf = theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(energies[0](leaf).sum(), leaf)
        autodiff.append(np.linalg.norm(gradient[0].numpy() - target) / scale)
    exact = closed_form(problem, architecture)
    return DifferenceSweep(
        _STEPS, _POINTS, np.array(swept), errors(exact.energy, _STEPS), np.array(advised), np.array(at_advice),
        np.array(autodiff),
    )  # fmt: skip


def _limits(sweep: DifferenceSweep) -> tuple[float, float]:
    """Where the axis ends: below what the integral leaves, and below what is zero where nothing else is."""
    errors = [sweep.exact_errors, sweep.errors, sweep.autodiff]
    seen = max(float(e.max()) for e in errors) > 1e-12
    bottom = max(1e-12, 0.3 * float(sweep.exact_errors.min())) if seen else LEAST / 10
    return bottom, 3 * max(LEAST, *(float(e.max()) for e in errors))


def difference_page(audit: Audit) -> Page:
    """The sweep as a page of the discrepancy report."""
    sweep = difference_sweep(audit)
    figure = Figure()
    axes = figure.subplots(1, len(sweep.points), sharey=True)
    figure.subplots_adjust(left=0.075, right=0.975, top=0.87, bottom=0.28, wspace=0.1)
    for k, (ax, n) in enumerate(zip(axes, sweep.points, strict=True)):
        ax.set_xscale("log")
        ax.set_yscale("log")
        # Beforehand: what is zero everywhere has no range to be chosen by.
        ax.set_ylim(*_limits(sweep))
        of_n, of_integral = np.maximum(sweep.errors[k], LEAST), np.maximum(sweep.exact_errors, LEAST)
        ax.fill_between(
            sweep.steps, of_n.min(0), of_n.max(0), color=BLUE, alpha=0.25, linewidth=0, label="all of four grids"
        )
        ax.plot(sweep.steps, np.median(of_n, 0), color=BLUE, label="differences on the grid, median")
        ax.plot(
            sweep.steps, of_integral, color=BLACK, linestyle="--", linewidth=1.2, label="differences of the integral"
        )
        ax.axhline(max(sweep.autodiff[k], LEAST), color=RED, linestyle=":", linewidth=1.8, label="autodiff on the grid")
        at_advice = max(sweep.advised_errors[k], LEAST)
        ax.plot(sweep.advised[k], at_advice, "D", color=BLACK, markersize=9, label="adviser's step")
        ax.set_xlabel(r"step $\varepsilon$")
        ax.set_title(f"n = {n:,} points ({audit.rule})")
    axes[0].set_ylabel("relative error of the gradient")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.52, 0.205), ncols=5)
    said = "; ".join(
        f"n = {n:,}: ε = {step:.2g}, error {error:.1e} (autodiff {autodiff:.1e})"
        for n, step, error, autodiff in zip(
            sweep.points, sweep.advised, sweep.advised_errors, sweep.autodiff, strict=True
        )
    )
    caption = (
        "A step far below the spacing gives autodiff's gradient, or wild values where a kink crosses a node; a long "
        f"one truncates. The adviser's choice: {said}.\nDashed: the same differences of the exact integral, which have "
        "truncation and rounding only."
    )
    return Page("Finite differences against the step", caption, figure)
