"""Grid sums with many digits: node by node, held against the running sums."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from kinkproof.verify import InputError, NondifferentiableError, ShallowNetwork, problems, quadrature_gradient
from kinkproof.verify.discrete.quadrature import DELTAS, RULES, exact_nodes, grid


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("name", list(problems))
def test_two_ways_of_summing_agree(name: str, delta: str | None) -> None:
    problem, network = problems[name], ShallowNetwork.random(5, seed=3)
    for rule in RULES:
        if name == "singular-load" and rule in ("trapezoid", "endpoint-mean"):
            # With a node on the end where the source is infinite: refused, see `test_quadrature`.
            continue
        swept = quadrature_gradient(problem, network, rule, 20, delta)
        exact = quadrature_gradient(problem, network, rule, 20, delta, digits=50)
        # Rounding of float64 sums; at sine-6 the terms are 100 times their sum.
        scale = np.abs(swept.total.ravel()).max()
        for part in ("bulk", "dirac", "total"):
            found = getattr(exact, part).ravel().astype(float)
            assert np.abs(found - getattr(swept, part).ravel()).max() <= 1e-12 * scale
        assert float(exact.energy) == pytest.approx(swept.energy, rel=1e-12)


def test_more_digits_agree_with_fewer() -> None:
    problem, network = problems["natural"], ShallowNetwork([1, -2, 3], ["-1/4", 1, "-5/2"], [1, "1/3", -2])
    few, many = (quadrature_gradient(problem, network, "gauss-legendre", 20, "mean", d) for d in (30, 60))
    with mpmath.workdps(60):
        errors = [abs(a - b) for a, b in zip(few.total.ravel(), many.total.ravel(), strict=True)]
        assert max(errors) < mpmath.mpf(10) ** -28
        assert max(errors) > mpmath.mpf(10) ** -40


@pytest.mark.parametrize("rule", RULES)
def test_exact_nodes_are_the_rules_own(rule: str) -> None:
    mesh = grid(rule, 25, (-1, 2))
    with mpmath.workdps(40):
        nodes, weights = exact_nodes(rule, 25, (-1, 2))
        np.testing.assert_allclose(np.array(nodes, dtype=float), mesh.nodes, atol=1e-15)
        np.testing.assert_allclose(np.array(weights, dtype=float), mesh.weights, rtol=1e-14)
        degree = {"gauss-legendre": 9, "midpoint": 1, "trapezoid": 1, "endpoint-mean": 1}[rule]
        # A rule is exact up to its degree, and no further.
        for k, exact in ((degree, True), (degree + 1, False)):
            moment = sum(w * x**k for x, w in zip(nodes, weights, strict=True))
            integral = (mpmath.mpf(2) ** (k + 1) - mpmath.mpf(-1) ** (k + 1)) / (k + 1)
            assert (abs(moment - integral) < mpmath.mpf(10) ** -36) is exact


def test_what_the_float_version_refuses_is_refused() -> None:
    coincident = ShallowNetwork([1, -1], ["-1/4", "1/4"], [1, 1])
    with pytest.raises(NondifferentiableError):
        quadrature_gradient(problems["sine-2"], coincident, delta="mean", digits=30)
    with pytest.raises(InputError, match="simpson"):
        quadrature_gradient(problems["sine-2"], coincident, rule="simpson", digits=30)
    with pytest.raises(InputError, match="not a batch"):
        quadrature_gradient(problems["sine-2"], ShallowNetwork.random(2, 0, batch=(3,)), digits=30)
