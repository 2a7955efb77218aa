"""A user's model and density in JAX: told in torch for the exact side, and what of them is a parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..judging.integral import Ends
from ..seeing.model import Model
from ..seeing.source_lines import at, line_of
from .points import Way, way_of
from .translation import Translation

# A chain of operations of some hundred roundings each.
_SAME = 1e-10


def in_jax(model: Any, parameters: Any) -> bool:
    """Are there arrays of JAX among the parameters, or in the model where it has its own, as equinox' do?"""
    return any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(model if parameters is None else parameters))


@dataclass(frozen=True, eq=False)
class Functions:
    """What a user wrote in JAX.

    Attributes:
        given: the model as the user gave it.
        way: how it takes points.
        written: the density.
        added: what the ends add, or None.
        tree: name → array gives the pytree of parameters.
        arrays: name → array of each floating-point leaf.
    """

    given: Callable[..., Any]
    way: Way
    written: Callable[..., Any]
    added: Ends | None
    tree: Callable[[Mapping[str, Any]], Any]
    arrays: dict[str, Any]

    def fields(self, parameters: Any, x: Any, second: bool = False) -> list[Any]:
        """X, u, ∇u and second derivatives if asked for, as JAX has them, in the shapes of `audit_model`.

        Args:
            parameters: the pytree.
            x: points, in one input (n,), else (n, d).
            second: with second derivatives.
        """
        if x.ndim == 1 and self.way.outputs == 1:

            def u(x: Any) -> Any:
                return self.way.of_all(parameters, x[:, None])

            def du(x: Any) -> Any:
                return jax.grad(lambda x: u(x).sum())(x)

            return [x, u(x), du(x), *([jax.grad(lambda x: du(x).sum())(x)] if second else [])]

        def at_one(point: Any) -> Any:
            return self.way.of_all(parameters, jnp.reshape(point, (1, -1)))[0]

        found = [jax.vmap(at_one)(x), jax.vmap(jax.jacrev(at_one))(x)]
        return [x, *found, *([jax.vmap(jax.hessian(at_one))(x)] if second else [])]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The parameters, in the user's type; what is coarser than float32 in float32."""
        return {
            n: torch.from_numpy(np.array(a, dtype="float64" if a.dtype == np.float64 else "float32"))
            for n, a in self.arrays.items()
        }

    @property
    def model(self) -> Translation:
        """Of name → tensor and x (n, d), (n,) or (n, m)."""
        return Translation(lambda named, x: self.way.of_all(self.tree(named), x), "model", self.given)

    @property
    def density(self) -> Any:
        """L, as the user wrote it; what is no function is handed on, to be refused."""
        return Translation(self._density, "density", self.written) if callable(self.written) else self.written

    @property
    def ends(self) -> Translation | None:
        """What the ends add."""
        return None if self.added is None else Translation(self.added, "ends", self.added)

    def check(self, model: Model, x: Tensor) -> None:
        """See that JAX has the u and ∇u of its translation, which torch differentiates by itself.

        Args:
            model: the translation.
            x: some points.

        Raises:
            InputError: it has not, as with a rule of differentiation of the user's own that is wrong.
        """
        wanted = [f.detach().numpy().reshape(len(x), -1) for f in model.fields(x)[:2] if f is not None]
        with jax.enable_x64(True):
            own = self.tree({n: jnp.asarray(t.detach().numpy()) for n, t in model.parameters.items()})
            found = [np.asarray(f).reshape(len(x), -1) for f in self.fields(own, jnp.asarray(x.numpy()))[1:]]
        for name, mine, theirs in zip(("u", "u′" if x.ndim == 1 else "∇u"), wanted, found, strict=True):
            off = np.abs(mine - theirs).max(1) > _SAME * np.abs(mine).max()
            # A kink may lie at one of the points, but not at most.
            if off.sum() > len(x) // 2:
                k = int(off.argmax())
                place, theirs_there, mine_there = (
                    ", ".join(f"{v:.6g}" for v in np.ravel(a)) for a in (x[k].numpy(), theirs[k], mine[k])
                )
                raise InputError(
                    f"model: at x = {place} JAX has {name} = {theirs_there} and its operations give {mine_there}"
                    f"{at(line_of(self.given))}; no custom_jvp or custom_vjp, or one that is right, would be right"
                )

    def _density(self, x: Any, u: Any, du: Any, **named: Any) -> Any:
        if "parameters" in named:
            named["parameters"] = self.tree(named["parameters"])
        return self.written(x, u, du, **named)


def read(model: Callable[..., Any], parameters: Any, density: Any, ends: Ends | None, inputs: int = 1) -> Functions:
    """What a user wrote in JAX, looked at.

    Args:
        model: a function of (parameters, x), or without parameters a pytree that is called with x; of all points,
            (n, d), in one input also (n,), or of one, (d,) or ().
        parameters: a pytree of arrays, or None.
        density: L(x, u, du) in JAX.
        ends: as `audit_model` takes them, in JAX.
        inputs: d.

    Raises:
        InputError: it takes points in none of these ways, or has no parameters.
    """
    whole = model if parameters is None else parameters
    paths, structure = jax.tree_util.tree_flatten_with_path(whole)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") or "parameters" for path, _ in paths]
    arrays = {
        name: leaf
        for name, (_, leaf) in zip(names, paths, strict=True)
        if isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating)
    }
    if not arrays:
        raise InputError(
            f"model: none of its parameters is a floating-point array{at(line_of(model))}; some would be right"
        )
    # Whole numbers, keys, activations: what is no parameter stays as it is.
    kept = [None if name in arrays else leaf for name, (_, leaf) in zip(names, paths, strict=True)]

    def tree(named: Mapping[str, Any]) -> Any:
        leaves = [named[n] if n in arrays else k for n, k in zip(names, kept, strict=True)]
        return jax.tree.unflatten(structure, leaves)

    return Functions(model, way_of(model, whole, parameters is not None, inputs), density, ends, tree, arrays)
