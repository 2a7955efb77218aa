"""The audit of a user's own model and energy: is autodiff's gradient of the loss the gradient of the integral?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..study import ROUNDING, family_sizes
from .density import Density, bind, check
from .discretisation import Discretisation, on_loss, on_quadrature, on_rule
from .exact_side import ExactSide, Located, by_differences, degenerate, exact_side, locate
from .gradcheck import Gradcheck, gradcheck
from .judgement import DRAWN, Judged, Target, on_grids, over_draws
from .jump import MOST_RANKED, Ends
from .model import Model, prepare
from .model_findings import NO_VERDICT, ModelAudit, Offender, Route, TensorFinding
from .pieces import ORDER
from .remedy import remedy

# Agreement of the two routes: rounding of sums over thousands of terms that cancel, and no more.
ROUTES = 1e-9
# Extrapolated from both sides and divided by bends down to a millionth of the slope, six digits fewer.
_CONTINUITY = 1e-5
# Differences of the energy, between which kinks cross, catch what is missing altogether.
_DIFFERENCES = 1e-3
# Where the energy has no derivative, one is taken beside: parameters displaced by this share of their size.
DISPLACEMENT = 1e-2
# Below this a part of the gradient is rounding: of its norm, and of ∫|L| over the parameters' norm.
_FLOOR = 1e-6
_OFFENDERS = 3
# Kinks up to which an audit is about as fast as its grids; it goes on beyond.
MANY_KINKS = 1_000
# Places for a picture of u and u′, besides those at the kinks.
_PICTURED = 600
# A strong form that sees less than this share of the variation of u′ loses curvature.
_SEEN = 1 - 1e-6


def audit_model(
    model: Callable[..., Any],
    density: Callable[..., Any],
    domain: tuple[float, float] = (0.0, 1.0),
    *,
    parameters: Mapping[str, Any] | None = None,
    rule: str = "midpoint",
    quadrature: Callable[[int], Any] | None = None,
    loss: Callable[[Any, int], Any] | None = None,
    ends: Ends | None = None,
    points: int | tuple[int, ...] = 100,
    progress: Callable[[str], None] = lambda what: None,
) -> ModelAudit:
    """Compare autodiff's gradient of a loss with the gradient of the integral that the loss approximates.

    The exact gradient comes from the jump formula, dE/dθ = bulk − Σ ⟦L⟧ dξ/dθ, and independently from quadrature nodes
    that move with the kinks; the speeds of the kinks are checked against the continuity of u, and all of it against
    differences of the energy. Only if these agree, the user's own sum is judged, in the user's own precision.

    Args:
        model: a `torch.nn.Module` of x, or with `parameters` a function of (parameters, x); piecewise smooth in x. It
            is given x of shape (n, 1), or (n,) if it does not take that, and returns one number a point.
        density: L(x, u, du), elementwise in torch, all of shape (n,); it may also take `ddu` and `parameters` (name →
            tensor), by these names.
        domain: the interval.
        parameters: name → tensor, for a function.
        rule: the named rule that is trained on, see `quadrature.grid`.
        quadrature: instead of a rule: n → nodes and weights; where they differ from call to call (Monte Carlo), the
            mean over draws is judged.
        loss: instead of both: the whole loss of (model, n). Its value has to tend to the integral of the density.
        ends: u at both ends, (2,) → a number that is added to the integral, a penalty for instance.
        points: n that is trained with; the study goes on to 10 n and 100 n. Or all numbers, ascending.
        progress: called with the name of each step before it starts.

    Raises:
        InputError: a model, density or sum that cannot be judged; the message names the line to look at.
    """
    left, right = _interval(domain)
    sizes = _sizes(points)
    given = sum(a is not None for a in (quadrature, loss))
    if given > 1:
        raise InputError("quadrature, loss: both say what is trained; one of the two would be right")
    progress("the model")
    prepared = prepare(model, (left, right), parameters)
    bound = bind(density)
    check(bound, prepared, (left, right))
    progress("kinks")
    notes = _notes_on_precision(prepared)
    prepared, located, moving, said = _differentiable(prepared, (left, right))
    notes += [*said, *_notes_on_breaks(located)]
    trained = _discretisation(prepared, bound, (left, right), rule, quadrature, loss, ends, sizes)
    progress("exact gradient by two routes")
    exact = exact_side(prepared, bound, (left, right), located, moving, ends)
    if len(exact.ranked) == MOST_RANKED:
        notes.append(f"of {len(located.places):,} kinks the {MOST_RANKED:,} with the largest jumps of L were ranked")
    progress("differences of the energy")
    routes = _routes(prepared, bound, (left, right), exact, ends)
    study = _Study(prepared, bound, (left, right), located, exact, trained, sizes, tuple(routes))
    if not all(r.passed for r in routes):
        return study.without_verdict(tuple(notes), density, ends)
    progress(f"autodiff of {trained.name}")
    judged, autodiff, draws = study.judge()
    progress("torch.autograd.gradcheck")
    checked = _gradcheck(prepared, bound, (left, right), rule, quadrature, loss, ends, sizes[0])
    return study.findings(judged, autodiff, draws, tuple(notes), checked, density, ends)


def _interval(domain: Any) -> tuple[float, float]:
    try:
        left, right = (float(e) for e in domain)
    except (TypeError, ValueError):
        raise InputError(f"domain: {domain!r} is no pair of numbers; (0, 1), for instance, would be right") from None
    if not (math.isfinite(left) and math.isfinite(right) and left < right):
        raise InputError(f"domain: ({left:g}, {right:g}) is no interval; finite ends in ascending order are right")
    return left, right


def _sizes(points: int | tuple[int, ...]) -> tuple[int, ...]:
    sizes = (points, 10 * points, 100 * points) if isinstance(points, int) else tuple(points)
    if len(sizes) < 3 or sizes[0] < 5 or any(a >= b for a, b in pairwise(sizes)):
        raise InputError(f"points: {points!r} does not refine; a number from 5 on, or three ascending ones, is right")
    return sizes


def _notes_on_precision(model: Model) -> list[str]:
    if model.dtype == torch.float64:
        return []
    name = str(model.dtype).removeprefix("torch.")
    return [f"the model is {name}: the exact side uses a copy in float64, autodiff is judged in {model.precision}"]


def _notes_on_breaks(located: Located) -> list[str]:
    notes = []
    inside = located.inside
    bracketed = int((~located.breaks.exact[inside]).sum())
    count = len(located.places)
    if bracketed:
        notes.append(f"{bracketed} of {count} kinks were bracketed and refined, the others solved for exactly")
    if located.breaks.unknown:
        names = ", ".join(sorted(set(located.breaks.unknown)))
        notes.append(f"{names}: not known to be smooth or how they break, so that jumps of u′ were searched for")
    if count > MANY_KINKS:
        notes.append(f"{count:,} kinks are more than the {MANY_KINKS:,} that this is fast for; it takes its time")
    return notes


def _differentiable(model: Model, domain: tuple[float, float]) -> tuple[Model, Located, Tensor, list[str]]:
    """The model, or if its energy has no derivative a displaced one, which then is judged, and said to be."""
    located = locate(model, domain)
    moving = located.moving(model)
    why = degenerate(model, located, moving, domain)
    if not why:
        return model, located, moving, []
    generator = torch.Generator().manual_seed(0)
    vector = model.vector()
    size = float(vector.square().mean().sqrt()) or 1.0
    noise = torch.randn(len(vector), generator=generator, dtype=vector.dtype)
    # The user's type holds the displaced parameters too, so that both sides are at the same.
    moved = model.at(model.split((vector + DISPLACEMENT * size * noise).to(model.dtype).double()))
    found = locate(moved, domain)
    speeds = found.moving(moved)
    still = degenerate(moved, found, speeds, domain)
    if still:
        raise InputError(
            f"model: its energy has no derivative, only one-sided ones: {still}, even with all parameters displaced; "
            "kinks that are apart from each other and from the ends would be right"
        )
    note = (
        f"at these parameters the energy has only one-sided derivatives: {why} (as biases that start at zero make it). "
        f"Judged beside them, all parameters displaced by {DISPLACEMENT:.0%} of their size (normal, seed 0)"
    )
    return moved, found, speeds, [note]


def _discretisation(
    model: Model, density: Density, domain: tuple[float, float], rule: str, quadrature: Any, loss: Any, ends: Ends | None,
    sizes: tuple[int, ...],
) -> Discretisation:  # fmt: skip
    if loss is not None:
        return on_loss(model, loss, sizes[0])
    if quadrature is not None:
        return on_quadrature(model, density, domain, quadrature, ends, sizes[0])
    for n in {k for size in sizes for k in family_sizes(size)}:
        from ..quadrature import grid

        grid(rule, n, domain)
    return on_rule(model, density, domain, rule, ends)


def _gradcheck(
    model: Model, density: Density, domain: tuple[float, float], rule: str, quadrature: Any, loss: Any, ends: Ends | None,
    points: int,
) -> Gradcheck:  # fmt: skip
    """On the same sum in float64, which gradcheck needs."""
    double = model.double()
    try:
        return gradcheck(_discretisation(double, density, domain, rule, quadrature, loss, ends, (points,)), points)
    except InputError as error:
        return Gradcheck(None, points, str(error))


def _routes(
    model: Model, density: Density, domain: tuple[float, float], exact: ExactSide, ends: Ends | None
) -> list[Route]:
    formula = exact.formula
    energy, conforming = exact.conforming
    scale = max(float(formula.bulk.norm()), float(formula.jump.norm()), _floor(model, exact))
    names = ("jump formula", "nodes that follow the kinks")
    error = max(float((formula.total - conforming).norm()) / scale, abs(energy - formula.energy) / formula.magnitude)
    routes = [Route(*names, error, ROUTES)]
    if len(exact.located.places):
        off = float((formula.continued - formula.comparable).norm()) / scale
        routes.append(Route("speeds of the kinks by layer", "by continuity of u", off, _CONTINUITY))
    off = by_differences(model, density, domain, ends, formula.total) / scale
    routes.append(Route("exact gradient", "differences of the energy", off, _DIFFERENCES))
    return routes


def _floor(model: Model, exact: ExactSide) -> float:
    """A norm below which a gradient of this energy is rounding."""
    return _FLOOR * exact.formula.magnitude / (float(model.vector().norm()) or 1.0) + float(np.finfo(float).tiny)


@dataclass(frozen=True, eq=False)
class _Study:
    """What is known before the user's sum is judged, and how it becomes findings."""

    model: Model
    density: Density
    domain: tuple[float, float]
    located: Located
    exact: ExactSide
    trained: Discretisation
    sizes: tuple[int, ...]
    routes: tuple[Route, ...]

    @property
    def _ranges(self) -> list[slice]:
        """Of each parameter in a row, then of all."""
        stops = list(accumulate(p.numel() for p in self.model.tensors))
        return [*(slice(a, b) for a, b in zip([0, *stops], stops, strict=False)), slice(0, stops[-1])]

    def judge(self) -> tuple[list[Judged], Any, int]:
        """Verdicts by range, autodiff's gradient, draws."""
        formula = self.exact.formula
        floor = _floor(self.model, self.exact)
        target = Target(formula.bulk.numpy(), formula.jump.numpy(), floor)
        energy, magnitude = formula.energy, formula.magnitude
        if not self.trained.random:
            return (*on_grids(self.trained, target, self._ranges, self.sizes, energy, magnitude), 0)
        return over_draws(self.trained, target, self._ranges, DRAWN * self.sizes[0], energy, magnitude)

    def findings(
        self, judged: list[Judged], autodiff: Any, draws: int, notes: tuple[str, ...], checked: Gradcheck,
        density: Any, ends: Any,
    ) -> ModelAudit:  # fmt: skip
        """The audit's outcome."""
        names = [*self.model.parameters, "all"]
        shapes = [*(tuple(p.shape) for p in self.model.tensors), (len(self.model.vector()),)]
        found = [
            self._finding(name, shape, part, seen, k)
            for k, (name, shape, part, seen) in enumerate(zip(names, shapes, self._ranges, judged, strict=True))
        ]
        verdicts = {f.verdict for f in found}
        verdict = next(v for v in ("inconsistent", "consistent", "exact") if v in verdicts)
        verdict = "inconsistent" if self._blind else verdict
        points = (DRAWN * self.sizes[0],) if draws else self.sizes
        return self._audit(
            verdict, self._reason(verdict), points, draws, tuple(found), autodiff, notes, checked, density, ends
        )

    def without_verdict(self, notes: tuple[str, ...], density: Any, ends: Any) -> ModelAudit:
        """The routes disagree: nobody is judged."""
        worst = next(r for r in self.routes if not r.passed)
        reason = (
            f"no verdict: {worst.first} and {worst.second} disagree by {worst.error:.1e} of the gradient, so that what is "
            "exact is not known; a density that jumps in u, or a model whose derivative in x or its parameters is not "
            "that of its values, would do that"
        )
        blank = np.full(len(self.model.vector()), np.nan)
        return self._audit(NO_VERDICT, reason, self.sizes, 0, (), blank, notes, None, density, ends)

    def _finding(self, name: str, shape: tuple[int, ...], part: slice, judged: Judged, k: int) -> TensorFinding:
        formula = self.exact.formula
        norm = float(formula.total[part].norm())
        dirac = float(formula.jump[part].norm())
        parts = self.exact.parts
        column = parts[:, k] if k < parts.shape[1] else parts.norm(dim=1)
        offenders = []
        if dirac > ROUNDING["float64"] * max(norm, _floor(self.model, self.exact)):
            for r in column.argsort(descending=True)[:_OFFENDERS].tolist():
                index = int(self.exact.ranked[r])
                original = self.located.indices[index]
                breaks = self.located.breaks
                offenders.append(
                    Offender(
                        int(breaks.layers[original]),
                        int(breaks.neurons[original]),
                        self.located.label(original),
                        float(self.located.places[index]),
                        float(column[r]) / dirac,
                    )
                )
        missing = dirac / norm if norm else (math.inf if dirac else 0.0)
        return TensorFinding(
            name, shape, norm, judged.study, missing, judged.lacks, judged.uncertainty, judged.verdict, tuple(offenders)
        )

    @property
    def _blind(self) -> bool:
        curved = self.exact.limits.curved
        return curved is not None and curved < _SEEN

    def _reason(self, verdict: str) -> str:
        kinks, jumps = len(self.located.places), bool(self.exact.parts.any())
        if self._blind:
            seen = self.exact.limits.curved or 0.0
            return (
                f"u″ as autograd has it holds {seen:.2g} of the variation of u′; the rest sits in the kinks, where no node "
                "sees it (the second derivative of ReLU vanishes almost everywhere): the loss measures the density with "
                f"u″ {'= 0' if seen < 1e-9 else 'less what the kinks bend'}, not the residual of the equation"
            )
        if verdict == "inconsistent":
            if not jumps:
                return "autodiff's gradient of this sum does not tend to that of the integral, and no kink explains it"
            return (
                "autodiff is right for the sum, but the sum's derivative does not tend to the integral's: the kinks move "
                "with the parameters, and points that stay where they are do not see them move"
            )
        if not kinks:
            return (
                "u is smooth in x, so that L has nowhere to jump and the derivative of the sum tends to the integral's"
            )
        if not jumps:
            return (
                f"u has {kinks} breaks, but L does not jump at them, so that moving them changes nothing at first order"
            )
        if verdict == "exact":
            return "the sum's nodes follow the kinks, so that autodiff sees them move"
        return "the Dirac terms of the kinks are there, or smaller than what can be told from rounding"

    def _audit(
        self, verdict: str, reason: str, points: tuple[int, ...], draws: int, found: tuple[TensorFinding, ...],
        autodiff: Any, notes: tuple[str, ...], checked: Gradcheck | None, density: Any, ends: Any,
    ) -> ModelAudit:  # fmt: skip
        formula, inside = self.exact.formula, self.located.inside
        operations = Counter(o for o, k in zip(self.located.breaks.operations, inside.tolist(), strict=True) if k)
        names = [o for o in operations]
        function = not isinstance(self.model.original, torch.nn.Module)
        text = remedy(
            self.trained.name, self.domain, self.density.second, function,
            getattr(density, "__name__", "density").replace("<lambda>", "density"), ends is not None,
        )  # fmt: skip
        settings = {
            "model": type(self.model.original).__name__
            if not function
            else getattr(self.model.original, "__name__", "function"),
            "parameters": f"{len(self.model.vector()):,} in {len(self.model.parameters)} tensors, {str(self.model.dtype).removeprefix('torch.')}",
            "density": f"L({', '.join(['x', 'u', 'du', *self.density.extra])})",
            "domain": f"({self.domain[0]:g}, {self.domain[1]:g})",
            "trained on": self.trained.name + (" (drawn anew)" if self.trained.random else ""),
            "points": ", ".join(f"{n:,}" for n in points) + (f"; {draws:,} draws" if draws else ""),
            "exact side": f"float64, {ORDER} Gauss points a piece, {len(self.exact.pieces.marks) - 1:,} pieces",
            "exact energy": f"{formula.energy:.15g}",
            "kinks": f"{len(self.located.places):,} inside the domain" + (f" ({', '.join(names)})" if names else ""),
        }
        return ModelAudit(
            verdict, reason, self.trained.name, points, draws, found[:-1], found[-1] if found else None, self.routes,
            formula.energy, formula.bulk.numpy(), formula.jump.numpy(), np.asarray(autodiff), self.located.places.numpy(),
            self.exact.heights.numpy(), self._profile(), dict(operations), notes, checked, text, settings, self._blind,
        )  # fmt: skip

    def _profile(self) -> Any:
        """X, u and u′, with two points beside each kink so that u′ steps."""
        left, right = self.domain
        x = torch.linspace(left, right, _PICTURED, dtype=torch.float64)
        beside = 1e-7 * (right - left)
        kinks = self.located.places[:MANY_KINKS]
        x = torch.cat([x[1:-1], kinks - beside, kinks + beside]).clamp(left + beside, right - beside).sort().values
        u, du, _ = self.model.fields(x)
        return torch.stack([x, u.detach(), du.detach()]).numpy()
