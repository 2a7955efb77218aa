"""The compiled closed form against the one in NumPy, to roundings, and both against the oracle."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import energy_and_gradient
from kinkproof.solver.landscapes.scanned_energy import scanned_energy
from kinkproof.solver.networks import compiled, sums
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.closed_form import _of_relu, closed_form
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, exact_gradient, problems
from numpy.typing import NDArray

Array = NDArray[np.float64]

ROUNDING = float(np.finfo(np.float64).eps)
FLUX = RitzProblem(source="exp(x)", domain=(-1, 2), distance="2 - x", lift="1 + x/2", fluxes={-1: 3}, name="flux")
INTERFACES = RitzProblem(source="Abs(x - 1/3)", coefficient="Piecewise((1, x < 1/2), (3 + x, True))", name="walls")
ALL = [*problems.values(), FLUX, INTERFACES]
with_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="the extra `fast` is not installed")


def named(problem: RitzProblem) -> str:
    return problem.name


def asked(problem: RitzProblem, theta: Array, switch: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Array, Array]:
    monkeypatch.setenv(compiled.SWITCH, switch)
    return energy_and_gradient(problem, theta)


def summands(problem: RitzProblem, theta: Array) -> tuple[Array, Array]:
    """Sizes of what both ways add up, (B,) each: running integrals, of which pieces have differences, times (a, g)."""
    form = _of_relu(problem)
    inside = torch.linspace(form.left, form.right, 67, dtype=torch.float64)[1:-1]
    m = form.table(inside).abs().amax(1).numpy()
    w, b, c = np.abs(np.split(theta, 3, axis=-1))
    a, g = (c * w).sum(-1), (c * b).sum(-1)
    by_slope, by_intercept = 2 * m[0] * a + m[1] * g + m[3], m[1] * a + 2 * m[2] * g + m[4]
    energy = by_slope * a + by_intercept * g + m[5]
    dirac = m[6] + m[7] * (a + g) + m[8] * a
    for place, distance, lift, pull, stiffness, wanted, tie in np.abs(form._arrays[3]):
        u = lift + distance * (place * a + g)
        # Of two tied ends the squared sum is at most twice the sum of squares.
        energy = energy + pull * u + stiffness * (u + wanted) ** 2 + 2 * (tie * u) ** 2
        by_intercept = by_intercept + distance * (pull + stiffness * (u + wanted) + 2 * tie**2 * u)
    outer, inner = c.max(-1), (w + b).max(-1)
    return energy, (by_slope + by_intercept) * (outer + inner) + outer * dirac


@pytest.mark.slow
@with_numba
@pytest.mark.parametrize("problem", ALL, ids=named)
@pytest.mark.parametrize("width", [1, 20, 300])
def test_compiled_is_the_same_to_four_roundings(
    problem: RitzProblem, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    theta = ShallowNetwork.random(width, seed=width, batch=(10,)).ravel()
    energy, gradient = asked(problem, theta, "0", monkeypatch)
    fast, found = asked(problem, theta, "1", monkeypatch)
    energy_size, gradient_size = summands(problem, theta)
    assert (np.abs(fast - energy) <= 4 * ROUNDING * energy_size).all()
    assert (np.abs(found - gradient) <= 4 * ROUNDING * gradient_size[:, None]).all()


def check_against_the_oracle(
    count: int, switch: str, monkeypatch: pytest.MonkeyPatch, among: list[RitzProblem] = ALL
) -> None:
    for index in range(count):
        problem = among[index % len(among)]
        network = ShallowNetwork.random(1 + 7 * index % 32, seed=1000 + index)
        energy, gradient = asked(problem, network.ravel(), switch, monkeypatch)
        energy_size, gradient_size = summands(problem, network.ravel()[None])
        oracle = exact_gradient(problem, network)
        # Condition: what is added up over what comes out. 1e-13 is wanted; 1.2e-15 is the most that was measured.
        assert np.abs(gradient - oracle.total.ravel()).max() <= 1e-14 * gradient_size[0]
        assert abs(energy - oracle.energy) <= 1e-14 * energy_size[0]


@pytest.mark.slow
@pytest.mark.parametrize("switch", ["0", pytest.param("1", marks=with_numba)])
def test_the_oracle_says_the_same_at_some_random_networks(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Those whose antiderivatives are quickly found: end terms of both kinds, interfaces.
    among = [problems[n] for n in ("natural", "penalised-ends", "two-materials", "polynomial")]
    check_against_the_oracle(20, switch, monkeypatch, among)


@pytest.mark.long
@pytest.mark.parametrize("switch", ["0", pytest.param("1", marks=with_numba)])
def test_the_oracle_says_the_same_at_200_random_networks(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_against_the_oracle(200, switch, monkeypatch)


@with_numba
@pytest.mark.parametrize("dirac", [True, False])
@pytest.mark.parametrize("activation", ["relu", "leaky-relu"])
@pytest.mark.parametrize("problem", [problems["sine-2"], FLUX], ids=named)
def test_kinks_anywhere_and_leaks_too(
    problem: RitzProblem, activation: str, dirac: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = closed_form(problem, Architecture.of(6, activation))
    # Kinks on the ends, outside, in one place; w = 0 with b of all signs; c = 0.
    w = [[1, -1, 1, -1, 2, 1], [0, 0, 0, 1, 1, -1], [1, 1, -1, -1, 1, 1], [3, -3, 1, 2, -1, 1]]
    b = [[0, 1, 5, 5, -1, -7], [1, -1, 0, -0.3, -0.3, 0.3], [-0.5, -0.5, 0.5, 0.5, 0, -1], [-1, 1, -0.2, -1, 0.7, 0]]
    c = [[1, 2, -1, 0.5, 0, 1], [1, 1, 1, -1, 2, 1], [1, -2, 3, 1, 1, 1], [0, 1, 1, 1, 1, -1]]
    theta = torch.tensor(np.concatenate([w, b, c], axis=1), dtype=torch.float64)
    monkeypatch.setenv(compiled.SWITCH, "0")
    expected = form.energy_and_gradient(theta, dirac)
    monkeypatch.setenv(compiled.SWITCH, "1")
    found = form.energy_and_gradient(theta, dirac)
    assert (form.energy(theta) == found[0]).all()
    for one, other in zip(found, expected, strict=True):
        # Equal kinks may be summed in either order: a few roundings of numbers up to 50.
        assert one.numpy() == pytest.approx(other.numpy(), rel=1e-13, abs=1e-13)


@with_numba
def test_a_compiled_gradient_without_dirac_terms_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinkproof.solver.networks import loops

    def bulk(theta: Array, domain: tuple[float, float], leak: float, _: bool, *rest: Array) -> None:
        loops.sweep(theta, domain, leak, False, *rest)

    monkeypatch.setattr(compiled, "_compiled", lambda: bulk)
    with pytest.raises(AssertionError):
        check_against_the_oracle(5, "1", monkeypatch, [problems["polynomial"]])


@with_numba
@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "relu2"])
def test_landscapes_are_the_same_to_rounding(activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theta = ShallowNetwork.random(20, seed=3, batch=(700,)).ravel()
    found = []
    for switch in ("0", "1"):
        monkeypatch.setenv(compiled.SWITCH, switch)
        scanned = scanned_energy(problems["natural"], Architecture.of(20, activation), "exact", "midpoint", 0)
        found.append((scanned.rule, scanned.evaluate(theta)))
    (rule, energies), (other, fast) = found
    assert rule == other == "closed form"
    assert fast == pytest.approx(energies, rel=1e-13, abs=1e-14)


def test_batches_are_what_their_members_are_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_BLOCK", 60)
    theta = ShallowNetwork.random(20, seed=0, batch=(3, 4)).ravel()
    energies, gradients = energy_and_gradient(problems["sine-2"], theta)
    assert (energies.shape, gradients.shape) == ((3, 4), (3, 4, 60))
    for index in np.ndindex(3, 4):
        energy, gradient = energy_and_gradient(problems["sine-2"], theta[index].tolist())
        assert energy.shape == ()
        assert energies[index] == energy
        assert (gradients[index] == gradient).all()
    assert energy_and_gradient(problems["sine-2"], np.zeros((0, 6)))[0].shape == (0,)


@pytest.mark.parametrize("switch", ["0", pytest.param("1", marks=with_numba)])
def test_a_domain_may_lie_far_from_0(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    far = RitzProblem(source="sin(x)", domain=(1000, 1001))
    network = ShallowNetwork([1.0, -2.0], [-1000.25, 2001.5], [0.5, 0.25])
    theta = network.ravel()
    found = asked(far, theta, switch, monkeypatch)[1]
    # The kinks and all derivatives are told about 1000.5; w's is 1,000 times b's, from which it is made.
    assert found == pytest.approx(exact_gradient(far, network).total.ravel(), rel=1e-12)
    assert (theta == network.ravel()).all()


@pytest.mark.parametrize("shape", [(), (0,), (3, 5)])
def test_what_is_not_three_blocks_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"parameters: shape .* is not three blocks; \(\.\.\., 3N\) would be right"):
        energy_and_gradient(problems["sine-2"], np.zeros(shape))


def test_the_switch_is_0_or_1_and_1_needs_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        return None

    monkeypatch.setenv(compiled.SWITCH, "0")
    assert compiled.kernel() is None
    monkeypatch.setenv(compiled.SWITCH, "yes")
    with pytest.raises(InputError, match=r"KINKPROOF_FAST: 'yes' is no choice; 0 \(never\) or 1 \(always\)"):
        compiled.kernel()
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    compiled._compiled.cache_clear()
    try:
        monkeypatch.delenv(compiled.SWITCH)
        assert compiled.kernel() is None
        monkeypatch.setenv(compiled.SWITCH, "1")
        with pytest.raises(InputError, match=r"1 needs numba; pip install 'kinkproof\[fast\]'"):
            compiled.kernel()
    finally:
        compiled._compiled.cache_clear()
