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
        coefficient: κ, (…).
        source: f, (…).
        distance: D, (…).
        distance_gradient: ∇D, (…, d).
    """

    coefficient: Function
    source: Function
    distance: Function
    distance_gradient: Function


@lru_cache(maxsize=64)
def box_data(problem: BoxProblem) -> BoxData:
    """κ, f and D of a problem."""
    slopes = [sympy.diff(problem.distance, s) for s in problem.coordinates]
    coefficient, source, distance = (
        _single(_function(problem, [e])) for e in (problem.coefficient, problem.source, problem.distance)
    )
    return BoxData(coefficient, source, distance, _function(problem, slopes))


@lru_cache(maxsize=64)
def solution_gradient(problem: BoxProblem) -> Function:
    """∇u of the known solution, (…, d) → (…, d).

    Raises:
        InputError: none is known.
    """
    if problem.solution is None:
        raise InputError(f"{problem.name}: no known solution; pass solution= to have something to compare with")
    return _function(problem, [sympy.diff(problem.solution, s) for s in problem.coordinates])


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
    function = sympy.lambdify((*problem.coordinates, one), [sympy.N(e, 17) for e in grown], "torch", cse=True)

    def evaluate(x: Tensor) -> Tensor:
        ones = torch.ones_like(x[..., 0])
        return torch.stack([ones * value for value in function(*x.unbind(-1), ones)], -1)

    return evaluate
