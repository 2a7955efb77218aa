"""A box problem's data as torch functions of points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy
import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.box import BoxProblem

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class BoxData:
    """Functions of points (…, d).

    Attributes:
        stored: (x, ∇u) → what of the energy density is quadratic in ∇u, ½κ|∇u|² or that of an elastic body, of ∇u
            (…, d), or (…, m, d) where u has components.
        load: (x, u) → f·u, of u (…) or (…, m).
        distance: D, (…).
        distance_gradient: ∇D, (…, d).
    """

    stored: Callable[[Tensor, Tensor], Tensor]
    load: Callable[[Tensor, Tensor], Tensor]
    distance: Function
    distance_gradient: Function


@lru_cache(maxsize=64)
def box_data(problem: BoxProblem) -> BoxData:
    """What the energy of a problem is made of."""
    slopes = _function(problem, [sympy.diff(problem.distance, s) for s in problem.coordinates])
    distance = _single(_function(problem, [problem.distance]))
    if problem.lame is None:
        source, coefficient = (_single(_function(problem, [e])) for e in (problem.source, problem.coefficient))
        return BoxData(
            lambda x, du: coefficient(x) * du.square().sum(-1) / 2, lambda x, u: source(x) * u, distance, slopes
        )
    first, second = map(float, problem.lame)
    forces = _function(problem, list(problem.source))

    def stored(_: Tensor, du: Tensor) -> Tensor:
        spread = du.diagonal(dim1=-2, dim2=-1).sum(-1)
        strain = (du + du.mT) / 2
        return first * spread.square() / 2 + second * strain.square().sum((-2, -1))

    return BoxData(stored, lambda x, u: (forces(x) * u).sum(-1), distance, slopes)


@lru_cache(maxsize=64)
def solution_gradient(problem: BoxProblem) -> Function:
    """∇u of the known solution, (…, d) → (…, d), or (…, m, d) where u has components.

    Raises:
        InputError: none is known.
    """
    if problem.solution is None:
        raise InputError(f"{problem.name}: no known solution; pass solution= to have something to compare with")
    if problem.lame is None:
        return _function(problem, [sympy.diff(problem.solution, s) for s in problem.coordinates])
    flat = _function(problem, [sympy.diff(u, s) for u in problem.solution for s in problem.coordinates])
    return lambda x: flat(x).reshape(*x.shape[:-1], problem.components, problem.inputs)


def inside(problem: BoxProblem, x: Tensor) -> Tensor:
    """Which points (…, d) of the box are in nothing that is cut out of it, (…)."""
    out = torch.ones_like(x[..., 0], dtype=torch.bool)
    for cut in problem.without:
        low, high = torch.tensor([[float(e) for e in side] for side in cut], dtype=x.dtype, device=x.device).T
        out &= ((x <= low) | (x >= high)).any(-1)
    return out


def corners(problem: BoxProblem, dtype: torch.dtype, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Least and greatest coordinates of the box, both (d,)."""
    low, high = torch.tensor([[float(e) for e in side] for side in problem.domain], dtype=dtype, device=device).T
    return low, high


def _single(function: Function) -> Function:
    return lambda x: function(x)[..., 0]


def _function(problem: BoxProblem, expressions: list[Any]) -> Function:
    """(…, d) → (…, as many as there are expressions)."""
    one = sympy.Symbol("one", real=True)
    # Constant branches become tensors of the right type.
    grown = [
        e.replace(sympy.Piecewise, lambda *branches: sympy.Piecewise(*((v * one, c) for v, c in branches)))
        for e in expressions
    ]
    # As floats: the torch printer would hand torch.pow and torch.sqrt constants such as π², which they refuse.
    floats = [
        e.replace(lambda a: a.is_number and not (a.is_Integer or a.is_Float), lambda a: sympy.N(a, 17)) for e in grown
    ]
    function = sympy.lambdify((*problem.coordinates, one), floats, "torch", cse=True)

    def evaluate(x: Tensor) -> Tensor:
        ones = torch.ones_like(x[..., 0])
        return torch.stack([ones * value for value in function(*x.unbind(-1), ones)], -1)

    return evaluate
