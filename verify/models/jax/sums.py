"""The sum or loss under audit with the gradient that JAX has for it, in the user's own precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..judging.density import Density
from ..judging.discretisation import Nodes
from ..judging.integral import Integral, takes_slopes
from ..judging.trained import Trained
from ..seeing.model import Model
from ..seeing.source_lines import at, line_of
from .functions import Functions

# By this share all parameters are moved, to see whether a loss depends on them at all.
_MOVED = 1e-2
# Points of a sum at a time.
_BLOCK = 1_000


@dataclass(frozen=True, eq=False)
class Sums:
    """What JAX is asked for.

    Attributes:
        functions: the user's.
        compiled: what JAX has compiled, each once.
    """

    functions: Functions
    compiled: dict[Any, Any] = field(default_factory=dict)

    def trained(self, stated: Trained) -> Trained:
        """The same sum or loss, with the gradient that JAX has for it."""
        loss, quadrature = stated.loss, stated.quadrature
        return replace(
            stated,
            loss=None if loss is None else self._loss(loss),
            quadrature=None if quadrature is None else _as_numpy(quadrature),
            summed=self._summed,
        )

    def _summed(self, model: Model, integral: Integral, nodes: Callable[[int], Nodes], points: int) -> Iterator[Tensor]:
        composed = integral.composed
        if composed is None:
            yield from self._integrated(model, integral.density, *nodes(points))
        else:
            sums = [
                torch.stack(list(self._integrated(model, term.density, x, w))).sum()
                for term in composed.terms
                for x, w in [term.nodes_from(*nodes(points), integral.domain)]
            ]
            yield composed.of(sums)
        if self.functions.added is not None:
            ends = np.array(integral.domain, model.precision)
            yield self._with_gradient(self._at_ends, model.parameters, model.precision, ends)

    def _integrated(self, model: Model, density: Density, places: Tensor, shares: Tensor) -> Iterator[Tensor]:
        """Parts of Σ weight·L."""
        precision = model.precision
        x, weights = (a.detach().numpy().astype(precision) for a in (places, shares))
        # All blocks have one size, or JAX would compile for each number of points anew; what fills the last weighs 0.
        filled = -len(x) % _BLOCK
        x = np.concatenate([x, np.repeat(x[-1:], filled, axis=0)])
        weights = np.pad(weights, (0, filled))
        total = self._sum(density)
        for block, weight in zip(x.reshape(-1, _BLOCK, *x.shape[1:]), weights.reshape(-1, _BLOCK), strict=True):
            yield self._with_gradient(total, model.parameters, precision, block, weight)

    def _sum(self, density: Density) -> Callable[..., Any]:
        """Of parameters, x and weights → Σ weight·L; one function for each density."""
        # As the user wrote it.
        written = density.function.__wrapped__  # type: ignore[attr-defined]

        def total(parameters: Any, x: Any, weights: Any) -> Any:
            fields = self.functions.fields(parameters, x, density.second)
            # What it takes and makes no use of.
            named = {"ddu": fields[3] if density.second else jnp.zeros_like(fields[1]), "parameters": parameters}
            return (written(*fields[:3], **{n: named[n] for n in density.extra}) * weights).sum()

        return self.compiled.setdefault((written, density.second, density.extra), total)  # type: ignore[no-any-return]

    def _at_ends(self, parameters: Any, ends: Any) -> Any:
        added = self.functions.added
        assert added is not None
        _, u, du = self.functions.fields(parameters, ends)
        value: Any = added(u, du) if takes_slopes(added) else added(u)
        return jnp.reshape(value, ())

    def _loss(self, loss: Callable[[Any, int], Any]) -> Callable[[Any, int], Tensor]:
        @wraps(loss)
        def told(model: Any, points: int) -> Tensor:
            # What it is handed is a function of x with its parameters bound.
            named: dict[str, Tensor] = model.args[0]
            precision = "float64" if next(iter(named.values())).dtype == torch.float64 else "float32"
            of_points = self.compiled.setdefault((loss, points), partial(_number, loss, points))
            value = self._with_gradient(of_points, named, precision)
            self._require_argument(of_points, loss, named, value, precision)
            return value

        return told

    def _require_argument(
        self, of_points: Callable[[Any], Any], loss: Callable[..., Any], named: Mapping[str, Tensor], value: Tensor,
        precision: str,
    ) -> None:  # fmt: skip
        """Refuse a loss of the script's own parameters, which does not change with those that it is given.

        Raises:
            InputError: it does not.
        """
        found = torch.autograd.grad(value, list(named.values()), retain_graph=True)
        if any(g.any() for g in found):
            return
        with jax.enable_x64(precision == "float64"):
            given = {n: t.detach().numpy() for n, t in named.items()}
            moved = {n: jnp.asarray(a + _MOVED * (1 + abs(a)), precision) for n, a in given.items()}
            if float(of_points(self.functions.tree(moved))) == float(value.detach()):
                raise InputError(
                    f"loss: it does not depend on the parameters that it is given{at(line_of(loss))}; its first "
                    "argument in the place of the script's own would be right"
                )

    def _with_gradient(
        self, function: Callable[..., Any], named: Mapping[str, Tensor], precision: str, *data: Any
    ) -> Tensor:
        """A number of JAX with its gradient, as a tensor."""
        tree = self.functions.tree
        ask = self.compiled.setdefault(
            (function, "gradient"), jax.jit(jax.value_and_grad(lambda own, *rest: function(tree(own), *rest)))
        )

        def both(*arrays: Any) -> tuple[Any, list[Any]]:
            with jax.enable_x64(precision == "float64"):
                own = {n: jnp.asarray(a, precision) for n, a in zip(named, arrays, strict=True)}
                value, gradient = ask(own, *data)
                return np.asarray(value), [np.array(gradient[n]) for n in named]

        found: Tensor = _Evaluated.apply(both, *named.values())  # type: ignore[no-untyped-call]
        return found


class _Evaluated(torch.autograd.Function):
    """A number that another framework has computed, together with its gradient."""

    @staticmethod
    def forward(ctx: Any, both: Callable[..., Any], *tensors: Tensor) -> Tensor:
        """The number."""
        value, gradient = both(*(t.detach().numpy() for t in tensors))
        ctx.gradient = [torch.from_numpy(g) for g in gradient]
        return torch.tensor(float(value), dtype=tensors[0].dtype)

    @staticmethod
    def backward(ctx: Any, *by_value: Any) -> Any:
        """Its gradient."""
        return None, *(by_value[0] * g for g in ctx.gradient)


def _number(loss: Callable[[Any, int], Any], points: int, parameters: Any) -> Any:
    return jnp.reshape(loss(parameters, points), ())


def made_of(loss_of: Callable[..., Any]) -> Callable[..., Tensor]:
    """What a user makes of integrals in JAX, of numbers that are tensors, with JAX's gradient."""

    @wraps(loss_of)
    def told(*values: Tensor) -> Tensor:
        precision = "float64" if values[0].dtype == torch.float64 else "float32"
        ask = jax.value_and_grad(lambda given: jnp.reshape(loss_of(*given), ()))

        def both(*arrays: Any) -> tuple[Any, list[Any]]:
            with jax.enable_x64(precision == "float64"):
                value, gradient = ask([jnp.asarray(a, precision) for a in arrays])
                return np.asarray(value), [np.array(g) for g in gradient]

        found: Tensor = _Evaluated.apply(both, *values)  # type: ignore[no-untyped-call]
        return found

    return told


def _as_numpy(quadrature: Callable[[int], Any]) -> Callable[[int], Any]:
    @wraps(quadrature)
    def told(points: int) -> Any:
        return tuple(np.array(a, dtype=np.float64) for a in quadrature(points))

    return told
