"""One neuron times D on a grid: Eqs. (6)–(8) evaluated, the Dirac terms as the discrete deltas of Eq. (10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ..line.derivation import BIAS, OTHERS, OUTPUT, WEIGHT, derive
from ..statement.blocks import BLOCKS
from ..statement.expressions import NUMPY_MODULES, X
from ..statement.problem import RitzProblem
from .quadrature import Grid

Array = NDArray[Any]


@dataclass(frozen=True)
class NeuronFields:
    """Fields on the nodes, each (n,): û′, and by block ∂û/∂θ and ∂û′/∂θ."""

    spatial_gradient: Array
    parameter_gradients: dict[str, Array]
    mixed_gradients: dict[str, Array]


def neuron_fields(problem: RitzProblem, w: float, b: float, c: float, grid: Grid) -> NeuronFields:
    """The derived fields of û = lift + D·c·max(0, wx + b), as the paper's figure 3 shows them.

    The Dirac part of a field is put on the node nearest to the kink, as 1/weight (Eq. 10), so that its sum over the
    grid is what the delta integrates to.
    """
    derivation = derive(problem)

    def evaluate(expression: Any) -> Array:
        return _on_grid(problem, expression, w, b, c, grid)

    return NeuronFields(
        evaluate(derivation.spatial_gradient),
        {n: evaluate(derivation.parameter_gradients[n]) for n in BLOCKS},
        {n: evaluate(derivation.mixed_gradients[n]) for n in BLOCKS},
    )


def _on_grid(problem: RitzProblem, expression: Any, w: float, b: float, c: float, grid: Grid) -> Array:
    derivation = derive(problem)
    expanded = sympy.expand(expression.subs(OTHERS, 0).doit())
    deltas = expanded.atoms(sympy.DiracDelta)
    (delta,) = deltas or {sympy.Symbol("no_delta")}
    spike, regular = expanded.coeff(delta), expanded.subs(delta, 0)
    # max(0, 0) has derivative 0 in torch: the same value at a node on the kink keeps the comparison fair.
    modules = [{"Heaviside": lambda z, _=None: (z > 0) * 1.0}, *NUMPY_MODULES]
    out = np.zeros_like(grid.nodes)
    nearest = int(np.argmin(np.abs(grid.nodes + b / w))) if w else 0
    for piece in problem.pieces:
        here = (grid.nodes >= float(piece.left)) & (grid.nodes <= float(piece.right))
        functions = [
            sympy.lambdify([X, WEIGHT, BIAS, OUTPUT], derivation.specialise(e, piece), modules)
            for e in (regular, spike)
        ]
        out[here] = functions[0](grid.nodes[here], w, b, c)
        if here[nearest] and deltas and problem.domain[0] < -b / w < problem.domain[1]:
            out[nearest] += functions[1](grid.nodes[nearest], w, b, c) / abs(w) / grid.weights[nearest]
    return out
