"""Six ways of asking torch for the parameter gradient of a Ritz energy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy
import torch
from torch import Tensor

from ..expressions import X
from ..problem import RitzProblem
from ..quadrature import Grid
from . import Array, GradientFunction, Method, Unavailable

# Gauss points a piece for the kink-split rule: exact to rounding for the named problems' data between two kinks.
_PIECE_ORDER = 24
_TYPES = {"float64": torch.float64, "float32": torch.float32}


def methods() -> tuple[Method, ...]:
    """All ways of asking that this file knows, with those that cannot run here marked."""
    compiler = "" if shutil.which("c++") or shutil.which("g++") else "torch.compile needs a C++ compiler; none is here"
    return (
        Method("autograd, u′ by autograd", _fixed(_autograd, _energy_by_autograd)),
        Method("autograd, u′ by hand", _fixed(_autograd, _energy_by_hand)),
        Method("torch.func.grad", _fixed(_functional, _energy_by_hand)),
        Method("forward mode (jvp)", _fixed(_forward, _energy_by_hand)),
        Method("torch.compile", None if compiler else _fixed(_compiled, _energy_by_hand), unavailable=compiler),
        Method("autograd, kink-split quadrature", _split, conforming=True),
    )


Energy = Callable[[RitzProblem, Tensor, Tensor, Tensor], Tensor]


def _fixed(ask: Callable[..., tuple[Tensor, Tensor]], energy: Energy) -> GradientFunction:
    """A method on a fixed grid: nodes and weights are constants."""

    def gradient(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> tuple[float, Array]:
        kind = _TYPES[precision]
        theta = torch.tensor(parameters, dtype=kind)
        nodes, weights = (torch.tensor(a, dtype=kind) for a in (grid.nodes, grid.weights))
        return _numbers(*ask(energy, problem, theta, nodes, weights))

    return gradient


def _numbers(energy: Tensor, gradient: Tensor) -> tuple[float, Array]:
    return float(energy.detach()), gradient.detach().to(torch.float64).numpy()


def _autograd(
    energy: Energy, problem: RitzProblem, theta: Tensor, nodes: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    theta = theta.requires_grad_()
    value = energy(problem, theta, nodes, weights)
    return value, torch.autograd.grad(value, theta)[0]


def _functional(
    energy: Energy, problem: RitzProblem, theta: Tensor, nodes: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    gradient, value = torch.func.grad_and_value(lambda t: energy(problem, t, nodes, weights))(theta)
    return value, gradient


def _forward(
    energy: Energy, problem: RitzProblem, theta: Tensor, nodes: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    parts: list[Tensor] = []
    value = theta.sum()
    for direction in torch.eye(len(theta), dtype=theta.dtype):
        pair = torch.func.jvp(lambda t: energy(problem, t, nodes, weights), (theta,), (direction,))
        value = pair[0]
        parts.append(pair[1])
    return value, torch.stack(parts)


def _compiled(
    energy: Energy, problem: RitzProblem, theta: Tensor, nodes: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    theta = theta.requires_grad_()
    # The problem's data are evaluated outside: what is compiled is what a training step repeats.
    try:
        value = _compiled_integral()(theta, nodes, weights, *_data(problem, nodes)) + _end_energy(problem, theta)
        return value, torch.autograd.grad(value, theta)[0]
    except RuntimeError as error:
        # A compiler without Python's headers, say: found out only by compiling.
        raise Unavailable(f"torch.compile failed: {str(error).strip().splitlines()[0]}") from None


@cache
def _compiled_integral() -> Callable[..., Tensor]:
    # One graph for all grid sizes: a refinement study would otherwise compile anew at each.
    return torch.compile(_integral, dynamic=True)


def _split(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> tuple[float, Array]:
    """Gauss points on the pieces between the kinks; nodes and weights carry the gradient. The grid is not used."""
    del grid
    kind = _TYPES[precision]
    theta = torch.tensor(parameters, dtype=kind, requires_grad=True)
    w, b, _ = theta.chunk(3)
    ends = torch.tensor([float(e) for e in (*problem.domain, *problem.interfaces)], dtype=kind)
    kinks = -b[w != 0] / w[w != 0]
    marks = torch.cat([ends, kinks[(kinks > ends[0]) & (kinks < ends[1])]]).sort().values
    node, weight = (torch.tensor(a, dtype=kind) for a in np.polynomial.legendre.leggauss(_PIECE_ORDER))
    half, middle = (marks[1:] - marks[:-1])[:, None] / 2, (marks[1:] + marks[:-1])[:, None] / 2
    value = _energy_by_hand(problem, theta, (middle + half * node).ravel(), (half * weight).ravel())
    return _numbers(value, torch.autograd.grad(value, theta)[0])


def _energy_by_hand(problem: RitzProblem, theta: Tensor, x: Tensor, weights: Tensor) -> Tensor:
    """Σ weight · (½κû′² − f û), with û′ by Eq. (6) and H(z) as z > 0."""
    return _integral(theta, x, weights, *_data(problem, x)) + _end_energy(problem, theta)


def _integral(
    theta: Tensor,
    x: Tensor,
    weights: Tensor,
    kappa: Tensor,
    source: Tensor,
    distance: Tensor,
    distance_slope: Tensor,
    lift: Tensor,
    lift_slope: Tensor,
) -> Tensor:
    w, b, c = theta.chunk(3)
    z = x[:, None] * w + b
    network = torch.relu(z) @ c
    gradient = lift_slope + distance_slope * network + distance * ((z > 0).to(z.dtype) @ (c * w))
    return (weights * (kappa * gradient**2 / 2 - source * (lift + distance * network))).sum()


def _energy_by_autograd(problem: RitzProblem, theta: Tensor, x: Tensor, weights: Tensor) -> Tensor:
    """The same with û′ from a second autograd pass, as the paper and most Deep Ritz codes have it."""
    x = x.detach().requires_grad_()
    u = _field(problem, theta, x)
    (gradient,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    functions = _torch_functions(problem)
    energy = (weights * (functions["coefficient"](x) * gradient**2 / 2 - functions["source"](x) * u)).sum()
    return energy + _end_energy(problem, theta)


def _field(problem: RitzProblem, theta: Tensor, x: Tensor) -> Tensor:
    w, b, c = theta.chunk(3)
    functions = _torch_functions(problem)
    return functions["lift"](x) + functions["distance"](x) * (torch.relu(x[:, None] * w + b) @ c)


def _end_energy(problem: RitzProblem, theta: Tensor) -> Tensor:
    """Flux and penalty terms."""
    total = torch.zeros((), dtype=theta.dtype)
    if not problem.fluxes and not problem.essential:
        return total
    u = _field(problem, theta, torch.tensor([float(e) for e in problem.domain], dtype=theta.dtype))
    for k, end in enumerate(problem.domain):
        if end in problem.fluxes:
            total = total + float(problem.fluxes[end]) * u[k] * (-1 if k else 1)
        elif end in problem.essential:
            total = total + float(problem.penalty) * (u[k] - float(problem.essential[end])) ** 2 / 2
    return total


def _data(problem: RitzProblem, x: Tensor) -> list[Tensor]:
    """κ, f, D, D′, lift, lift′ at x."""
    functions = _torch_functions(problem)
    names = ("coefficient", "source", "distance", "distance_slope", "lift", "lift_slope")
    return [functions[n](x) for n in names]


@cache
def _torch_functions(problem: RitzProblem) -> dict[str, Callable[[Tensor], Tensor]]:
    expressions = {n: getattr(problem, n) for n in ("coefficient", "source", "distance", "lift")}
    for name in ("distance", "lift"):
        expressions[f"{name}_slope"] = sympy.diff(expressions[name], X)
    return {n: _torch_function(e) for n, e in expressions.items()}


def _torch_function(expression: Any) -> Callable[[Tensor], Tensor]:
    """A SymPy expression as a torch function; piecewise ones by selection among their branches."""
    branches = expression.args if isinstance(expression, sympy.Piecewise) else [(expression, sympy.true)]
    # As floats: the torch printer would hand torch.pow and torch.sqrt constants such as π², which they refuse.
    parts = [(sympy.lambdify(X, sympy.N(e, 17), "torch"), condition) for e, condition in branches]

    def evaluate(x: Tensor) -> Tensor:
        out: Tensor = parts[-1][0](x) + torch.zeros_like(x)
        for function, condition in reversed(parts[:-1]):
            # Canonical pieces are x < number (see `piecewise.canonical`).
            out = torch.where(x < float(condition.rhs), function(x) + torch.zeros_like(x), out)
        return out

    return evaluate


def neuron_fields(problem: RitzProblem, parameters: Array, x: Array) -> tuple[Array, Array, Array]:
    """û′ (n,), ∂û/∂θ (3, n) and ∂û′/∂θ (3, n) of a one-neuron network by autograd alone: what figure 3 compares."""
    theta = torch.tensor(parameters, dtype=torch.float64)
    nodes = torch.tensor(x, dtype=torch.float64)

    def field(t: Tensor, place: Tensor) -> Tensor:
        return _field(problem, t, place[None])[0]

    slope = torch.func.grad(field, argnums=1)
    at_nodes = (None, 0)
    return (
        torch.func.vmap(slope, at_nodes)(theta, nodes).numpy(),
        torch.func.vmap(torch.func.grad(field), at_nodes)(theta, nodes).T.numpy(),
        torch.func.vmap(torch.func.grad(slope), at_nodes)(theta, nodes).T.numpy(),
    )
