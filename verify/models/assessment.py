"""From exact gradient and judged sum to findings: verdicts with their reasons, offenders, settings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError
from ..ranking import largest_first
from ..systems.study import ROUNDING
from .judging.density import Density
from .judging.discretisation import Discretisation
from .judging.exact_side import ExactSide, Located
from .judging.gradcheck import Gradcheck
from .judging.integral import Integral
from .judging.judgement import DRAWN, Judged, Target, on_grids, over_draws
from .seeing.model import Model
from .telling.model_findings import NO_VERDICT, ModelAudit, Offender, Route, TensorFinding
from .telling.remedy import Wanted, remedy

Array = NDArray[Any]

# Below this a part of the gradient is rounding: of the sizes that it sums up, and of ∫|L| over the parameters' norm.
_FLOOR = 1e-4
_OFFENDERS = 3
# Places for a picture of u and u′, besides those at the kinks.
_PICTURED = 600
# A strong form that sees less than this share of the variation of u′ loses curvature.
_SEEN = 1 - 1e-6
# The square of what grows like |x − a|^(−½) has no finite integral.
_NO_VARIANCE = 0.5


@dataclass(frozen=True, eq=False)
class Assessment:
    """What is known before the user's sum is judged, and how it becomes findings."""

    model: Model
    integral: Integral
    exact: ExactSide
    trained: Discretisation
    sizes: tuple[int, ...]
    routes: tuple[Route, ...]
    advise: Callable[[Model, Density, Any, Wanted], str] | None = None

    @property
    def located(self) -> Located:
        """The breaks."""
        return self.exact.located

    @property
    def _ranges(self) -> list[slice]:
        """Of each parameter in a row, then of all."""
        stops = list(accumulate(p.numel() for p in self.model.tensors))
        return [*(slice(a, b) for a, b in zip([0, *stops], stops, strict=False)), slice(0, stops[-1])]

    def judge(self) -> tuple[list[Judged], Array, int]:
        """Verdicts by range, autodiff's gradient, draws."""
        formula = self.exact.formula
        floor = rounding_floor(self.model, self.exact)
        worst = max(self.integral.poles, key=lambda pole: pole[2], default=None)
        power = worst[2] if worst else 0.0
        target = Target(formula.bulk.numpy(), formula.jump.numpy(), floor, order=1 - power)
        energy, magnitude = formula.energy, formula.magnitude
        if not self.trained.random:
            return (*on_grids(self.trained, target, self._ranges, self.sizes, energy, magnitude), 0)
        if worst and power >= _NO_VARIANCE:
            raise InputError(
                f"density: near x = {worst[0]:.6g} it grows like the distance to the power −{power:.2g}, so that sums "
                "over points drawn at random have no finite variance; grids, or integrate, would be right"
            )
        return over_draws(self.trained, target, self._ranges, DRAWN * self.sizes[0], energy, magnitude)

    def findings(
        self, judged: list[Judged], autodiff: Array, draws: int, notes: tuple[str, ...], checked: Gradcheck
    ) -> ModelAudit:
        """The audit's outcome."""
        unresolved = self._unresolved(judged[-1])
        if unresolved:
            blank = np.full(len(self.model.vector()), np.nan)
            return self._audit(NO_VERDICT, unresolved, self.sizes, 0, (), blank, notes, checked)
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
        reason = self._reason(verdict, judged[-1].explained, autodiff, checked)
        notes += self._interfaces(autodiff)
        return self._audit(verdict, reason, points, draws, tuple(found), autodiff, notes, checked)

    def without_verdict(self, notes: tuple[str, ...]) -> ModelAudit:
        """The routes disagree: nobody is judged."""
        worst = next(r for r in self.routes if not r.passed)
        reason = (
            f"no verdict: {worst.first} and {worst.second} disagree by {worst.error:.1e} of the gradient, so that what "
            "is exact is not known; a kink in a custom autograd.Function would do that, "
            "whose motion autograd does not see, or a model whose derivative is not that of its values"
        )
        blank = np.full(len(self.model.vector()), np.nan)
        return self._audit(NO_VERDICT, reason, self.sizes, 0, (), blank, notes, None)

    def _finding(self, name: str, shape: tuple[int, ...], part: slice, judged: Judged, k: int) -> TensorFinding:
        formula = self.exact.formula
        norm = float(formula.total[part].norm())
        dirac = float(formula.jump[part].norm())
        parts = self.exact.parts
        column = parts[:, k] if k < parts.shape[1] else parts.norm(dim=1)
        offenders = []
        if dirac > ROUNDING["float64"] * max(norm, rounding_floor(self.model, self.exact)):
            for r in largest_first(column.numpy())[:_OFFENDERS].tolist():
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

    def _interfaces(self, autodiff: Array) -> tuple[str, ...]:
        """Which parameters move a jump of the density itself, and what autodiff makes of them, in a sentence each."""
        own = self.located.torn[self.exact.ranked]
        moved = self.exact.parts[own].sum(0) > ROUNDING["float64"] * rounding_floor(self.model, self.exact)
        names: dict[str, list[str]] = {}
        for name, part, moves in zip(self.model.parameters, self._ranges[:-1], moved.tolist(), strict=True):
            if moves:
                nil = "is nil" if not autodiff[part].any() else "holds nothing of that where points stay where they are"
                names.setdefault(nil, []).append(name)
        return tuple(
            f"{', '.join(of)}: moves an interface, where the density itself jumps, and autodiff's gradient {nil}"
            for nil, of in names.items()
        )

    @property
    def _blind(self) -> bool:
        curved = self.exact.limits.curved
        return curved is not None and curved < _SEEN

    def _unresolved(self, judged: Judged) -> str:
        """Why the grids say nothing about a smooth integrand that changes between two neighbouring points; or ""."""
        if judged.verdict != "inconsistent" or judged.lacks is not None or self.trained.random:
            return ""
        cells = self.exact.pieces.marks.diff()
        # A piece of the exact side holds some Gauss points, and so should it of the grid's.
        needed = self.exact.pieces.order * self.integral.length / float(cells.min())
        if needed <= self.sizes[-1]:
            return ""
        return (
            f"no verdict: between the kinks u or L changes within {float(cells.min()):.1e} of x, and {self.sizes[-1]:,}"
            f" points are too far apart to see it; some {needed:.0e} points would be needed for their sum to tell"
        )

    def _cut_off(self, autodiff: Array, checked: Gradcheck) -> str:
        """What the graph shows to be out of autograd's sight, in a sentence; "" if nothing."""
        unseen = [
            name
            for (name, part) in zip(self.model.parameters, self._ranges[:-1], strict=True)
            if not autodiff[part].any()
            and float(self.exact.formula.total[part].norm()) > rounding_floor(self.model, self.exact)
        ]
        if unseen:
            return f"no gradient reaches {', '.join(unseen)}, so that something is cut off (detach, no_grad)"
        if checked.passed is False:
            return (
                "differences of the sum contradict its gradient, so that something in it is cut off (detach, no_grad)"
            )
        return ""

    def _reason(self, verdict: str, explained: bool, autodiff: Array, checked: Gradcheck) -> str:
        kinks, jumps = len(self.located.places), bool(self.exact.parts.any())
        if self._blind:
            seen = self.exact.limits.curved or 0.0
            return (
                f"u″ as autograd has it holds {seen:.2g} of the variation of u′; the rest sits in the kinks, where no "
                "node sees it (ReLU's second derivative vanishes almost everywhere): the loss measures the density "
                f"with u″ {'= 0' if seen < 1e-9 else 'less what the kinks bend'}, not the residual of the equation"
            )
        if verdict == "inconsistent":
            if not (jumps and explained):
                explains = "only part of it" if jumps else "none of it"
                cut_off = self._cut_off(autodiff, checked)
                # Only differences of the sum that were made show that nothing is.
                intact = "; nothing in its graph is cut off" if checked.passed else ""
                return (
                    "autodiff's gradient of this sum does not tend to that of the integral, and the kinks explain "
                    f"{explains}" + (f": {cut_off}" if cut_off else intact)
                )
            return (
                "autodiff is right for the sum, but the sum's derivative does not tend to the integral's: the kinks "
                "move with the parameters, and points that stay where they are do not see them move"
            )
        if not kinks:
            return "u is smooth in x: L has nowhere to jump, and the derivative of the sum tends to the integral's"
        moved = float(self.exact.formula.jump.norm())
        scale = max(float(self.exact.formula.total.norm()), rounding_floor(self.model, self.exact))
        if not jumps or moved <= ROUNDING["float64"] * scale:
            breaks = f"{kinks} break{'s' if kinks > 1 else ''}"
            if self.exact.heights.any():
                return f"u has {breaks}, but none at which L jumps moves with the parameters"
            return f"u has {breaks}, but L does not jump at them: moving them changes nothing at first order"
        if verdict == "exact":
            return "the sum's nodes follow the kinks, so that autodiff sees them move"
        return "the Dirac terms of the kinks are there, or smaller than what can be told from rounding"

    def _audit(
        self, verdict: str, reason: str, points: tuple[int, ...], draws: int, found: tuple[TensorFinding, ...],
        autodiff: Array, notes: tuple[str, ...], checked: Gradcheck | None,
    ) -> ModelAudit:  # fmt: skip
        formula, inside, cuts = self.exact.formula, self.located.inside, self.exact.pieces
        operations = Counter(o for o, k in zip(self.located.breaks.operations, inside.tolist(), strict=True) if k)
        model = self.model
        function = not isinstance(model.original, torch.nn.Module)
        name = getattr(model.original, "__name__", "function") if function else type(model.original).__name__
        type_name, kinks = str(model.dtype).removeprefix("torch."), f"{len(self.located.places):,} inside the domain"
        settings = {
            "model": name,
            "parameters": f"{len(model.vector()):,} in {len(model.parameters)} tensors, {type_name}",
            "density": f"L({', '.join(['x', 'u', 'du', *self.integral.density.extra])})",
            "domain": f"({self.integral.domain[0]:g}, {self.integral.domain[1]:g})",
            "trained on": self.trained.name + (" (drawn anew)" if self.trained.random else ""),
            "points": ", ".join(f"{n:,}" for n in points) + (f"; {draws:,} draws" if draws else ""),
            "exact side": f"float64, {cuts.order} Gauss points a piece, {len(cuts.marks) - 1:,} pieces",
            "exact energy": f"{formula.energy:.15g}",
            "kinks": kinks + (f" ({', '.join(operations)})" if operations else ""),
        }
        text = ""
        if verdict == "inconsistent":
            fixed = cuts.marks[1:-1][cuts.owners[1:-1] < 0]
            wanted = Wanted(formula.total.numpy(), self._scale, formula.jump.numpy(), fixed.numpy())
            if self.advise is None:
                text = remedy(model, self.integral, self.trained.name, wanted)
            else:
                text = self.advise(model, self.integral.density, self.integral.domain, wanted)
        return ModelAudit(
            verdict, reason, self.trained.name, points, draws, found[:-1], found[-1] if found else None, self.routes,
            formula.energy, formula.bulk.numpy(), formula.jump.numpy(), autodiff, self.located.places.numpy(),
            self.exact.heights.numpy(), self._profile(), dict(operations), notes, checked, text, settings, self._blind,
        )  # fmt: skip

    @property
    def _scale(self) -> float:
        """By what errors of the whole gradient are measured."""
        formula = self.exact.formula
        return max(float(formula.total.norm()), float(formula.bulk.norm()), rounding_floor(self.model, self.exact))

    def _profile(self) -> Array:
        """X, u and u′ of all outputs, with two points beside each kink so that u′ steps."""
        left, right = self.integral.domain
        x = torch.linspace(left, right, _PICTURED, dtype=torch.float64)
        beside = 1e-7 * (right - left)
        kinks = self.located.places[:_PICTURED]
        x = torch.cat([x[1:-1], kinks - beside, kinks + beside]).clamp(left + beside, right - beside).sort().values
        u, du, _ = self.model.fields(x)
        rows = [x[None], *(f.detach().reshape(len(x), -1).T for f in (u, du))]
        return torch.cat(rows).numpy()


def rounding_floor(model: Model, exact: ExactSide) -> float:
    """A norm below which a gradient of this energy is rounding."""
    formula = exact.formula
    size = max(formula.magnitude / (float(model.vector().norm()) or 1.0), formula.terms)
    return _FLOOR * size + float(np.finfo(float).tiny)
