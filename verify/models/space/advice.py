"""What to add to a loss of several inputs, as text to paste; tried on the very model before it is printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..judging.composition import Composition
from ..judging.density import Density
from ..telling.remedy import GOOD, GROUP, NONE, Wanted
from .domains import Box
from .exact import ExactSide
from .faces import Face
from .fields import SpaceModel
from .terms import ExactTerms, SpaceTerm

# In another framework: (model, density, domain, what is missing) → what to add to the integral over the domain.
Advice = Callable[[SpaceModel, Density, Any, Wanted], str]

# Draws of the term by whose mean it is tried, and standard errors that the mean may be off by.
_DRAWS, _SIGMAS = 64, 5.0
# How well its mean has to be known, as a share of what is missing; and what it may be off by where nothing is drawn:
# both sides of a kink are seen at a small distance.
_KNOWN, _SMALL = 0.2, 1e-6
_ONE = """\
# Nil in value, with the mean of what autodiff leaves out as its gradient: a summand of your loss.
from kinkproof.solver import dirac_term

value = value + """
_EACH = """\
# Added to each sum, what the motion of the kinks does to its integral: nil in value, with the mean of what autodiff
# leaves out as its gradient.
from kinkproof.solver import {imported}

# integrals: the list of your sums, in the order of the terms
{lines}
loss = {made}"""
# Where there are several integrals, and kinks move in one.
_OF_ONE = "# Added to the integral of {name} over the domain, before it is added to others or anything is made of it.\n"


def advised(model: SpaceModel, composed: Composition, domain: Any, terms: ExactTerms, other: Advice | None) -> str:
    """The missing parts as summands, with the model called `model`, and densities by their names.

    Args:
        model: the user's.
        composed: its densities, on their pieces of the domain.
        domain: as the user wrote it.
        terms: what is known of them.
        other: what is added in another framework.
    """
    # What is rounding of the whole needs no remedy.
    least = GOOD * float((terms.whole.bulk + terms.whole.dirac).norm())
    missing: list[tuple[int, SpaceTerm, ExactSide]] = []
    for k, (term, side, weight) in enumerate(zip(composed.terms, terms.sides, terms.weights, strict=True)):
        if abs(weight) * float(side.dirac.norm()) > least:
            assert isinstance(term, SpaceTerm)
            missing.append((k, term, side))
    if other is not None:
        return _in_other_framework(model, composed, domain, missing, other)
    lines, segments = [], False
    for k, term, side in missing:
        why = tried(model, term, side)
        if why:
            return NONE.format(why=why)
        calls = [_call(model, term.density, said) for said in _places(term, domain)]
        if len(composed.terms) == 1 and composed.function is None and len(calls) == 1:
            return _ONE + calls[0]
        if len(missing) == 1 and term.whole:
            return _OF_ONE.format(name=term.name) + _ONE + calls[0]
        lines += [f"integrals[{k}] = integrals[{k}] + {call}" for call in calls]
        segments = segments or any("Segment(" in call for call in calls)
    imported = "dirac_term\nfrom kinkproof.verify import Segment" if segments else "dirac_term"
    made = "loss_of(*integrals)" if composed.function is not None else "sum(integrals)"
    return _EACH.format(imported=imported, lines="\n".join(lines), made=made)


def _in_other_framework(
    model: SpaceModel, composed: Composition, domain: Any, missing: Sequence[tuple[int, SpaceTerm, ExactSide]],
    other: Advice,
) -> str:  # fmt: skip
    if not all(term.whole for _, term, _ in missing):
        return NONE.format(why="kinks move on faces or edges, and its dirac_term is for integrals over the domain")
    texts = []
    for _, term, side in missing:
        total = side.bulk + side.dirac
        wanted = Wanted(total.numpy(), float(total.norm()) or 1.0, side.dirac.numpy(), np.zeros(0), side.dirac_error)
        text = other(model, term.density, domain, wanted)
        if len(composed.terms) == 1 and composed.function is None:
            return text
        texts.append(_OF_ONE.format(name=term.name) + text)
    return "\n\n".join(texts)


def tried(model: SpaceModel, term: SpaceTerm, side: ExactSide) -> str:
    """Why the mean of the cure's draws is not what is missing of an integral, or "" if it is.

    Args:
        model: the user's.
        term: density and piece.
        side: what is known of the integral.
    """
    cures = entry_points(group=GROUP, name="dirac_term")
    if not cures:
        return "no package that brings one is installed"
    (cure,) = cures
    dirac_term = cure.load()
    generator = torch.Generator().manual_seed(0)
    # Along a line nothing is drawn.
    draws = _DRAWS if any(face.dimension > 1 for face in term.faces) else 1
    rows: list[Tensor] = []
    try:
        for _ in range(draws):
            parts = [
                dirac_term(
                    lambda x, u, du: term.density.at(model, x, u, du), model.function,
                    face.domain if face.dimension == model.inputs else face, generator=generator,
                ) for face in term.faces
            ]  # fmt: skip
            rows.append(model.gradient(torch.stack(parts).sum()))
    except (InputError, RuntimeError) as refusal:
        return f"dirac_term does not take it ({refusal})"
    found = torch.stack(rows)
    error = float((found.var(0).sum() / draws).sqrt()) if draws > 1 else 0.0
    size = float(side.dirac.norm())
    off = float((found.mean(0) - side.dirac).norm())
    if off > _SIGMAS * (error**2 + side.dirac_error**2) ** 0.5 + _SMALL * size or error > _KNOWN * size:
        drawn = f"the mean of {draws} draws of dirac_term" if draws > 1 else "dirac_term"
        return f"{drawn} is {off / size:.2g} of the missing part of {term.name} off"
    return ""


def _call(model: SpaceModel, density: Density, place: str) -> str:
    name = getattr(density.function, "__name__", "density").replace("<lambda>", "density")
    called = "lambda x: model(parameters, x)" if model.takes_parameters else "model"
    return f"dirac_term({name}, {called}, {place})"


def _places(term: SpaceTerm, domain: Any) -> list[str]:
    """Each part of a piece as text."""
    if term.whole:
        return [repr(domain) if isinstance(domain, tuple | list) else "domain"]
    return [_place(face) for face in term.faces]


def _place(face: Face) -> str:
    along = face.tangents.abs().sum(1)
    if not isinstance(face.domain, Box):
        return "piece"
    if bool(((along == 0) | (along == 1)).all()):
        pairs = zip(along.tolist(), face.box.tolist(), strict=True)
        return "(" + ", ".join(repr(tuple(ends) if varies else ends[0]) for varies, ends in pairs) + ")"
    start, end = face.at(face.domain.box.T).tolist()
    return f"Segment({tuple(start)}, {tuple(end)})"
