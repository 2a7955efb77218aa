from __future__ import annotations

import numpy as np
import pytest
import sympy
from kinkproof.verify import InputError, PlaneNetwork, PlaneProblem, plane_problems
from kinkproof.verify.plane.cells import cells
from kinkproof.verify.plane.closed_form import cell_forms, closed_form_gradient, parameter_symbols
from kinkproof.verify.plane.energy import rational_energy
from kinkproof.verify.plane.gradient import rational_gradient

from .networks import DOMAINS, problem, rational_network


def still(domain: str, data: str) -> PlaneProblem:
    """A problem without terms on its edges, which the closed forms leave out."""
    asked = problem(domain, data).statement()
    edges = range(len(asked["domain"]))
    return PlaneProblem(**{**asked, "fluxes": dict.fromkeys(edges, 0), "essential": {}})


@pytest.mark.parametrize(
    ("domain", "data", "width"),
    [
        ("triangle", "plain", 4),
        *(pytest.param(d, k, 6, marks=pytest.mark.long) for d in DOMAINS for k in ("plain", "matrix", "varying")),
    ],
)
def test_closed_forms_are_the_exact_numbers_to_the_last_fraction(domain: str, data: str, width: int) -> None:
    asked, network = still(domain, data), rational_network(width, width)
    energy, gradient = closed_form_gradient(asked, network)
    exact = rational_gradient(asked, network)
    assert energy == exact.energy == rational_energy(asked, network)
    assert gradient.ravel().tolist() == exact.total.ravel().tolist()
    assert any(exact.dirac.ravel())


@pytest.mark.slow
def test_the_expression_of_each_cell_holds_wherever_the_cell_keeps_its_corners() -> None:
    asked, network = still("triangle", "plain"), rational_network(2, 2)
    moved = PlaneNetwork.from_vector(np.array([*network.ravel()]) + 1e-6)
    for at in (network, moved):
        values = {
            s: sympy.Rational(v.numerator, v.denominator)
            for i, row in enumerate(at.rationals)
            for s, v in zip(parameter_symbols(i), row, strict=True)
        }
        # The forms are those of the first network, also where the second one is put in.
        total = sum(form.expression().subs(values) for form in cell_forms(asked, network))
        assert sympy.Rational(str(rational_energy(asked, at))) == total


def test_kink_lines_along_diagonals_have_their_share_to_the_last_fraction() -> None:
    asked, network = still("box", "plain"), PlaneNetwork([[1, -1], [1, 1]], ["1/3", "-4/3"], [1, "1/2"])
    assert (
        closed_form_gradient(asked, network)[1].ravel().tolist()
        == rational_gradient(asked, network).total.ravel().tolist()
    )


def test_cells_fill_the_polygon() -> None:
    for domain in DOMAINS:
        asked, network = problem(domain, "plain"), rational_network(6, 1)
        found = cells(asked.domain, network.rationals)
        areas = []
        for cell in found:
            ends = zip(cell.corners, (*cell.corners[1:], cell.corners[0]), strict=True)
            areas.append(cell.sign * sum(a[0] * b[1] - a[1] * b[0] for a, b in ends) / 2)
        assert sum(areas) == asked.domain.area


def test_other_data_have_no_closed_form() -> None:
    with pytest.raises(InputError, match="closed forms for polynomials"):
        cell_forms(plane_problems["plane-sine"], rational_network(1, 1))
