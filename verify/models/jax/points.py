"""How a model written in JAX takes points: all or one at a time, as columns or as numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ...errors import InputError
from ..seeing.source_lines import at, line_of, line_of_error, sentence

# Numbers of points of which it is asked how a model wants them: what it returns for each must not change with them.
_PROBES = (7, 5)


@dataclass(frozen=True, eq=False)
class Way:
    """How a model takes points.

    Attributes:
        function: of parameters and all points, as `dirac_term` takes it.
        text: the same for a user to write, where the model is called `model`.
        takes_parameters: the model is a function of (parameters, x), and not a pytree that is called with x.
        flat: points are (n,), and not (n, d).
        outputs: m; 1 where it returns (n,) or (n, 1).
    """

    function: Callable[[Any, Any], Any]
    text: str
    takes_parameters: bool
    flat: bool
    outputs: int = 1

    def of_all(self, parameters: Any, x: Any) -> Any:
        """U at points (n, d), (n,) or (n, m)."""
        found = self.function(parameters, x[:, 0] if self.flat else x)
        return found.reshape(len(x)) if self.outputs == 1 else found


def way_of(given: Callable[..., Any], whole: Any, takes_parameters: bool, inputs: int) -> Way:
    """The first of the ways in which a model takes points: (n, d), in one input (n,), or one at a time as (d,) or ().

    Raises:
        InputError: it takes them in none of these.
    """
    if takes_parameters:
        texts = ("model", "jax.vmap(model, (None, 0))")
    else:
        texts = ("lambda model, x: model(x)", "lambda model, x: jax.vmap(model)(x)")

    def called(own: Any, x: Any) -> Any:
        return given(own, x) if takes_parameters else own(x)

    def single(own: Any, x: Any) -> Any:
        return jax.vmap(partial(called, own))(x)

    ways = [
        Way(function, text, takes_parameters, flat)
        for function, text in zip((called, single), texts, strict=True)
        for flat in ((False, True) if inputs == 1 else (False,))
    ]
    failures: list[str] = []
    for way in ways:
        try:
            # Leaves that are no arrays, such as activations, are not to be traced.
            with jax.enable_x64(True):
                many, few = (
                    jax.eval_shape(partial(way.function, whole), jnp.zeros((n,) if way.flat else (n, inputs)))
                    for n in _PROBES
                )
        except Exception as error:
            failures.append(f"{sentence(error)}{at(line_of_error(error))}")
            continue
        shapes: list[tuple[int, ...]] = [getattr(found, "shape", ()) for found in (many, few)]
        if all(len(s) in (1, 2) and s[0] == n for s, n in zip(shapes, _PROBES, strict=True)) and (
            shapes[0][1:] == shapes[1][1:]
        ):
            return replace(way, outputs=shapes[0][1] if len(shapes[0]) == 2 else 1)
        what = f"shape {many.shape}" if hasattr(many, "shape") else type(many).__name__
        failures.append(f"it returns {what} for {_PROBES[0]} points{at(line_of(given))}")
    wanted = f"(n, {inputs}) to (n,), (n, 1) or (n, m)"
    raise InputError(f"model: {failures[0]}; numbers in and numbers out, {wanted}, would be right")
