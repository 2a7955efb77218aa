"""Autodiff's gradients of the user's sum against the exact one: on refined grids, or over many draws of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...systems.study import ROUNDING, Bound, Study, family_sizes, study
from .discretisation import Discretisation

Array = NDArray[Any]

# A tensor's error is measured by its own exact gradient, or by this share of the whole one if that is less: a
# component that vanishes by symmetry has rounding and nothing else, and float32 has more of it.
_LEAST_SHARE = {"float64": 1e-3, "float32": 0.1}
# Times the norm below which a gradient is rounding.
_COARSER = {"float64": 1.0, "float32": 100.0}
# The lacking share of the Dirac part is known well enough to be told from 0 and 1.
_KNOWN = 0.15
# Standard errors that a mean may be off by: a chance of one in two million.
_SIGMAS = 5.0
# Draws of signs that tell the scatter of points.
_SIGNS = 8
# Of 10,000 drawn points the misses were 0.22 to 2.9 of their scatter, of grids at most 0.013 (14 networks each);
# from the first to the hundredfold number they fall to a tenth, times what luck makes of it (0.03 to 0.35).
_LEAST_SCATTER, _FALLS = 0.05, 0.6
# Draws at first, and at most; each of ten times the user's points.
_FIRST_DRAWS, _MOST_DRAWS = 50, 3_200
DRAWN = 10
# What the value of a sum on the most points may be off by, as a share of ∫|L|, unless it still falls.
_VALUE = 1e-2


@dataclass(frozen=True, eq=False)
class Judged:
    """Findings over one range of parameters.

    Attributes:
        study: errors, order, and the verdict of the errors alone.
        lacks: share of the Dirac part that is lacking; None if there is none.
        uncertainty: of that.
        verdict: of all that is known.
        explained: the gradient tends to the bulk, so that the Dirac part is all that it lacks.
    """

    study: Study
    lacks: float | None
    uncertainty: float
    verdict: str
    explained: bool


@dataclass(frozen=True, eq=False)
class Target:
    """The exact gradient, and how well it is known.

    Attributes:
        bulk: with the kinks held still, (P,).
        dirac: what their motion adds, (P,).
        floor: the norm below which a gradient is rounding.
        variance: squares of the standard errors of the whole, (P,); None if it is known to rounding.
        order: in 1/n, of what grids may be off by: 1 where a kink lies anywhere in its cell, less beside a pole of L.
    """

    bulk: Array
    dirac: Array
    floor: float
    variance: Array | None = None
    order: float = 1.0

    def noise(self, part: slice) -> float:
        """Norm of the standard error over one range of parameters."""
        return 0.0 if self.variance is None else float(np.sqrt(self.variance[part].sum()))

    @property
    def total(self) -> Array:
        """Both parts."""
        return self.bulk + self.dirac

    def scale(self, part: slice, precision: str = "float64") -> float:
        """By what errors of one range of parameters are measured."""
        whole = max(float(np.linalg.norm(self.total)), float(np.linalg.norm(self.bulk)))
        # Where the model is trained its gradient vanishes, and what is left of the sums is rounding.
        least = _COARSER[precision] * self.floor
        return max(float(np.linalg.norm(self.total[part])), _LEAST_SHARE[precision] * whole, least)


def on_grids(
    discretisation: Discretisation, target: Target, parts: Sequence[slice], points: tuple[int, ...], energy: float,
    magnitude: float,
) -> tuple[list[Judged], Array]:  # fmt: skip
    """Refine the grid; a verdict for each range of parameters, and the gradient on the most points.

    Points that were drawn once, with a seed, miss the integral by what their scatter is, n^-½, and not by 1/n.

    Raises:
        InputError: the sum does not tend to the integral.
    """
    found: list[list[Array]] = []
    values: list[float] = []
    for n in points:
        answers = [discretisation.gradient(k) for k in family_sizes(n)]
        values.append(max((a[0] for a in answers), key=lambda v: abs(v - energy)))
        found.append([a[1] for a in answers])
    signed = _scatter(discretisation, found, target, points[-1])
    _require_same_integral(discretisation, values, energy, magnitude, points, bool(signed), target.order)
    _require_refinement(discretisation, found, values, energy, magnitude, points)
    if not signed:
        judged = [_on_grids(found, target, part, points, discretisation) for part in parts]
        if target.order < 1 and not discretisation.fixed:
            _require_told(judged[-1], discretisation, points[-1], "the error of its points beside a pole of L")
        return judged, found[-1][0]
    judged = [_scattered(found, target, part, signed, discretisation) for part in parts]
    _require_told(judged[-1], discretisation, points[-1])
    return judged, found[-1][0]


def on_points(
    discretisation: Discretisation, target: Target, parts: Sequence[slice], points: tuple[int, ...], energy: float,
    magnitude: float,
) -> tuple[list[Judged], Array]:  # fmt: skip
    """The same in several inputs, where grids converge slowly: judged by the scatter that drawn points would have.

    Raises:
        InputError: the value is that of another integral, or the scatter hides what is to be judged.
    """
    assert discretisation.scatter is not None
    answers = [discretisation.gradient(n) for n in points]
    found = [[gradient] for _, gradient in answers]
    _require_same_integral(discretisation, [value for value, _ in answers], energy, magnitude, points, True)
    signed = [discretisation.scatter(points[-1], seed) for seed in range(_SIGNS)]
    judged = [_scattered(found, target, part, signed, discretisation) for part in parts]
    _require_told(judged[-1], discretisation, points[-1])
    return judged, found[-1][0]


def _require_told(
    last: Judged, discretisation: Discretisation, points: int, missed: str = "the scatter of points drawn at random"
) -> None:
    if last.lacks is not None and last.uncertainty > _KNOWN and last.verdict != "inconsistent":
        name = discretisation.name.removeprefix("your ")
        raise InputError(
            f"{name}: what it misses is {missed}, which on {points:,} points hides "
            f"whether the Dirac part is there (of it {last.lacks:.2g} ± {last.uncertainty:.1g} is lacking); more "
            "points, or the nodes and weights themselves as quadrature=, would be right"
        )


def _scatter(discretisation: Discretisation, found: list[list[Array]], target: Target, points: int) -> list[Array]:
    """Sums with random signs, which are as large as what drawn points miss; none where the points are not drawn.

    Of nodes it is known how they lie. Inside a loss of the user's own they cannot be seen: they are drawn if what is
    missed, of the whole gradient or of the bulk alone, is as large as their scatter and falls with their number.
    """
    if discretisation.scatter is None:
        return []
    signed = [discretisation.scatter(points, seed) for seed in range(_SIGNS)]
    if discretisation.fixed:
        return signed
    size = float(np.sqrt(np.mean([s @ s for s in signed])))
    misses = [
        [float(np.sqrt(np.mean([np.sum((f - wanted) ** 2) for f in of_n]))) for of_n in (found[0], found[-1])]
        for wanted in (target.total, target.bulk)
    ]
    first, last = min(misses, key=lambda m: m[1])
    return signed if last >= _LEAST_SCATTER * size and last <= _FALLS * first else []


def _scattered(
    found: list[list[Array]], target: Target, part: slice, signed: list[Array], discretisation: Discretisation
) -> Judged:
    """On points that were drawn once: is what they miss their scatter?"""
    precision, scale = discretisation.precision, target.scale(part, discretisation.precision)
    errors = [max(float(np.linalg.norm(f[part] - target.total[part])) for f in of_n) / scale for of_n in found]
    noise = float(np.hypot(max(float(np.linalg.norm(s[part])) for s in signed), target.noise(part)))
    dirac = target.dirac[part]
    moves = bool(np.linalg.norm(dirac) > ROUNDING["float64"] * scale)
    off = target.total[part] - found[-1][0][part]
    biased = float(np.linalg.norm(off)) > _SIGMAS * noise + ROUNDING[precision] * scale
    lacks = float(off @ dirac / (dirac @ dirac)) if moves else None
    error = float(np.sqrt(np.mean([(s[part] @ dirac) ** 2 for s in signed])) / (dirac @ dirac)) if moves else 0.0
    if lacks is not None:
        # Points that stay where they are cannot see a kink move, be that less than their scatter.
        biased = biased or bool(discretisation.fixed) or (error <= _KNOWN and lacks > 0.5)
    verdict = "inconsistent" if biased else "consistent"
    explained = float(np.linalg.norm(off - dirac)) <= _SIGMAS * noise + ROUNDING[precision] * scale
    return Judged(Study(tuple(errors), None, verdict), lacks, error, verdict, explained)


def _on_grids(
    found: list[list[Array]],
    target: Target,
    part: slice,
    points: tuple[int, ...],
    discretisation: Discretisation,
) -> Judged:
    precision, scale = discretisation.precision, target.scale(part, discretisation.precision)
    own = [[f[part] for f in of_n] for of_n in found]
    bound = Bound(target.order)
    seen = study(own, target.total[part], list(points), precision, scale, bound)
    dirac = target.dirac[part]
    to_bulk = study(own, target.bulk[part], list(points), precision, scale, bound)
    explained = to_bulk.verdict != "inconsistent"
    if np.linalg.norm(dirac) <= ROUNDING["float64"] * scale:
        return Judged(seen, None, 0.0, seen.verdict, explained)
    lacking = np.array([(target.total[part] - f) @ dirac for f in own[-1]]) / (dirac @ dirac)
    lacks, spread = float(lacking.mean()), float(np.ptp(lacking) / 2)
    verdict = seen.verdict
    if target.order < 1:
        # What grids miss beside a pole is no spread between them. Nodes that hold still cannot see a kink move.
        nearer = min(float(np.linalg.norm(own[-1][0] - t[part])) for t in (target.total, target.bulk))
        spread = max(spread, nearer / float(np.linalg.norm(dirac)))
        verdict = "inconsistent" if discretisation.fixed else verdict
    elif spread <= _KNOWN:
        verdict = "inconsistent" if lacks > 0.5 else verdict
    elif discretisation.fixed:
        # Less than what the grids show, but nodes that stay where they are cannot see a kink move.
        verdict = "inconsistent"
    return Judged(seen, lacks, spread, verdict, explained)


def over_draws(
    discretisation: Discretisation, target: Target, parts: Sequence[slice], points: int, energy: float, magnitude: float
) -> tuple[list[Judged], Array, int]:
    """Draw points anew until the mean gradient tells; verdicts, that mean, and how many draws it took.

    Raises:
        InputError: the mean value is not the integral.
    """
    directions = [target.dirac[p] for p in parts]
    size = len(target.bulk)
    total, squares = np.zeros(size), np.zeros(size)
    projections: list[list[float]] = []
    values: list[float] = []
    wanted = _FIRST_DRAWS
    while True:
        while len(values) < wanted:
            value, gradient = discretisation.gradient(points, seed=len(values))
            off = target.total - gradient
            total, squares = total + off, squares + off**2
            values.append(value)
            projections.append([_projection(off[p], d) for p, d in zip(parts, directions, strict=True)])
        count = len(values)
        spread = np.std(projections, axis=0, ddof=1) / np.sqrt(count)
        # The last range is all parameters, where the Dirac part is clearest.
        if spread[-1] <= _KNOWN / 2 or 2 * wanted > _MOST_DRAWS:
            break
        wanted *= 2
    error = max(float(np.std(values, ddof=1)) / np.sqrt(count), 1e-6 * magnitude)
    if abs(np.mean(values) - energy) > _SIGMAS * error + _VALUE * magnitude * (error == 0):
        raise _other_integral(discretisation, float(np.mean(values)), energy, f"in the mean of {count} draws")
    mean_off, variance = total / count, (squares / count - (total / count) ** 2) / (count - 1)
    means = np.mean(projections, axis=0)
    judged = [
        _over_draws(mean_off[p], variance[p], float(m), float(s), target, p, bool(discretisation.fixed))
        for p, m, s in zip(parts, means, spread, strict=True)
    ]
    return judged, target.total - mean_off, count


def _projection(off: Array, direction: Array) -> float:
    return float(off @ direction / (direction @ direction)) if direction.any() else 0.0


def _over_draws(
    off: Array, variance: Array, lacks: float, error: float, target: Target, part: slice, fixed: bool
) -> Judged:
    scale = target.scale(part)
    size = float(np.linalg.norm(off))
    noise = float(np.hypot(np.sqrt(max(variance.sum(), 0.0)), target.noise(part)))
    biased = size > _SIGMAS * noise + ROUNDING["float64"] * scale
    has_dirac = np.linalg.norm(target.dirac[part]) > ROUNDING["float64"] * scale
    if has_dirac and error <= _KNOWN:
        biased = biased or lacks > 0.5
    elif has_dirac and fixed:
        # Too small to be told from the noise: the mean over draws of a fixed integrand has no Dirac part.
        biased = True
    verdict = "inconsistent" if biased else "consistent"
    seen = Study((size / scale,), None, verdict)
    explained = float(np.linalg.norm(off - target.dirac[part])) <= _SIGMAS * noise + ROUNDING["float64"] * scale
    return Judged(seen, lacks if has_dirac else None, error if has_dirac else 0.0, verdict, explained)


def _require_same_integral(
    discretisation: Discretisation, values: list[float], energy: float, magnitude: float, points: tuple[int, ...],
    scattered: bool, order: float = 1.0,
) -> None:  # fmt: skip
    off = [abs(v - energy) for v in values]
    # Still falling like at least the square root of the number of points is tending, however slowly.
    tends = off[-1] <= off[0] / (points[-1] / points[0]) ** min(0.5, order) * 2
    # Points that were drawn scatter: five standard errors of a density that varies by twice its mean size.
    allowed = max(_VALUE, 10 / np.sqrt(points[-1])) if scattered else _VALUE
    if off[-1] > allowed * magnitude and not tends:
        raise _other_integral(discretisation, values[-1], energy, f"on {points[-1]:,} points")


def _require_refinement(
    discretisation: Discretisation, found: list[list[Array]], values: list[float], energy: float, magnitude: float,
    points: tuple[int, ...],
) -> None:  # fmt: skip
    """A sum that is the same whatever n is has an error that cannot vanish: that is no fault of autodiff's."""
    same = len(set(values)) == 1 and all(np.array_equal(f, found[0][0]) for of_n in found for f in of_n)
    off = abs(values[-1] - energy) / magnitude
    if same and off > ROUNDING[discretisation.precision]:
        name = discretisation.name.removeprefix("your ")
        raise InputError(
            f"{name}: it is the same on {points[0]:,} and on {points[-1]:,} points and {off:.1e} off the integral, so "
            f"that it cannot be seen whether its error vanishes; a {name} that makes use of n (with integrate, "
            "points=n or a higher order=) would be right"
        )


def _other_integral(discretisation: Discretisation, value: float, energy: float, where: str) -> InputError:
    name = discretisation.name.removeprefix("your ")
    hint = f", {value / energy:.4g} times it" if energy else ""
    return InputError(
        f"{name}: its value is {value:.6g} {where}, but the integral of the density is {energy:.6g}{hint}; a {name} "
        "and a density of the same energy would be right (a mean needs the length of the domain as a factor, ends= "
        "is for what is added at the ends)"
    )
