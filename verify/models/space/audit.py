"""The audit of a user's model of several inputs: is autodiff's gradient of the sum that of the integral?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ...errors import InputError
from ...systems.study import ROUNDING
from ..judging.composition import Composition
from ..judging.discretisation import Discretisation
from ..judging.gradcheck import Gradcheck, gradcheck
from ..judging.judgement import DRAWN, Judged, Target, on_points, over_draws
from ..judging.trained import Trained
from ..telling.model_findings import NO_VERDICT, IntegralFinding, ModelAudit, Offender, Route, TensorFinding
from .advice import Advice, advised
from .domains import Domain, as_domain
from .exact import ExactSide, ranges
from .fields import SpaceModel, prepare, probes
from .points import discretised
from .terms import ExactTerms, exact_terms, looked_at

# A Dirac part is told from none if it is so many standard errors.
_SEEN = 4.0
_OFFENDERS = 3
# Below this a part of the gradient is rounding.
_FLOOR = 1e-4


def in_several_inputs(domain: Any) -> bool:
    """Is this the domain of more than one input?"""
    if isinstance(domain, Domain) or hasattr(domain, "inside") or hasattr(domain, "is_inside"):
        return True
    try:
        return np.ndim(np.asarray(domain, dtype=float)) == 2 and len(domain) > 1
    except (TypeError, ValueError):
        return False


def inputs_of(domain: Any) -> int:
    """How many inputs a domain has.

    Raises:
        InputError: it is none.
    """
    return len(as_domain(domain).box)


def audit_in_space(
    model: Callable[..., Any],
    composed: Composition,
    domain: Any,
    parameters: Mapping[str, Any] | None,
    under_audit: Trained,
    progress: Callable[[str], None],
    told: Any = None,
    advise: Advice | None = None,
) -> ModelAudit:
    """As `audit_model`, for x (n, d), u (n,) or (n, m), ∇u (n, d) or (n, m, d).

    Args:
        model: see there.
        composed: the densities, each on its piece of the domain, and what is made of the integrals.
        domain: see there.
        parameters: see there.
        under_audit: what is trained.
        progress: see there.
        told: of what framework else the model was told in torch, with a `check`; None for torch itself.
        advise: what to add in that framework.

    Raises:
        InputError: a model, density, domain or sum that cannot be judged.
    """
    where = as_domain(domain)
    prepared = prepare(model, where, parameters)
    if told is not None:
        told.check(prepared, probes(where))
    composed, prepared = looked_at(composed, prepared)
    # Refused before anything that takes time.
    discretised(prepared, composed, (1.0,) * len(composed.terms), where, under_audit)
    double = prepared.double()
    assert isinstance(double, SpaceModel)
    progress("kinks, and the exact gradient by two routes")
    terms = exact_terms(composed, prepared)
    exact = terms.whole
    trained = discretised(prepared, composed, terms.weights, where, under_audit)
    if any(t.density.second and s.crossed for t, s in zip(composed.terms, terms.sides, strict=True)):
        raise InputError(
            "density: it takes second derivatives of a model with kinks, which have their weight in the kinks, where "
            "no point sees it; a smooth activation such as tanh, or a density of ∇u alone (Deep Ritz), would be right"
        )
    routes = exact.routes
    parts = ranges(prepared)
    notes = _notes(prepared, exact)
    found_of = partial(_told, prepared, composed, domain, trained, terms, routes, advise)
    if not all(r.passed for r in routes):
        worst = next(r for r in routes if not r.passed)
        reason = f"no verdict: {worst.first} and {worst.second} disagree by {worst.error:.1e} of the gradient"
        return found_of(NO_VERDICT, reason, under_audit.sizes, 0, (), np.full(parts[-1].stop, np.nan), notes, None)
    size = float(exact.dirac.norm())
    if size and size <= _SEEN * exact.dirac_error:
        known = f"{size:.1e} ± {exact.dirac_error:.1e}"
        reason = f"no verdict: the Dirac part is {known}, which {exact.how} cannot tell from none"
        return found_of(NO_VERDICT, reason, under_audit.sizes, 0, (), np.full(parts[-1].stop, np.nan), notes, None)
    progress(f"autodiff of {trained.name}")
    floor = _floor(prepared, exact)
    judged, autodiff, draws = _judged(prepared, trained, exact, under_audit.sizes)
    points = (DRAWN * under_audit.sizes[0],) if trained.random else under_audit.sizes
    integrals = _of_each(prepared, composed, terms, where, under_audit)
    progress("torch.autograd.gradcheck")
    checked = gradcheck(lambda: discretised(double, composed, terms.weights, where, under_audit), under_audit.sizes[0])
    names = [*prepared.parameters, "all"]
    shapes = [*(tuple(p.shape) for p in prepared.tensors), (parts[-1].stop,)]
    found = tuple(
        _finding(name, shape, part, seen, exact, floor)
        for name, shape, part, seen in zip(names, shapes, parts, judged, strict=True)
    )
    verdict = "inconsistent" if any(f.verdict == "inconsistent" for f in found) else "consistent"
    reason = _reason(verdict, judged[-1], exact, checked)
    return replace(found_of(verdict, reason, points, draws, found, autodiff, notes, checked), integrals=integrals)


def _floor(model: SpaceModel, exact: ExactSide) -> float:
    return _FLOOR * exact.magnitude / (float(model.vector().norm()) or 1.0)


def _judged(
    model: SpaceModel, trained: Discretisation, exact: ExactSide, sizes: tuple[int, ...]
) -> tuple[list[Judged], Any, int]:
    """Verdicts, autodiff's gradient, and how often points were drawn."""
    parts = ranges(model)
    target = Target(exact.bulk.numpy(), exact.dirac.numpy(), _floor(model, exact), exact.variance.numpy())
    if trained.random:
        return over_draws(trained, target, parts, DRAWN * sizes[0], exact.energy, exact.magnitude)
    return *on_points(trained, target, parts, sizes, exact.energy, exact.magnitude), 0


def _of_each(
    model: SpaceModel, composed: Composition, terms: ExactTerms, domain: Domain, under_audit: Trained
) -> tuple[IntegralFinding, ...]:
    """The value of each term, how much it counts, and the verdict on autodiff's gradient of it alone."""
    if len(composed.terms) == 1 and composed.function is None:
        return ()
    found = []
    for term, side, weight in zip(composed.terms, terms.sides, terms.weights, strict=True):
        norm, dirac = float((side.bulk + side.dirac).norm()), float(side.dirac.norm())
        verdict = "exact" if term.points is not None else NO_VERDICT
        if term.points is None and under_audit.loss is None:
            alone = discretised(model, Composition((term,), None), (1.0,), domain, under_audit)
            with suppress(InputError):
                verdict = _judged(model, alone, side, under_audit.sizes)[0][-1].verdict
        missing = dirac / norm if norm else 0.0
        found.append(IntegralFinding(term.name, term.piece, side.energy, weight, missing, verdict))
    return tuple(found)


def _notes(model: SpaceModel, exact: ExactSide) -> tuple[str, ...]:
    notes = []
    if model.dtype != torch.float64:
        name = str(model.dtype).removeprefix("torch.")
        notes.append(
            f"the model is {name}: the exact side uses a copy in float64, autodiff is judged in {model.precision}"
        )
    total, dirac = float((exact.bulk + exact.dirac).norm()), float(exact.dirac.norm())
    if exact.error:
        known = [f"the gradient to {exact.error / total:.1e}"] if total else []
        known += [f"the Dirac part to {exact.dirac_error / dirac:.1e}"] if dirac else []
        notes.append(f"{exact.how} give {', '.join(known)} of itself")
    if not exact.settled:
        notes.append("the model oscillates so fast that searches for its kinks do not agree: some may be missing")
    return tuple(notes)


def _finding(
    name: str, shape: tuple[int, ...], part: slice, judged: Judged, exact: ExactSide, floor: float
) -> TensorFinding:
    total, dirac = exact.bulk[part] + exact.dirac[part], exact.dirac[part]
    norm, size = float(total.norm()), float(dirac.norm())
    missing = size / norm if norm else (math.inf if size else 0.0)
    offenders: tuple[Offender, ...] = ()
    if size > ROUNDING["float64"] * max(norm, floor):
        ranked = sorted(exact.units, key=lambda u: -float(u.gradient[part].norm()))[:_OFFENDERS]
        offenders = tuple(
            Offender(u.layer, u.neuron, u.label, tuple(u.place.tolist()), float(u.gradient[part].norm()) / size)
            for u in ranked
        )
    return TensorFinding(name, shape, norm, judged.study, missing, judged.lacks, judged.uncertainty, judged.verdict,
                         offenders)  # fmt: skip


def _reason(verdict: str, judged: Judged, exact: ExactSide, checked: Gradcheck) -> str:
    if verdict == "inconsistent":
        if not (exact.dirac.any() and judged.explained):
            explains = "only part of it" if exact.dirac.any() else "none of it"
            cut_off = (
                ": differences of the sum contradict its gradient, so that something in it is cut off (detach, no_grad)"
                if checked.passed is False
                else ""
            )
            return (
                "autodiff's gradient of this sum does not tend to that of the integral, and the kinks explain "
                f"{explains}{cut_off}"
            )
        return (
            "autodiff is right for the sum, but the sum's derivative does not tend to the integral's: the surfaces "
            "where the slope jumps move with the parameters, and points do not see them move, drawn anew or not"
        )
    if not exact.crossed:
        return "u is smooth in x: L has nowhere to jump, and the derivative of the sum tends to the integral's"
    if not exact.dirac.any():
        return "u has kinks, but L does not jump at them: moving them changes nothing at first order"
    return "the Dirac terms of the kinks are there"


def _told(
    model: SpaceModel, composed: Composition, domain: Any, trained: Discretisation, terms: ExactTerms,
    routes: tuple[Route, ...], advise: Advice | None,
    verdict: str, reason: str, points: tuple[int, ...], draws: int, found: tuple[TensorFinding, ...], autodiff: Any,
    notes: tuple[str, ...],
    checked: Gradcheck | None,
) -> ModelAudit:  # fmt: skip
    exact = terms.whole
    operations = dict(Counter(exact.operations))
    function = not isinstance(model.original, torch.nn.Module)
    name = getattr(model.original, "__name__", "function") if function else type(model.original).__name__
    settings = {
        "model": name,
        "parameters": f"{len(model.vector()):,} in {len(model.parameters)} tensors, "
        + str(model.dtype).removeprefix("torch."),
        "density": "; ".join(
            f"L({', '.join(['x', 'u', 'du', *t.density.extra])})" + (f" {t.piece}" if len(composed.terms) > 1 else "")
            for t in composed.terms
        ),
        "domain": repr(domain) if isinstance(domain, tuple | list) else type(domain).__name__,
        "trained on": trained.name + (" (drawn anew)" if trained.random else ""),
        "points": ", ".join(f"{n:,}" for n in points) + (f"; {draws:,} draws" if draws else ""),
        "exact side": f"float64, {exact.how}",
        "exact energy": f"{exact.energy:.8g}",
        "kinks": exact.kinks + (f" ({', '.join(operations)})" if operations else ""),
    }
    text = ""
    if verdict == "inconsistent" and exact.dirac.any():
        text = advised(model, composed, domain, terms, advise)
    return ModelAudit(
        verdict, reason, trained.name, points, draws, found[:-1], found[-1] if found else None, routes,
        exact.energy, exact.bulk.numpy(), exact.dirac.numpy(), autodiff, exact.places.numpy(), exact.heights.numpy(),
        np.zeros((0, 0)), operations, notes, checked, text, settings,
    )  # fmt: skip
