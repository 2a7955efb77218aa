"""Functions of x whose breaks are searched for like a model's: a density along a model, or several outputs as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .eager import may_require_gradients
from .operations import Interception


@dataclass(frozen=True, eq=False)
class Combined:
    """Σ √(k + 2) uₖ: no jump of one output is another's, times a number that a user would write down.

    Attributes:
        function: of x, (n, 1) or (n,) → (n, m).
        outputs: m.
    """

    function: Callable[[Tensor], Tensor]
    outputs: int

    @property
    def held(self) -> Any:
        """The module behind the model, or what it holds, for the names of its parts."""
        return self.function if isinstance(self.function, torch.nn.Module) else getattr(self.function, "held", ())

    def __call__(self, x: Tensor) -> Tensor:
        """One number a point, (n,)."""
        found = self.function(x).reshape(len(x), self.outputs)
        weights = torch.arange(2, self.outputs + 2, dtype=found.dtype, device=found.device).sqrt()
        return torch.nn.functional.linear(found, weights[None])[:, 0]


@dataclass(frozen=True, eq=False)
class Integrand:
    """What is integrated, as a function of x alone.

    Attributes:
        model: x, (n,) → u, (n,) or (n, m).
        density: (x, u, u′), u and u′ of one shape → L, (n,).
        held: the module behind the model, if there is one, for its parameters and the names of its parts.
        outputs: m.
    """

    model: Callable[[Tensor], Tensor]
    density: Callable[[Tensor, Tensor, Tensor], Tensor]
    held: Any = None
    outputs: int = 1

    @property
    def alone(self) -> Callable[[Tensor], Tensor]:
        """The model without the density, with one number a point."""
        return self.model if self.outputs == 1 else Combined(self.model, self.outputs)

    def __call__(self, x: Tensor) -> Tensor:
        """L at points (n,) or (n, 1), (n,), with its graph in the parameters and in x."""
        x = x.reshape(-1)
        # The density comes after the derivative: of the calls that are seen, the model's are the first.
        if x.requires_grad or may_require_gradients():
            return self.density(x, *value_and_slope(self.model, x))
        # What forward mode evaluates the model on does not outlive it, and is not to be looked at.
        u = self.model(x)
        with Interception.paused():
            _, slope = value_and_slope(self.model, x)
        return self.density(x, u, slope)


def value_and_slope(model: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """u and u′ at points, to be differentiated once more by the parameters and by x.

    Each is of the shape of x; of a model of several outputs these are a further axis.

    By reverse mode twice; forward mode, which needs no second graph, took half as long again. Inside the transforms of
    torch.func, which do not see through `torch.autograd.grad`, it is forward mode.

    Args:
        model: elementwise in x, such as `lambda x: net(x[:, None])[:, 0]`.
        x: points, with or without graph; it is not cut.
    """
    points = x
    if not x.requires_grad:
        try:
            points = x.detach().requires_grad_()
        except RuntimeError:
            u, slope, *_ = torch.func.jvp(model, (x,), (torch.ones_like(x),))
            return u, slope
    with torch.enable_grad():
        u = model(points)
        if not u.requires_grad:
            return u, torch.zeros_like(u)
        columns = u.unbind(-1) if u.ndim > x.ndim else (u,)
        slopes = [torch.autograd.grad(c.sum(), points, create_graph=True, materialize_grads=True)[0] for c in columns]
    return u, torch.stack(slopes, -1) if u.ndim > x.ndim else slopes[0]
