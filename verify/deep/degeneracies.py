"""Places where the energy of a deep network has no derivative, and how far away the nearest is (MATH 5)."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from ..errors import Degeneracy, NondifferentiableError
from .integrands import Integrand, near_place
from .regions import LinearRegions


def degeneracies(integrand: Integrand, regions: LinearRegions, order: int = 1) -> tuple[Degeneracy, ...]:
    """All of them, exact; of kinks that nothing hears none is one."""
    out = []
    for stretch in regions.dead:
        if stretch.heard:
            middle = float((regions.marks[stretch.region] + regions.marks[stretch.region + 1]) / 2)
            kind = "pre-activation zero on an interval"
            out.append(Degeneracy(kind, (stretch.neuron,), middle, 0.0, (), (stretch.layer,)))
    for mark, group in groupby((k for k in regions.kinks if k.heard), key=lambda k: k.mark):
        kinks = list(group)
        who = tuple(k.neuron for k in kinks), tuple(k.layer for k in kinks)
        position = kinks[0].position
        fixed = near_place(integrand, position, order)
        if fixed is not None:
            out.append(Degeneracy(fixed[0], who[0], float(position), 0.0, (), who[1]))
        inner = 0 < mark < regions.count
        # Where D vanishes no first derivative sees a kink; second ones would need the jump of each kink by itself.
        if inner and len(kinks) > 1 and (order == 2 or not integrand.invisible(position)):
            out.append(Degeneracy("coincident kinks", who[0], float(position), 0.0, (), who[1]))
    return tuple(out)


def refuse_degenerate(integrand: Integrand, regions: LinearRegions, order: int = 1) -> None:
    """Raise `NondifferentiableError` if a derivative of this order does not exist."""
    found = degeneracies(integrand, regions, order)
    if found:
        what = "derivative" if order == 1 else "Hessian"
        listed = "; ".join(map(str, found[:3])) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
        raise NondifferentiableError(f"the energy has no {what} here ({listed}); move the named neurons apart", found)


def clearance(integrand: Integrand, regions: LinearRegions, order: int = 1) -> float:
    """Distance in x to the nearest such place; infinite if there is none.

    Between neighbouring kinks, from a kink to an end or interface, or from a breakpoint of earlier layers to where a
    pre-activation of a later one would vanish.
    """
    places = np.array([float(k.position) for k in regions.kinks if k.heard and 0 < k.mark < regions.count])
    inner, *ends = regions.touching
    out = min(inner, float(np.diff(places).min(initial=np.inf)))
    for _, fixed in integrand.places(order):
        if fixed in integrand.domain:
            out = min(out, ends[integrand.domain.index(fixed)])
        out = min(out, float(np.abs(places - float(fixed)).min(initial=np.inf)))
    return out
