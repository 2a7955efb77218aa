"""What `kinkproof oracles` prints."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from ...verify.oracles.case import Case
from ...verify.oracles.pack import Pack
from .tables import terminal


def pack_table(packs: Mapping[str, Pack]) -> None:
    """Name, number of cases and purpose of each shipped pack."""
    table = Table("pack", "cases", "what")
    for name, pack in packs.items():
        table.add_row(name, str(len(pack)), pack.about)
    terminal().print(table)


def case_list(pack: Pack) -> None:
    """The cases of a pack."""
    table = Table("case", "N", "what", title=f"{pack.name}: {pack.about}")
    for case in pack:
        # Of several hidden layers the neurons of each: 4-4-3.
        table.add_row(case.id, "-".join(map(str, case.widths)), case.about)
    terminal().print(table)


def case_values(case: Case) -> None:
    """Problem, parameters, energy and gradient of one case, to the digits of float64."""
    console = terminal()
    console.print(f"[bold]{case.id}[/bold]: {case.about}")
    stated = {k: v for k, v in case.problem.items() if v not in ({}, "0")}
    if "density" in case.record:
        # The problem's integrand is not what is integrated.
        stated = {"density": case.density} | {k: v for k, v in stated.items() if k not in ("coefficient", "source")}
    console.print("; ".join(f"{k} = {v}" for k, v in stated.items()), highlight=False)
    console.print(f"energy {case.energy!r}, nearest place without a derivative {case.distance:.3g} away")
    parts = {"from below": case.one_sided[0], "from above": case.one_sided[1]}
    if case.differentiable:
        parts = {n: getattr(case.gradient, n) for n in ("bulk", "dirac", "total")}
    table = Table("parameter", "value", *(f"∂E, {n}" for n in parts))
    vectors = {n: p.ravel() for n, p in parts.items()}
    for k, exact in enumerate(case.exact_parameters):
        table.add_row(case.component(k), exact, *(repr(float(v[k])) for v in vectors.values()))
    console.print(table)
