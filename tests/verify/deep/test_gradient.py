"""Energy and gradient of deep networks: against one layer's closed form, differences, 50 digits, and by hand."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
import torch
from kinkproof.verify import (
    DeepNetwork,
    Density,
    InputError,
    RitzProblem,
    ShallowNetwork,
    exact_energy,
    exact_gradient,
    problems,
)
from kinkproof.verify.deep import kink_motion
from kinkproof.verify.statement.expressions import X

from .networks import FREE, QUARTIC, STATEMENTS, WIDE, two_layers


@pytest.mark.parametrize("problem", STATEMENTS, ids=lambda p: p.name)
@pytest.mark.parametrize("digits", [None, 40])
def test_one_layer_is_the_closed_form_of_one_layer(problem: RitzProblem, digits: int | None) -> None:
    shallow = ShallowNetwork.random(6, seed=3)
    expected = exact_gradient(problem, shallow, digits)
    found = exact_gradient(problem, DeepNetwork.from_shallow(shallow), digits)
    scale = float(np.abs(expected.bulk.ravel()).max())
    # Float64: sums in another order, a few roundings of the parts that cancel.
    tolerance = scale * (1e-14 if digits is None else mpmath.mpf(10) ** -38)
    for part in ("bulk", "dirac", "total"):
        apart = np.abs(getattr(found, part).ravel() - getattr(expected, part).ravel())
        assert apart.max() <= tolerance, part
    assert abs(found.energy - expected.energy) <= tolerance
    assert abs(exact_energy(problem, DeepNetwork.from_shallow(shallow), digits) - expected.energy) <= tolerance
    assert found.route == expected.route


@pytest.mark.parametrize("density", [None, QUARTIC, "sqrt(1 + du**2) + exp(u)*x"])
@pytest.mark.parametrize("widths", [(4,), (3, 4), (4, 3, 3), (3, 2, 3, 2)])
def test_float64_against_differences_of_float64_energies(widths: tuple[int, ...], density: str | None) -> None:
    network = DeepNetwork.random(widths, seed=6, output_bias=True)
    found = exact_gradient(WIDE, network, density=density).total.ravel()
    step, quotients = 1e-6, []
    for k in range(len(found)):
        ends = []
        for sign in (1, -1):
            vector = network.ravel()
            vector[k] += sign * step
            ends.append(exact_energy(WIDE, DeepNetwork.from_vector(vector, widths, True), density=density))
        quotients.append((ends[0] - ends[1]) / (2 * step))
    # Rounding of the energy over the step: 1e-16 / 1e-6, and the step's square.
    np.testing.assert_allclose(quotients, found, atol=3e-9 * np.abs(found).max() + 1e-9)


def _sweep_errors(seeds: range) -> list[float]:
    out = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        widths = [int(n) for n in generator.integers(1, 33, 1 + seed % 4)]
        network, problem = DeepNetwork.random(widths, seed), STATEMENTS[seed % len(STATEMENTS)]
        density = QUARTIC if seed % 3 == 0 else None
        few, many = (exact_gradient(problem, network, d, density) for d in (None, 50))
        expected = many.total.ravel().astype(float)
        largest = np.abs(expected).max()
        # A network that is closed on the whole domain has an energy without a slope: exactly so in either precision.
        apart = np.abs(few.total.ravel() - expected).max()
        out.append(float(apart / largest) if largest else float(apart))
        assert abs(few.energy - float(many.energy)) <= 1e-13 * (1 + abs(few.energy))
    return out


def test_float64_is_right_to_rounding() -> None:
    # 3e-14 was the worst of 200 random networks, 4e-16 the median.
    assert max(_sweep_errors(range(0, 24, 2))) <= 1e-12


@pytest.mark.long
def test_float64_is_right_to_rounding_on_200_networks() -> None:
    errors = _sweep_errors(range(200))
    assert max(errors) <= 1e-12
    assert float(np.median(errors)) <= 5e-15


def test_the_dirac_part_is_the_jump_formula() -> None:
    for density in (None, QUARTIC):
        found = exact_gradient(problems["sine-2"], two_layers(), density=density)
        kinks, motion = kink_motion(two_layers())
        assert kinks == found.kinks
        np.testing.assert_allclose(found.dirac.ravel(), -found.jumps @ motion, rtol=1e-13, atol=1e-16)
        by_layer = sum(t.ravel() for t in found.dirac_by_layer)
        np.testing.assert_allclose(by_layer, found.dirac.ravel(), rtol=1e-13, atol=1e-16)
        assert all(np.abs(t.ravel()).max() > 1e-4 for t in found.dirac_by_layer)
        np.testing.assert_allclose(found.total.ravel(), found.bulk.ravel() + found.dirac.ravel(), atol=1e-15)


def test_the_jumps_are_those_of_the_density() -> None:
    network, problem, step = two_layers(), problems["sine-2"], 1e-9
    found = exact_gradient(problem, network, density=QUARTIC)
    u, du = sympy.symbols("u du")
    form = sympy.lambdify([X, u, du], sympy.sympify(QUARTIC, locals={"x": X, "u": u, "du": du}))
    distance = sympy.lambdify(X, problem.distance)
    slope = sympy.lambdify(X, sympy.diff(problem.distance, X))
    for kink, jump in zip(found.kinks, found.jumps, strict=True):
        x, sides = float(kink.position), []
        for side in (1, -1):
            v, s = network(x), (network(x + side * step) - network(x)) / (side * step)
            sides.append(form(x, distance(x) * v, slope(x) * v + distance(x) * s))
        assert sides[0] - sides[1] == pytest.approx(jump, abs=1e-6)


def test_the_bulk_is_what_autodiff_on_a_fine_grid_tends_to() -> None:
    network, problem = two_layers(), problems["sine-2"]
    tensors = [torch.tensor(t, requires_grad=True) for t in network.floats.named().values()]
    n = 200_000
    x = ((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None].requires_grad_()
    h = x
    for w, b in zip(tensors[:-1:2], tensors[1::2], strict=True):
        h = torch.relu(h @ w.mT + b)
    u = (x * (1 - x))[:, 0] * (h @ tensors[-1])
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    source = 4 * torch.pi**2 * torch.sin(2 * torch.pi * x[:, 0])
    energy = (slope[:, 0] ** 2 / 2 - source * u).mean()
    found = torch.cat([g.ravel() for g in torch.autograd.grad(energy, tensors)]).numpy()
    exact = exact_gradient(problem, network)
    # The grid's own error: what one node more or less on the far side of a kink makes, 4e-5 at most.
    np.testing.assert_allclose(found, exact.bulk.ravel(), atol=1e-4)
    assert np.abs(found - exact.total.ravel()).max() > 1e-2


def test_a_density_stands_by_itself_or_takes_the_problems_ansatz() -> None:
    network = two_layers()
    ritz = "du**2/2 - 4*pi**2*sin(2*pi*x)*u"
    problem = problems["sine-2"]
    expected = exact_gradient(problem, network, 40)
    with_d = Density(ritz, distance="x*(1-x)")
    for found in (exact_gradient(problem, network, 40, ritz), exact_gradient(with_d, network, 40)):
        with mpmath.workdps(40):
            for part in ("bulk", "dirac", "total"):
                apart = np.abs(getattr(found, part).ravel() - getattr(expected, part).ravel())
                assert apart.max() < mpmath.mpf(10) ** -36
        assert found.route == "Gauss points"
        assert abs(found.energy - expected.energy) < 1e-30
    # Without D: another energy.
    assert abs(exact_energy(Density(ritz), network) - float(expected.energy)) > 0.1
    # The ends of a problem stay with it.
    shallow = ShallowNetwork([1, -1], ["-1/3", "3/4"], [1, 2])
    held = problems["penalised-ends"]
    assert exact_energy(held, shallow, density=ritz) == pytest.approx(float(exact_energy(held, shallow)), rel=1e-14)
    assert exact_gradient(FREE, shallow, density=ritz).total.widths == (2,)


def test_a_density_with_pieces_and_sharp_peaks_is_integrated_to_rounding() -> None:
    density = "Piecewise((du**2, x < 1/3), (3*du**2 + abs(x - 3/5)*u, True)) + u/(1/1000 + (x - 1/7)**2)"
    few, many = (exact_gradient(FREE, two_layers(), d, density) for d in (None, 50))
    expected = many.total.ravel().astype(float)
    np.testing.assert_allclose(few.total.ravel(), expected, atol=1e-13 * np.abs(expected).max())
    assert few.error_estimate < 1e-11
    assert many.error_estimate < 1e-55


def test_a_singularity_is_integrated_with_an_honest_estimate_or_refused() -> None:
    # ∫ u ÷ √x: no Gauss rule is exact at the end; a thousandth of 10⁻⁶ is left, and said.
    found = exact_gradient(FREE, two_layers(), density="u/sqrt(x)")
    straight = exact_energy(RitzProblem(coefficient="1", source="-1/sqrt(x)", distance="x*(1-x)"), two_layers())
    kinetic = exact_energy(RitzProblem(coefficient="1", source="0", distance="x*(1-x)"), two_layers())
    product = exact_energy(Density("u/sqrt(x)", distance="x*(1-x)"), two_layers())
    assert product == pytest.approx(straight - kinetic, abs=1e-9)
    assert 0 < found.error_estimate < 1e-6
    with pytest.raises(InputError, match=r"its integral does not settle.*without poles would be right"):
        exact_energy(FREE, two_layers(), density="u/(x - 1/7)**2")
    with pytest.raises(InputError, match="float64, or one without singularities, would be right"):
        exact_energy(FREE, two_layers(), 50, "u/sqrt(x)")


def test_a_slight_kink_keeps_its_digits() -> None:
    # The slope bends by 1e-9: a difference of two densities would keep seven digits of it.
    network = DeepNetwork([[1, 1], [[1, 1e-9]]], [["1/3", "-1/2"], ["1/7"]], [1])
    for density in (None, QUARTIC):
        few, many = (exact_gradient(problems["sine-2"], network, d, density) for d in (None, 50))
        np.testing.assert_allclose(few.jumps, many.jumps.astype(float), rtol=1e-13)
        np.testing.assert_allclose(few.dirac.ravel(), many.dirac.ravel().astype(float), rtol=1e-13)


def test_a_network_without_kinks_inside_has_no_dirac_part() -> None:
    found = exact_gradient(problems["sine-2"], DeepNetwork([[1], [[1]]], [[1], [1]], [1]))
    assert found.kinks == ()
    assert not found.dirac.ravel().any()
    assert found.distance == float("inf")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: exact_gradient(problems["sine-2"], two_layers(), digits=3), "digits: 3 are too few"),
        (lambda: exact_energy(problems["sine-2"], two_layers(), digits=True), "digits: True are too few"),
        (lambda: exact_gradient(problems["sine-2"], two_layers(), density="u*v"), "unknown symbol v; x, u, du, pi"),
        (lambda: exact_gradient(problems["sine-2"], two_layers(), density="d2u**2"), "d2u is a second derivative"),
        (lambda: exact_gradient(problems["sine-2"], two_layers(), density="abs(du)"), "not smooth in u or du"),
        (lambda: exact_gradient(problems["sine-2"], two_layers(), density="log(u - 99)"), "not finite at x ="),
        (lambda: exact_gradient(problems["sine-2"], two_layers(), 30, "log(u - 99)"), "not finite at x ="),
        (lambda: exact_gradient(Density("du**2"), two_layers(), density="u"), "given twice"),
        (lambda: exact_gradient("sine-2", two_layers()), "a str is none; a RitzProblem or a Density"),
        (lambda: exact_gradient(problems["sine-2"], [1, 2]), "a list is none; a ShallowNetwork or DeepNetwork"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(call: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
