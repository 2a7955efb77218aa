from __future__ import annotations

from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest
from kinkproof.verify import PlaneNetwork, exact_gradient, plane_problems
from kinkproof.verify.plane import gradient as gradients
from kinkproof.verify.plane.corners import corner_gradient
from kinkproof.verify.plane.degeneracies import clearance
from kinkproof.verify.plane.scanlines import scanline_gradient

from .networks import DATA, DOMAINS, directional_difference, problem, rational_network

# Gauss points each way: polynomials of our degrees are integrated exactly, waves and exponentials to rounding.
_POINTS = 12


def _away_from_degeneracies(domain: str, data: str, width: int, seed: int) -> tuple[Any, PlaneNetwork]:
    asked, network = problem(domain, data), rational_network(width, seed)
    while clearance(asked, network) < 1e-9:
        # Small fractions draw the same line twice now and then.
        seed += 1000
        network = rational_network(width, seed)
    return asked, network


def apart(domain: str, data: str, width: int, seed: int) -> tuple[float, float]:
    """How far the two other derivations are from the gradient and its energy, by the norm."""
    asked, network = _away_from_degeneracies(domain, data, width, seed)
    found = exact_gradient(asked, network)
    vector = found.total.ravel()
    size, out = np.linalg.norm(vector), []
    for route in (corner_gradient, scanline_gradient):
        energy, gradient = route(asked, network, points=_POINTS)
        out.append(max(np.abs(gradient.ravel() - vector).max() / size, abs(energy - found.energy) / size))
    return out[0], out[1]


@pytest.mark.parametrize("domain", DOMAINS)
def test_three_derivations_agree_in_float64(domain: str) -> None:
    for seed, data in enumerate(DATA):
        # Rounding: some tens of cells, each with numbers of the size of the whole.
        assert max(apart(domain, data, 2 + seed // 2, seed)) < 1e-12


@pytest.mark.long
def test_three_derivations_and_differences_agree_for_200_random_networks() -> None:
    worst, seen = 0.0, 0
    grid = [(domain, data) for domain in DOMAINS for data in DATA]
    for seed in range(200):
        domain, data = grid[seed % len(grid)]
        worst = max(worst, *apart(domain, data, 1 + seed % 12, seed))
        asked, network = _away_from_degeneracies(domain, data, 1 + seed % 12, seed)
        gradient = exact_gradient(asked, network).total.ravel()
        direction, difference = directional_difference(asked, network)
        size = np.linalg.norm(gradient) * np.linalg.norm(direction)
        worst = max(worst, abs(gradient @ direction - difference) / size)
        seen += 1
    assert seen == 200
    assert worst < 1e-12


def _digits_apart(domain: str, data: str, width: int, seed: int, points: int) -> tuple[Any, Any]:
    asked, network = problem(domain, data), rational_network(width, seed)
    vector = exact_gradient(asked, network, digits=50).total.ravel()
    out = []
    with mpmath.workdps(60):
        size = mpmath.sqrt((vector**2).sum())
        for route in (corner_gradient, scanline_gradient):
            _, gradient = route(asked, network, digits=50, points=points)
            out.append(np.abs(gradient.ravel() - vector).max() / size)
    return out[0], out[1]


def test_three_derivations_agree_to_forty_digits() -> None:
    assert max(_digits_apart("box", "matrix", 2, 1, 3)) < mpmath.mpf(10) ** -40


@pytest.mark.long
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("data", DATA)
def test_three_derivations_agree_to_forty_digits_everywhere(domain: str, data: str) -> None:
    smooth = data in ("waves", "exponential")
    found = _digits_apart(domain, data, 1 if smooth else 3, 5, 48 if smooth else 6)
    assert max(found) < mpmath.mpf(10) ** -40


@pytest.mark.parametrize("name", plane_problems)
def test_they_agree_on_the_named_problems_for_a_network_that_was_not_made_for_them(name: str) -> None:
    asked, network = plane_problems[name], PlaneNetwork.random(5, 7)
    vector = exact_gradient(asked, network).total.ravel()
    for route in (corner_gradient, scanline_gradient):
        # The sines need some more points than the polynomials.
        _, gradient = route(asked, network, points=16)
        assert np.abs(gradient.ravel() - vector).max() < 1e-12 * np.linalg.norm(vector)


def test_level_kinks_have_no_crossings_with_level_lines_and_are_found_all_the_same() -> None:
    network = PlaneNetwork([[1, 0], [0, 1], [0, 0]], ["-1/3", "-2/5", 1], [1, 2, "1/2"])
    asked = problem("dart", "varying")
    vector = exact_gradient(asked, network).total.ravel()
    for route in (corner_gradient, scanline_gradient):
        _, gradient = route(asked, network)
        assert np.abs(gradient.ravel() - vector).max() < 1e-12 * np.linalg.norm(vector)


# Along ways between corners: one of the square, both, in the L from the first corner, and with one that is not heard.
ALONG_WAYS: dict[str, tuple[str, PlaneNetwork]] = {
    "one": ("plane-sine", PlaneNetwork([[1, -1], [1, "1/2"]], [0, "-1/3"], [1, 2])),
    "all": ("plane-anisotropic", PlaneNetwork([[1, -1], [1, 1], [1, "1/2"]], [0, -1, "-1/3"], [1, 2, 1])),
    "inwards": ("plane-l-shape", PlaneNetwork([[1, -1], [1, "1/2"]], [0, "-1/3"], [1, 2])),
    "twice": ("plane-polynomial", PlaneNetwork([[2, -2], [1, -1], [1, 1]], [0, 0, "-1/3"], [0, 1, 2])),
    # As many ways as a corner has, and the first points beside it.
    "crowded": (
        "plane-polynomial",
        PlaneNetwork([[1, -1], [1, 1], [1, -3], [1, 0]], [0, -1, 0, "-1/3"], [1, 2, 1, "1/2"]),
    ),
}


@pytest.mark.parametrize(("name", "network"), ALONG_WAYS.values(), ids=ALONG_WAYS)
def test_a_kink_line_along_a_way_between_two_corners_moves_as_any_other(name: str, network: PlaneNetwork) -> None:
    # Triangles with such a line for a side that stands still lost its Dirac term: 4e-3 to 2e-1 of the gradient.
    asked = plane_problems[name]
    vector = exact_gradient(asked, network).total.ravel()
    for route in (corner_gradient, scanline_gradient):
        _, gradient = route(asked, network, points=16)
        assert np.abs(gradient.ravel() - vector).max() < 1e-12 * np.linalg.norm(vector)


@pytest.mark.parametrize("fault", ["no Dirac term", "one side for the mean", "axes swapped", "wrong sign"])
def test_a_fault_in_the_gradient_is_seen_by_both(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = gradients.parts

    def wrong(functions: Any, pairs: Any, lines: Any, outer: Any, numbers: str) -> tuple[Any, Any]:
        bulk, dirac = right(functions, pairs, lines, outer, numbers)
        if fault == "no Dirac term":
            return bulk, 0 * dirac
        if fault == "one side for the mean":
            line = pairs.line.copy()
            own = np.arange(len(outer))
            line[own, own] *= 2
            return right(functions, replace(pairs, line=line), lines, outer, numbers)
        if fault == "axes swapped":
            width = len(outer)
            weights = dirac[: 2 * width].reshape(width, 2)[:, ::-1].ravel()
            return bulk, np.concatenate([weights, dirac[2 * width :]])
        return bulk, -dirac

    monkeypatch.setattr(gradients, "parts", wrong)
    assert min(apart("L", "matrix", 4, 3)) > 1e-4
