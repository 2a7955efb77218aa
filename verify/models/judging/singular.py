"""Data that grow without bound inside a domain or at its ends: where, how fast, and what integrates them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import torch

from ...errors import InputError
from ..seeing.model import Model
from ..seeing.pieces import SAME_PLACE, RoughError
from ..space.cutting.poles import climbed
from .exact_side import Located
from .integral import Integral

# Distances, as shares of the domain, each an eighth of the one before, at which growth is measured.
_FIRST, _RATIO, _COUNT = 1e-5, 8.0, 4
# Powers have a denominator of no more than this, and are met to within that.
_DENOMINATOR, _MET = 4, 2e-3
# What log|x − a| is integrated with: Gauss points see t^(q − 1) log t.
_LOGARITHM = 4
# Places nearer to each other than this share of the domain are one.
_SAME = 1e-3


def graded(model: Model, located: Located, rough: RoughError) -> Located:
    """The same, with nodes that crowd at further places where L grows without bound.

    Args:
        model: along which L is integrated.
        located: breaks, and the integral that was found to be too rough.
        rough: where.

    Raises:
        RoughError: no such place is there that was not known, or L grows in another way than a power with a small
            denominator or a logarithm.
    """
    integral = located.integral
    fields = integral.fields(model)
    # Those of abs(x − a), which are known better.
    own = located.places[[located.of_density(k) for k in located.indices]] if len(located.places) else located.places
    left, right = integral.domain
    box = torch.tensor([[left, right]], dtype=torch.float64)
    known = [place for place, *_ in integral.poles]
    found = list(integral.poles)
    for start in rough.places[torch.linspace(0, len(rough.places) - 1, 9).round().long()]:
        place = float(climbed(lambda x: fields(x[:, 0])[0].abs(), start[None], box))
        if len(own) and float((own - place).abs().min()) <= SAME_PLACE * (right - left):
            place = float(own[(own - place).abs().argmin()])
        if all(abs(place - other) > _SAME * (right - left) for other in known):
            known.append(place)
            power = _power(integral, model, place)
            if power is not None:
                found.append((place, power.denominator if power else _LOGARITHM, float(power)))
    if len(found) == len(integral.poles):
        raise rough
    return located.with_poles(replace(integral, poles=tuple(sorted(found))))


def _power(integral: Integral, model: Model, place: float) -> Fraction | None:
    """p of growth like |x − place|^(−p), from either side or from both, nil of a logarithm; None of any other."""
    left, right = integral.domain
    seen = set()
    for side in (1, -1):
        steps = _FIRST * (right - left) * _RATIO ** -torch.arange(_COUNT, dtype=torch.float64)
        x = place + side * steps
        if not left < float(x[0]) < right:
            continue
        try:
            values = integral.fields(model)(x)[0]
        except (InputError, RuntimeError):
            return None
        # Differences leave out what is constant, and their ratio is 8^p.
        gained = values.diff()
        if float(gained[-1].abs()) <= float(gained[0].abs()) / 2:
            # It stays finite on this side.
            continue
        measured = [math.log(float(q)) / math.log(_RATIO) if q > 0 else math.nan for q in gained[1:] / gained[:-1]]
        nearest = Fraction(measured[-1] if math.isfinite(measured[-1]) else -1).limit_denominator(_DENOMINATOR)
        if not 0 <= nearest < 1 or not all(abs(m - nearest) <= _MET for m in measured):
            return None
        seen.add(nearest)
    return seen.pop() if len(seen) == 1 else None
