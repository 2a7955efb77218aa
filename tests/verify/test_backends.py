from __future__ import annotations

import numpy as np
import pytest
from kinkproof.verify import ShallowNetwork, exact_gradient, problems, quadrature_gradient
from kinkproof.verify.backends.pytorch import methods, neuron_fields
from kinkproof.verify.blocks import BLOCKS
from kinkproof.verify.neuron import neuron_fields as derived_fields
from kinkproof.verify.quadrature import grid

# torch.compile costs its compiler's time and runs in `nox -s verify`; the others are cheap.
METHODS = [m for m in methods() if m.name != "torch.compile"]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
@pytest.mark.parametrize("name", list(problems))
def test_torch_gives_the_derivative_of_the_sum_or_of_the_integral(name: str, method: object) -> None:
    problem, network = problems[name], ShallowNetwork.random(7, seed=3)
    mesh = grid("midpoint", 300, problem.domain)
    if method.conforming:  # type: ignore[attr-defined]
        expected = exact_gradient(problem, network)
    else:
        expected = quadrature_gradient(problem, network, "midpoint", 300)
    for precision, tolerance in (("float64", 1e-12), ("float32", 1e-4)):
        energy, found = method.gradient(problem, network.ravel(), mesh, precision)  # type: ignore[attr-defined]
        scale = np.abs(expected.total.ravel()).max()
        assert np.abs(found - expected.total.ravel()).max() <= tolerance * scale
        assert energy == pytest.approx(expected.energy, rel=tolerance, abs=tolerance)


def test_one_neuron_differs_only_by_the_spike() -> None:
    problem, mesh = problems["sine-2"], grid("midpoint", 50)
    w, b, c = 1.0, -0.4, 1.0
    exact = derived_fields(problem, w, b, c, mesh)
    slope, parameter, mixed = neuron_fields(problem, np.array([w, b, c]), mesh.nodes)
    np.testing.assert_allclose(exact.spatial_gradient, slope, atol=1e-14)
    for k, name in enumerate(BLOCKS):
        np.testing.assert_allclose(exact.parameter_gradients[name], parameter[k], atol=1e-14)
        missing = exact.mixed_gradients[name] - mixed[k]
        # D·c·w δ(z) for the bias, times x for the weight, nothing for the output weight; D(0.4) = 0.24.
        integral = (missing * mesh.weights).sum()
        assert integral == pytest.approx((0.4 * 0.24, 0.24, 0.0)[k], rel=0.05, abs=1e-13)
        assert (np.abs(missing) > 1e-12).sum() == (1, 1, 0)[k]
