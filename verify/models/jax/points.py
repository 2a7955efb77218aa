"""How a model written in JAX takes points: all or one at a time, as columns or as numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ...errors import InputError
from ..seeing.source_lines import at, line_of, line_of_error, sentence

# Points of which it is asked how a model wants them.
_PROBES = 7


@dataclass(frozen=True, eq=False)
class Way:
    """How a model takes points.

    Attributes:
        function: of parameters and all points, as `dirac_term` takes it.
        text: the same for a user to write, where the model is called `model`.
        takes_parameters: the model is a function of (parameters, x), and not a pytree that is called with x.
        flat: points are (n,), and not (n, 1).
    """

    function: Callable[[Any, Any], Any]
    text: str
    takes_parameters: bool
    flat: bool

    def of_all(self, parameters: Any, x: Any) -> Any:
        """U at points (n, 1)."""
        return self.function(parameters, x[:, 0] if self.flat else x)


def way_of(given: Callable[..., Any], whole: Any, takes_parameters: bool) -> Way:
    """The first of four ways in which a model takes points: (n, 1), (n,), or one at a time as (1,) or ().

    Raises:
        InputError: it takes them in none of these.
    """
    if takes_parameters:
        called: Callable[[Any, Any], Any] = given
        texts = ("model", "jax.vmap(model, (None, 0))")
    else:

        def called(own: Any, x: Any) -> Any:
            return own(x)

        texts = ("lambda model, x: model(x)", "lambda model, x: jax.vmap(model)(x)")

    def single(own: Any, x: Any) -> Any:
        return jax.vmap(partial(called, own))(x)

    ways = [
        Way(function, text, takes_parameters, flat)
        for function, text in zip((called, single), texts, strict=True)
        for flat in (False, True)
    ]
    failures: list[str] = []
    for way in ways:
        try:
            # Leaves that are no arrays, such as activations, are not to be traced.
            with jax.enable_x64(True):
                points = jnp.zeros((_PROBES, 1))
                found = jax.eval_shape(partial(way.of_all, whole), points)
        except Exception as error:
            failures.append(f"{sentence(error)}{at(line_of_error(error))}")
            continue
        if getattr(found, "shape", None) in ((_PROBES,), (_PROBES, 1)):
            return way
        what = f"shape {found.shape}" if hasattr(found, "shape") else type(found).__name__
        failures.append(f"it returns {what} for {_PROBES} points{at(line_of(given))}")
    raise InputError(f"model: {failures[0]}; one number in and one number out, (n, 1) to (n, 1), would be right")
