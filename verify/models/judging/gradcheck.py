"""What `torch.autograd.gradcheck` says of the same sum, to be shown beside the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..seeing.source_lines import sentence
from .discretisation import Discretisation
from .seeds import seeded

MEANING = (
    "gradcheck compares autograd with differences of the sum on {points} points; the sum is piecewise smooth in the "
    "parameters and autograd is right for it. It says nothing about the integral"
)


@dataclass(frozen=True)
class Gradcheck:
    """Its answer.

    Attributes:
        passed: None where it could not be run, or does not apply.
        points: of the sum.
        detail: what it says where it did not pass.
    """

    passed: bool | None
    points: int
    detail: str = ""

    def __str__(self) -> str:
        said = {True: "passes", False: "fails", None: "is not applicable"}[self.passed]
        detail = f" ({self.detail})" if self.detail else ""
        return f"torch.autograd.gradcheck {said}{detail}: {MEANING.format(points=self.points)}."


def gradcheck(trained: Callable[[], Discretisation], points: int) -> Gradcheck:
    """Run it on the sum, at the model's parameters, drawing the same points each time.

    Args:
        trained: makes the sum, of a model in float64, which gradcheck needs.
        points: of the sum.
    """
    try:
        discretisation = trained()
    except InputError as error:
        return Gradcheck(None, points, sentence(error))
    originals = [t.detach().clone() for t in discretisation.tensors]
    try:
        again = []
        for _ in range(2):
            with seeded(0):
                again.append(float(discretisation.value(points).detach()))
    except (RuntimeError, InputError) as error:
        return Gradcheck(None, points, sentence(error))
    if again[0] != again[1]:
        return Gradcheck(None, points, "the points come from a generator that no seed of ours reaches, and change")

    def loss(*moved: Tensor) -> Tensor:
        _set(discretisation.tensors, moved)
        with seeded(0):
            value = discretisation.value(points)
        found = torch.autograd.grad(value, discretisation.tensors, allow_unused=True)
        pairs = zip(found, moved, strict=True)
        return _Answered.apply(value.detach(), [torch.zeros_like(p) if g is None else g for g, p in pairs], *moved)  # type: ignore[no-any-return, no-untyped-call]

    try:
        # The fast mode compares along one direction, which for thousands of parameters is what can be afforded.
        with seeded(0):
            inputs = tuple(t.clone().requires_grad_() for t in originals)
            return Gradcheck(torch.autograd.gradcheck(loss, inputs, fast_mode=True, raise_exception=False), points)
    except (RuntimeError, InputError) as error:
        return Gradcheck(None, points, sentence(error))
    finally:
        _set(discretisation.tensors, originals)


class _Answered(torch.autograd.Function):
    """A value together with the gradient that autograd gave for it, as a function of tensors that are not its own."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradient: list[Tensor], *moved: Tensor) -> Tensor:
        """Hand on the value."""
        ctx.gradient = gradient
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *by_value: Any) -> Any:
        """Hand on the gradient."""
        return None, None, *(by_value[0] * g for g in ctx.gradient)


def _set(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(tensors, values, strict=True):
            tensor.copy_(value)
