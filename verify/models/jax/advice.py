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
from ..judging.density import Density
from ..seeing.model import Model
from ..space.fields import SpaceModel
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
_DRAWN = """\
# Nil in value, with the mean of what autodiff leaves out as its gradient: a summand of what jax.grad differentiates,
# with a new key at each step.
from kinkproof.solver.jax import dirac_term

value = value + {term}"""
# Draws in several inputs, standard errors that their mean may be off by, and how well it has to be known, as a share.
_DRAWS, _SIGMAS, _KNOWN = 64, 5.0, 0.2


def advice(functions: Functions, model: Model, density: Density, domain: Any, wanted: Wanted) -> str:
    """The missing part as a summand, with `model`, `parameters` and `value` called so, and the density by its name.

    Args:
        functions: the user's.
        model: the same, told in torch.
        density: the user's.
        domain: as the user wrote it; in one input a pair of numbers.
        wanted: by which the summand is tried.
    """
    if density.second:
        return _STRONG
    cures = entry_points(group=GROUP, name="dirac_term_jax")
    if not cures:
        return NONE.format(why="no package that brings one for JAX is installed")
    (cure,) = cures
    dirac_term = cure.load()
    written = getattr(density.function, "__wrapped__", None)
    if written is None:
        return NONE.format(why="the loss is made of several integrals, and dirac_term is for one")
    several = isinstance(model, SpaceModel)

    def missing(named: Mapping[str, Any], key: Any) -> Any:
        own = functions.tree(named)
        energy = partial(written, parameters=own) if "parameters" in density.extra else written
        return dirac_term(energy, functions.way.function, own, domain, key)

    try:
        with jax.enable_x64(True):
            named = {n: jnp.asarray(t.detach().numpy()) for n, t in model.parameters.items()}
            gradient = jax.jit(jax.grad(missing))
            keys = jax.random.split(jax.random.key(0), _DRAWS) if several else [None]
            rows = []
            for key in keys:
                found = gradient(named, key)
                rows.append(np.concatenate([np.ravel(found[n]) for n in model.parameters]))
    except InputError as error:
        return NONE.format(why=f"dirac_term does not take it ({error})")
    off = float(np.linalg.norm(np.mean(rows, axis=0) - wanted.dirac)) / wanted.scale
    noise = float(np.sqrt(np.var(rows, axis=0, ddof=1).sum() / len(rows))) / wanted.scale if several else 0.0
    # In several inputs its mean over draws is right.
    if not off <= GOOD + _SIGMAS * np.hypot(noise, wanted.error / wanted.scale):
        return NONE.format(why=f"with dirac_term the gradient is still {off:.1e} off")
    if noise * wanted.scale > _KNOWN * float(np.linalg.norm(wanted.dirac)):
        return NONE.format(why=f"{_DRAWS} draws of dirac_term do not tell whether its mean is right")
    name = getattr(written, "__name__", "density").replace("<lambda>", "density")
    own = "parameters" if functions.way.takes_parameters else "model"
    if "parameters" in density.extra:
        name = f"lambda x, u, du: {name}(x, u, du, parameters={own})"
    where = repr(domain) if isinstance(domain, tuple | list) else "domain"
    term = f"dirac_term({name}, {functions.way.text}, {own}, {where}{', key' if several else ''})"
    return (_DRAWN if several else _SUMMAND).format(term=term)
