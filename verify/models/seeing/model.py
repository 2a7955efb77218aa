"""A user's model as the audit sees it: u and u′ at points, in float64, with parameters that carry gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from .integrand import Combined
from .source_lines import at, line_of_backward, sentence

Function = Callable[[Tensor], Tensor]
Rebuild = Callable[[Mapping[str, Tensor], torch.dtype], tuple[Function, dict[str, Tensor]]]

_INPLACE = "modified by an inplace operation"


@dataclass(frozen=True, eq=False)
class Model:
    """A function of x whose parameters carry gradients.

    Of one output u and its derivatives are (n,), of several (n, m).

    Attributes:
        function: of x, (n, 1) if `column`, else (n,), with one number a point, or with `outputs` numbers.
        parameters: name → leaf tensor that `function` uses.
        column: see `function`.
        dtype: of the user's own parameters.
        original: what the user gave.
        rebuild: parameters and their type → the same model with those, and its own leaves.
        outputs: m.
    """

    function: Callable[[Tensor], Tensor]
    parameters: dict[str, Tensor]
    column: bool
    dtype: torch.dtype
    original: Callable[..., Any]
    rebuild: Rebuild
    outputs: int = 1

    @property
    def tensors(self) -> list[Tensor]:
        """The parameters in order."""
        return list(self.parameters.values())

    @property
    def takes_parameters(self) -> bool:
        """Did the user give a function of (parameters, x)?"""
        return isinstance(self.function, partial)

    @property
    def precision(self) -> str:
        """The user's own: "float64" or "float32", which stands for anything coarser."""
        return "float64" if self.dtype == torch.float64 else "float32"

    def value(self, x: Tensor) -> Tensor:
        """U at points (n,), (n,) or (n, m)."""
        found = self.function(x[:, None] if self.column else x)
        return found.reshape(x.shape if self.outputs == 1 else (len(x), self.outputs))

    @property
    def alone(self) -> Function:
        """What is searched for its breaks: one number a point, of several outputs a combination."""
        return self.function if self.outputs == 1 else Combined(self.function, self.outputs)

    def defined_at(self, x: Tensor) -> bool:
        """Is u finite at all points?"""
        try:
            with torch.no_grad():
                return bool(torch.isfinite(self.value(x)).all())
        except (RuntimeError, ValueError, ArithmeticError):
            return False

    def fields(self, x: Tensor, second: bool = False) -> tuple[Tensor, Tensor, Tensor | None]:
        """(u, u′, u″) at points (n,) that carry gradients or not; u″ is None unless asked for."""
        x = x if x.requires_grad else x.detach().requires_grad_()
        u = self.value(x)
        du = slope(u, x)
        return u, du, slope(du, x) if second else None

    def at(self, parameters: Mapping[str, Tensor]) -> Model:
        """The same model at other parameters."""
        function, leaves = self.rebuild(parameters, torch.float64)
        return replace(self, function=function, parameters=leaves)

    def extended(self, more: Mapping[str, Tensor]) -> Model:
        """The same model with further parameters, which its density depends on."""
        if not more:
            return self
        inner = self.rebuild

        def rebuild(parameters: Mapping[str, Tensor], dtype: torch.dtype) -> tuple[Function, dict[str, Tensor]]:
            function, leaves = inner({n: t for n, t in parameters.items() if n not in more}, dtype)
            return function, leaves | {n: leaf(parameters[n], dtype) for n in more}

        leaves = self.parameters | {n: leaf(t, torch.float64) for n, t in more.items()}
        return replace(self, parameters=leaves, rebuild=rebuild)

    def in_own_precision(self) -> Model:
        """The model in the user's type again, on this machine's processor."""
        if self.dtype == torch.float64:
            return self
        # float16 and bfloat16 have no sums worth judging on processors: float32 stands for what is coarser than double.
        function, leaves = self.rebuild(self.parameters, torch.float32)
        return replace(self, function=function, parameters=leaves, dtype=torch.float32)

    def double(self) -> Model:
        """The same model as if the user had it in float64."""
        return replace(self, dtype=torch.float64)

    @property
    def widest(self) -> int:
        """The largest extent of a parameter, which bounds the numbers a point needs in a layer."""
        return max(max(p.shape, default=1) for p in self.tensors)

    def vector(self) -> Tensor:
        """All parameters in one row, (P,)."""
        return torch.cat([p.detach().reshape(-1) for p in self.tensors])

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """A row (P,) as tensors of the parameters' shapes."""
        parts = torch.split(vector, [p.numel() for p in self.tensors])
        return {n: v.reshape(p.shape) for (n, p), v in zip(self.parameters.items(), parts, strict=True)}

    def gradient(self, scalar: Tensor, keep: bool = False) -> Tensor:
        """∂scalar/∂θ as one row (P,), zero where it does not depend on a parameter."""
        if not scalar.requires_grad:
            return torch.zeros_like(self.vector())
        try:
            found = torch.autograd.grad(scalar, self.tensors, retain_graph=keep, allow_unused=True)
        except RuntimeError as error:
            raise self.backward_failed(error) from None
        pairs = zip(self.tensors, found, strict=True)
        return torch.cat([(torch.zeros_like(p) if g is None else g.detach()).reshape(-1) for p, g in pairs])

    def backward_failed(self, error: RuntimeError) -> InputError:
        """What a failing backward pass means, with the line of the forward call that spoils it."""

        def again() -> None:
            u, du, _ = self.fields(torch.linspace(0.1, 0.9, 3, dtype=self.vector().dtype))
            torch.autograd.grad((u + du).sum(), self.tensors, allow_unused=True)

        if _INPLACE in str(error):
            return InputError(
                "model: an in-place operation overwrites what its derivative needs, so that u′ or its gradient cannot "
                f"be had{at(line_of_backward(again))}; out of place (h = h + 1 for h += 1) would be right"
            )
        return InputError(f"model: its derivative fails ({sentence(error)}){at(line_of_backward(again))}")


def leaf(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A leaf of the same numbers."""
    return tensor.detach().to("cpu", dtype).clone().requires_grad_()


def slope(u: Tensor, x: Tensor) -> Tensor:
    """du/dx at each point, in the shape of u and with its graph; zero where u does not depend on x."""
    if u.ndim > x.ndim:
        return torch.stack([slope(column, x) for column in u.unbind(-1)], -1)
    if not u.requires_grad:
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(u.sum(), x, create_graph=True, allow_unused=True)
    return torch.zeros_like(x) if found is None else found
