"""What `kinkproof oracles` prints."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape

from ...verify.oracles.case import Case
from ...verify.oracles.pack import Pack
from .terminal import Column, show_table, terminal


def pack_table(packs: Mapping[str, Pack]) -> None:
    """Name, number of cases and purpose of each shipped pack."""
    columns = [Column("pack", "left"), Column("cases"), Column("what", "left", prose=True)]
    show_table(terminal(), columns, [[name, str(len(pack)), escape(pack.about)] for name, pack in packs.items()])


def case_list(pack: Pack) -> None:
    """The cases of a pack."""
    columns = [Column("case", "left"), Column("N"), Column("what", "left", prose=True)]
    # Of several hidden layers the neurons of each: 4-4-3.
    rows = [[escape(case.id), "-".join(map(str, case.widths)), escape(case.about)] for case in pack]
    show_table(terminal(), columns, rows, escape(f"{pack.name}: {pack.about}"))


def case_values(case: Case) -> None:
    """Problem, parameters, energy and gradient of one case, to the digits of float64."""
    console = terminal()
    console.print(f"[bold]{escape(case.id)}[/bold]: {escape(case.about)}")
    stated = {k: v for k, v in case.problem.items() if v not in ({}, "0")}
    if "density" in case.record:
        # The problem's integrand is not what is integrated.
        stated = {"density": case.density} | {
            k: v for k, v in stated.items() if k not in ("coefficient", "source", "reaction")
        }
    # Formulas are broken by the terminal alone, so that they can be copied whole.
    console.print(escape("; ".join(f"{k} = {v}" for k, v in stated.items())), highlight=False, soft_wrap=True)
    console.print(f"energy {case.energy!r}, nearest place without a derivative {case.distance:.3g} away")
    parts = {"from below": case.one_sided[0], "from above": case.one_sided[1]}
    if case.differentiable:
        parts = {n: getattr(case.gradient, n) for n in ("bulk", "dirac", "total")}
    columns = [Column("parameter", "left"), Column("value"), *(Column(f"∂E, {n}") for n in parts)]
    vectors = [p.ravel() for p in parts.values()]
    rows = [
        [escape(case.component(k)), exact, *(repr(float(v[k])) for v in vectors)]
        for k, exact in enumerate(case.exact_parameters)
    ]
    show_table(console, columns, rows)
