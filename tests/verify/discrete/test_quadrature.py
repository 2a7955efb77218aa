from __future__ import annotations

import numpy as np
import pytest
import sympy
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, exact_gradient, problems, quadrature_gradient
from kinkproof.verify.discrete.quadrature import DELTAS, RULES, grid
from kinkproof.verify.statement.expressions import X


def plain_gradient(problem: RitzProblem, network: ShallowNetwork, rule: str, points: int, nearest: bool) -> np.ndarray:
    """Eq. (5) summed over the nodes as it stands, one neuron at a time; Eq. (10) for δ if `nearest`."""
    mesh = grid(rule, points, problem.domain)
    x, weight = mesh.nodes, mesh.weights
    data = {n: getattr(problem, n) for n in ("coefficient", "source", "distance", "lift", "reaction")}
    data |= {f"{n}_slope": sympy.diff(data[n], X) for n in ("distance", "lift")}
    at = {n: sympy.lambdify(X, e, "numpy")(x) + 0 * x for n, e in data.items()}
    w, b, c = network.floats
    z = x[:, None] * w + b
    value, slope = np.maximum(z, 0) @ c, (z > 0) @ (c * w)
    du = at["lift_slope"] + at["distance_slope"] * value + at["distance"] * slope
    force = at["source"] - at["reaction"] * (at["lift"] + at["distance"] * value)
    out = np.zeros((3, network.width))
    for i in range(network.width):
        step = (z[:, i] > 0).astype(float)
        delta = np.zeros_like(x)
        kink = -b[i] / w[i]
        if nearest and float(problem.domain[0]) < kink < float(problem.domain[1]):
            node = np.argmin(np.abs(x - kink))
            delta[node] = 1 / weight[node] / abs(w[i])
        fields = (c[i] * x * step, c[i] * step, np.maximum(z[:, i], 0))
        slopes = (c[i] * step + c[i] * w[i] * x * delta, c[i] * w[i] * delta, w[i] * step)
        for k in range(3):
            mixed = at["distance_slope"] * fields[k] + at["distance"] * slopes[k]
            out[k, i] = (weight * (at["coefficient"] * du * mixed - force * at["distance"] * fields[k])).sum()
    for end, flux in problem.fluxes.items():
        e, sign = float(end), -1 if end == problem.domain[1] else 1
        active = (w * e + b > 0) * float(problem.distance.subs(X, end)) * float(flux) * sign
        out += np.stack([c * e * active, c * active, (w * e + b) * active])
    return out.ravel()


@pytest.mark.parametrize("name", ["sine-2", "two-materials", "natural", "foundation"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("delta", [None, "nearest"])
def test_running_sums_are_the_plain_sum(name: str, rule: str, delta: str | None) -> None:
    for seed in range(5):
        network = ShallowNetwork.random(6, seed=seed)
        found = quadrature_gradient(problems[name], network, rule, 40, delta).total.ravel()
        expected = plain_gradient(problems[name], network, rule, 40, delta == "nearest")
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_nodes_on_kinks_count_with_derivative_zero() -> None:
    # Nodes at multiples of 1/8: every kink, an end and a pair of opposite neurons lie on one.
    network = ShallowNetwork([1, -2, 4, -1, 1, -1], ["-1/4", 1, -3, "1/8", 0, 1], [1, 2, -1, 3, 1, 2])
    for rule in ("trapezoid", "endpoint-mean"):
        found = quadrature_gradient(problems["sine-2"], network, rule, 9).total.ravel()
        np.testing.assert_allclose(
            found, plain_gradient(problems["sine-2"], network, rule, 9, False), rtol=1e-12, atol=1e-13
        )
    opposite = ShallowNetwork([1, -1], ["-1/2", "1/2"], [1, 2])
    found = quadrature_gradient(problems["sine-2"], opposite, "trapezoid", 9).total.ravel()
    np.testing.assert_allclose(found, plain_gradient(problems["sine-2"], opposite, "trapezoid", 9, False), atol=1e-13)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["sine-2", "variable-coefficient", "two-materials", "penalised-ends"])
def test_only_the_mean_delta_converges(name: str, rule: str) -> None:
    network = ShallowNetwork.random(8, seed=1)
    exact = exact_gradient(problems[name], network)
    size = np.linalg.norm(exact.dirac.ravel())

    def error(points: int, delta: str | None) -> float:
        found = quadrature_gradient(problems[name], network, rule, points, delta).total.ravel()
        return float(np.linalg.norm(found - exact.total.ravel()) / size)

    for delta in DELTAS:
        errors = [error(n, delta) for n in (1_000, 10_000, 100_000)]
        if delta == "mean":
            order = np.log(errors[0] / errors[-1]) / np.log(100)
            # Order 1: a kink lies anywhere in its cell. Single grids scatter, two decades average that out.
            assert order > 0.7
            assert errors[-1] < 0.05
        else:
            assert errors[-1] > 0.05


@pytest.mark.parametrize("rule", RULES)
def test_rules_integrate(rule: str) -> None:
    mesh = grid(rule, 200, (1, 3))
    integral = (mesh.weights * mesh.nodes**2).sum()
    # linspace with equal weights counts the ends twice as much as it should: order 1, error (9 + 1)·h/2 − mean.
    tolerance = 2e-2 if rule == "endpoint-mean" else 1e-4
    assert integral == pytest.approx(26 / 3, rel=tolerance)
    assert mesh.weights.sum() == pytest.approx(2)


def test_gauss_is_exact_to_degree_nine() -> None:
    mesh = grid("gauss-legendre", 10)
    assert (mesh.weights * mesh.nodes**9).sum() == pytest.approx(0.1, rel=1e-14)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"rule": "simpson"}, "simpson"),
        ({"delta": "left"}, "left"),
        ({"points": 0}, "points: 0"),
        ({"points": 1.5}, "1.5"),
        ({"points": 12, "rule": "gauss-legendre"}, "10 or 15"),
        ({"points": 1, "rule": "trapezoid"}, "from 2 on"),
    ],
)
def test_bad_rules_are_refused(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        quadrature_gradient(problems["sine-2"], ShallowNetwork.random(2, seed=0), **arguments)  # type: ignore[arg-type]


def test_a_node_on_a_singularity_is_refused() -> None:
    problem = RitzProblem(source="x**(-1.3)", distance="x*(1-x)")
    for digits in (None, 20):
        with pytest.raises(InputError, match=r"^rule: trapezoid puts a node where the source is not finite; midpoint"):
            quadrature_gradient(problem, ShallowNetwork.random(2, seed=0), "trapezoid", 11, digits=digits)
