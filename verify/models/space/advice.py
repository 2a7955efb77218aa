"""What to add to a loss of several inputs, as text to paste; tried on the very model before it is printed."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import numpy as np
import torch

from ...errors import InputError
from ..judging.density import Density
from ..telling.remedy import GROUP, NONE, Wanted
from .fields import SpaceModel

# Draws of the term by whose mean it is tried, and standard errors that the mean may be off by.
_DRAWS, _SIGMAS = 64, 5.0
# How well its mean has to be known, as a share of what is missing.
_KNOWN = 0.2
_SUMMAND = """\
# Nil in value, with the mean of what autodiff leaves out as its gradient: a summand of your loss.
from kinkproof.solver import dirac_term

value = value + dirac_term({density}, {model}, {domain})"""


def advice(model: SpaceModel, density: Density, domain: Any, wanted: Wanted) -> str:
    """The missing part as a summand, with the model called `model`, and the density by its name.

    Args:
        model: the user's.
        density: the user's.
        domain: as the user wrote it.
        wanted: by which the summand is tried.
    """
    cures = entry_points(group=GROUP, name="dirac_term")
    if not cures:
        return NONE.format(why="no package that brings one is installed")
    (cure,) = cures
    dirac_term = cure.load()
    generator = torch.Generator().manual_seed(0)
    rows = []
    try:
        for _ in range(_DRAWS):
            term = dirac_term(lambda x, u, du: density.at(model, x, u, du), model.function, domain, generator=generator)
            rows.append(model.gradient(term))
    except (InputError, RuntimeError) as refusal:
        return NONE.format(why=f"dirac_term does not take it ({refusal})")
    found = torch.stack(rows)
    error = float((found.var(0).sum() / _DRAWS).sqrt())
    size = float(np.linalg.norm(wanted.dirac))
    off = float(np.linalg.norm(found.mean(0).numpy() - wanted.dirac))
    if off > _SIGMAS * (error**2 + wanted.error**2) ** 0.5 or error > _KNOWN * size:
        share = off / size
        return NONE.format(why=f"the mean of {_DRAWS} draws of dirac_term is {share:.0%} of the missing part off")
    name = getattr(density.function, "__name__", "density").replace("<lambda>", "density")
    said = repr(domain) if isinstance(domain, tuple | list) else "domain"
    called = "lambda x: model(parameters, x)" if model.takes_parameters else "model"
    return _SUMMAND.format(density=name, model=called, domain=said)
