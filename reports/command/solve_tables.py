"""What `kinkproof solve` prints: one network with its certificate, or a convergence table."""

from __future__ import annotations

import numpy as np
from rich.markup import escape
from rich.table import Table

from ...solver.free_knots.widths.convergence_table import Convergence
from ...solver.free_knots.widths.optimum import BestNetwork
from ...verify.statement.problem import RitzProblem
from .terminal import Column, show_table, terminal

_YES, _NO = "[green]✓[/green]", "[red]✗[/red]"


def certificate_table(problem: RitzProblem, best: BestNetwork) -> None:
    """The energy gap beside the limit, and what is certified about it, a line each."""
    console, certificate = terminal(), best.certificate
    console.print(
        f"“{escape(problem.name)}”: {best.network.width} neurons, {certificate.kinks} kinks inside the domain, "
        f"{best.iterations} Newton steps"
    )
    table = Table.grid(padding=(0, 3))
    table.add_row("", "energy gap", f"{best.energy_gap:.6g}")
    table.add_row("", "relative error", f"{best.relative_error:.4g}")
    if certificate.bound is not None:
        share = f", reached to {best.energy_gap / certificate.bound - 1:.1e}" if certificate.bound > 0 else ""
        table.add_row("", f"best with {certificate.width} free kinks", f"{certificate.bound:.6g}{share}")
        if certificate.bound_reached is False:
            why = "by no facing of these neurons found: as good as is known, not proven"
            table.add_row("", "this bound is not reached", why)
    table.add_row("", f"limit for {certificate.kinks + 1} pieces", f"{certificate.limit:.6g}, to leading order")
    gradient = f"gradient {certificate.stationarity:.1e} of its terms"
    table.add_row(_mark(certificate.is_stationary), "stationary", gradient)
    curvature = certificate.smallest_curvature
    lowest = f"smallest curvature {curvature:.3g}" if np.isfinite(curvature) else "no kink could move"
    table.add_row(_mark(certificate.is_minimum), "minimum", lowest)
    if certificate.reference is None:
        table.add_row("–", "none better known", "not looked for: too many kinks for a grid, or none")
    else:
        at = "of this width" if certificate.compared == "width" else "of so many kinks"
        found = f"dynamic programming, {at}: {certificate.reference:.6g}"
        table.add_row(_mark(not certificate.better_known), "none better known", found)
    console.print(table)
    for failure in certificate.failures:
        console.print(f"[red]{failure}[/red]")
    if not best.converged:
        console.print(f"[red]no convergence in {best.iterations} Newton steps: the best so far[/red]")


def convergence_table(problem: RitzProblem, convergence: Convergence) -> None:
    """Width, energy gap, limit and observed order, a line each."""
    console = terminal()
    heads = ("neurons", "kinks", "energy gap", "gap ÷ limit", "order", "steps", "")
    rows = []
    for best, order in zip(convergence.networks, convergence.orders, strict=True):
        certificate = best.certificate
        share = best.energy_gap / certificate.limit if certificate.limit else None
        rows.append(
            [
                f"{best.network.width:,}",
                f"{certificate.kinks:,}",
                f"{best.energy_gap:.4e}",
                "–" if share is None else f"{share:.4f}",
                "–" if order is None else f"{order:.3f}",
                str(best.iterations),
                _mark(best.converged and certificate.holds),
            ]
        )
    show_table(console, [Column(h) for h in heads], rows, f"Best ReLU networks for “{escape(problem.name)}”")
    if convergence.order is not None:
        console.print(f"Order over all widths, least squares: {convergence.order:.3f}")
    console.print("gap ÷ limit: to leading order, for as many pieces. ✓: the certificate holds.")


def _mark(holds: bool) -> str:
    return _YES if holds else _NO
