"""What to change in a loss written in JAX, as text to paste; tried on the very model before it is printed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import InputError
from ..judging.integral import Integral
from ..seeing.model import Model
from ..telling.remedy import GOOD, GROUP, NONE, Wanted
from .functions import Functions

_STRONG = """\
# No quadrature mends this: the loss squares a u″ that has its weight in the kinks, where no node sees it.
# An activation with a second derivative gives it one, for instance
#     jax.nn.relu  →  jnp.tanh
# or keep ReLU and minimise an energy that needs u′ alone (Deep Ritz)."""
_SUMMAND = """\
# Nil in value, with the part of the gradient that autodiff leaves out: a summand of what jax.grad differentiates.
from kinkproof.solver.jax import dirac_term

value = value + {term}"""


def advice(functions: Functions, model: Model, integral: Integral, discretisation: str, wanted: Wanted) -> str:
    """The missing part as a summand, with `model`, `parameters` and `value` called so, and the density by its name.

    Args:
        functions: the user's.
        model: the same, told in torch.
        integral: of the user's density.
        discretisation: what stays as it is.
        wanted: by which the summand is tried.
    """
    if integral.density.second:
        return _STRONG
    cures = entry_points(group=GROUP, name="dirac_term_jax")
    if not cures:
        return NONE.format(why="no package that brings one for JAX is installed")
    (cure,) = cures
    dirac_term = cure.load()
    written = functions.written

    def missing(named: Mapping[str, Any]) -> Any:
        own = functions.tree(named)
        energy = partial(written, parameters=own) if "parameters" in integral.density.extra else written
        return dirac_term(energy, functions.way.function, own, integral.domain)

    try:
        with jax.enable_x64(True):
            named = {n: jnp.asarray(t.detach().numpy()) for n, t in model.parameters.items()}
            found = jax.jit(jax.grad(missing))(named)
            row = np.concatenate([np.ravel(found[n]) for n in model.parameters])
    except InputError as error:
        return NONE.format(why=f"dirac_term does not take it ({error})")
    off = float(np.linalg.norm(row - wanted.dirac)) / wanted.scale
    if not off <= GOOD:
        return NONE.format(why=f"with dirac_term the gradient is still {off:.1e} off")
    name = getattr(written, "__name__", "density").replace("<lambda>", "density")
    own = "parameters" if functions.way.takes_parameters else "model"
    if "parameters" in integral.density.extra:
        name = f"lambda x, u, du: {name}(x, u, du, parameters={own})"
    left, right = integral.domain
    term = f"dirac_term({name}, {functions.way.text}, {own}, ({left!r}, {right!r}))"
    return _SUMMAND.format(term=term)
