"""What the runs of each question say: checks, computed from energy gaps and kinks of the networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import numpy as np
import torch

from ...solver.data.statement import data
from ...solver.free_knots.widths.optimum import solve
from ...solver.networks.architecture import Architecture
from ...solver.networks.autodiff_limit import autodiff_limit
from ...solver.studies.trials import Row
from ...solver.training.checks import Check
from ...verify.statement.named import problems

Found = Mapping[str, list[Row]]
# "The same": within a factor of two, as for the paper's own claims; "stays": within a fifth.
_SAME, _STAYS, _NOTABLY = 2.0, 1.2, 3.0
# "Reach the best network": within a tenth; facings that are given at the start cost some percent.
_NEAR_BEST = 1.1


def gaps(rows: Iterable[Row]) -> np.ndarray:
    """Energy gaps of networks."""
    return np.array([row["energy_gap"] for row in rows], dtype=np.float64)


def median(rows: Iterable[Row]) -> float:
    """Their median."""
    return float(np.median(gaps(rows)))


def _limit() -> float:
    return autodiff_limit(problems["sine-2"]).main.energy_gap


@lru_cache(maxsize=1)
def _solved() -> tuple[float, float]:
    """Of the best ReLU network of 20 neurons: its gap, and ‖κ times what D alone makes of û″, + f‖ ÷ ‖f‖."""
    problem, best = problems["sine-2"], solve(problems["sine-2"], 20)
    x = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    theta = torch.as_tensor(best.network.ravel())[None]
    value, slope = Architecture.of(20, "relu").value_and_slope(theta, x)
    bend, tilt, source = (data(problem, n)(x) for n in ("distance_curvature", "distance_slope", "source"))
    seen = bend * value[0] + 2 * tilt * slope[0]
    return float(best.energy_gap), float((seen + source).norm() / source.norm())


def all_stay(what: str) -> Callable[[Found], Iterable[Check]]:
    """Every arm's median is where autodiff ends, as computed without training."""

    def judge(found: Found) -> Iterable[Check]:
        limit = _limit()
        shown = ", ".join(f"{label} {median(rows):.3g}" for label, rows in found.items())
        least = min(median(rows) for rows in found.values())
        yield Check(f"{what}: {shown}; computed without training {limit:.3g}. No median is lower by a fifth.",
                    least > limit / _STAYS)  # fmt: skip
        kinks = [row["effective_kinks"] for rows in found.values() for row in rows]
        share = float(np.mean([k is not None and k <= 2 for k in kinks]))
        yield Check(f"Two effective kinks at most are left in {share:.0%} of the networks.", share > 0.5, papers=False)

    return judge


def _pairs(found: Found, first: str, second: str) -> list[tuple[str, float, float]]:
    """Arms "what, first" and "what, second" beside each other."""
    out = []
    for label in found:
        what, _, way = label.rpartition(", ")
        if way == first:
            out.append((what, median(found[label]), median(found[f"{what}, {second}"])))
    return out


def exact_is_better(found: Found) -> Iterable[Check]:
    """Of each pair the exact gradient's median is lower."""
    for what, wrong, right in _pairs(found, "autodiff", "exact"):
        yield Check(
            f"{what}: median gap {wrong:.3g} with autodiff, {right:.3g} with the exact gradient.", right < wrong
        )


def width(found: Found) -> Iterable[Check]:
    """More neurons do not help autodiff."""
    both = _pairs(found, "autodiff", "exact")
    widths = [what.removesuffix(" neurons") for what, _, _ in both]
    autodiff, exact = [wrong for _, wrong, _ in both], [right for _, _, right in both]
    limit = _limit()
    shown = ", ".join(f"{gap:.3g}" for gap in autodiff)
    yield Check(
        f"With autodiff more neurons do not help: {shown} for {', '.join(widths)} neurons; no median is "
        f"below {limit:.3g} by a fifth.",
        min(autodiff) > limit / _STAYS,
    )
    first, last = exact[0], exact[-1]
    yield Check(f"With the exact gradient they do: {first:.3g} for {widths[0]}, {last:.3g} for {widths[-1]}.",
                last < first / _NOTABLY, papers=False)  # fmt: skip


def strong(found: Found) -> Iterable[Check]:
    """The strong form with ReLU leads nowhere."""
    relu, tanh = found["ReLU, strong form"], found["tanh, strong form"]
    ritz = found["ReLU, Ritz, autodiff"]
    yield Check(
        f"The strong form with ReLU, whose residual does not see the kinks, ends at a median energy gap of "
        f"{median(relu):.3g}, {median(relu) / median(ritz):.3g} times that of the Ritz energy by autodiff.",
        median(relu) > _NOTABLY * median(ritz),
    )
    yield Check(f"tanh, whose second derivative is a function, ends at {median(tanh):.3g}.",
                median(tanh) < median(relu) / _NOTABLY)  # fmt: skip
    gap, residual = _solved()
    yield Check(
        f"The best ReLU network (gap {gap:.3g}) is no solution of it: at the nodes û″ is what D alone makes of it, and "
        f"the residual is {residual:.2g} of the source.", residual > 0.1, papers=False,
    )  # fmt: skip


def worst(found: Found) -> Iterable[Check]:
    """ReLU ends above every activation with a continuous derivative."""
    medians = {label: median(rows) for label, rows in found.items()}
    smooth = {n: m for n, m in medians.items() if n not in ("relu", "leaky-relu", "relu, exact gradient")}
    worst = max(smooth, key=lambda n: smooth[n])
    yield Check(
        f"With autodiff ReLU ends above every activation with a continuous derivative: {medians['relu']:.3g}; the "
        f"worst of these, {worst}, at {smooth[worst]:.3g}.",
        medians["relu"] > smooth[worst],
    )
    exact = medians["relu, exact gradient"]
    below = [n for n, m in smooth.items() if m > exact]
    yield Check(f"With the exact gradient ReLU ({exact:.3g}) is better than {', '.join(below) or 'none'} of these "
                f"{len(smooth)}.", bool(below), papers=False)  # fmt: skip


def frequency(found: Found) -> Iterable[Check]:
    """At which frequencies the exact gradient is the remedy, from either start."""
    helped = []
    for what, wrong, right in _pairs(found, "autodiff", "exact"):
        spread = median(found[f"{what}, exact, spread"])
        helped.append((what.removeprefix("k = "), right < wrong, spread < wrong / _SAME))
    paper = [k for k, better, _ in helped if better]
    both = [k for k, _, better in helped if better]
    yield Check(f"From the paper's start the exact gradient is better than autodiff for k = {_listed(paper)}.",
                len(paper) == len(helped))  # fmt: skip
    yield Check(f"With kinks spread at the start it is so by a factor of two for k = {_listed(both)}.",
                len(both) == len(helped))  # fmt: skip


def _listed(numbers: Iterable[str]) -> str:
    return ", ".join(numbers) or "none"


def regression(found: Found) -> Iterable[Check]:
    """Autodiff leaves the fit, the exact gradient does not."""
    away, stays, before = (median(found[n]) for n in ("regression, autodiff", "regression, exact", "random, autodiff"))
    yield Check(f"From the fit to the solution autodiff goes where it goes from random parameters: {away:.3g} against "
                f"{before:.3g}.", max(away, before) < _STAYS * min(away, before))  # fmt: skip
    yield Check(f"The exact gradient does not: {stays:.3g}.", stays < away / _NOTABLY)


def conclusion(found: Found) -> Iterable[Check]:
    """How far ReLU is from tanh, and that noise has no part in it."""
    best, tanh = median(found["ReLU, exact, spread, variable projection"]), median(found["tanh, autodiff"])
    wrong = median(found["ReLU, autodiff"])
    yield Check(f"At 20 neurons ReLU, trained as well as we can, ends at {best:.3g}, {best / tanh:.3g} times tanh's "
                f"{tanh:.3g} by autodiff and ADAM.", best > _SAME * tanh)  # fmt: skip
    yield Check(
        f"Not because of noise: the energy followed is the exact integral, which has none. Of autodiff's {wrong:.3g} "
        f"{1 - best / wrong:.0%} are gone; the best ReLU network of this width has {_solved()[0]:.3g}.",
        best < wrong / _NOTABLY and best < _SAME * _solved()[0],
        papers=False,
    )


def integrand(found: Found) -> Iterable[Check]:
    """Cells that follow the integrand, and kinks that are rounded off."""
    grid, adaptive, smooth, exact = (
        median(found[n]) for n in ("200 midpoints", "200 adaptive cells", "kinks rounded off", "exact")
    )
    yield Check(f"On 200 cells that gather where the integrand is uneven autodiff ends at {adaptive:.3g}, on 200 equal "
                f"ones at {grid:.3g}: not lower by a fifth.", adaptive > grid / _STAYS)  # fmt: skip
    yield Check(f"With kinks rounded off over two cells to each side it ends at {smooth:.3g}, within a factor of two "
                f"of the exact gradient's {exact:.3g}.", smooth < _SAME * exact and smooth < grid)  # fmt: skip


def nearest(found: Found) -> Iterable[Check]:
    """How far published methods end above the best network known."""
    best = _solved()[0]
    for label, rows in found.items():
        middle, least = median(rows), float(gaps(rows).min())
        yield Check(f"{label}: median gap {middle:.4g}, {middle / best:.3f} times that of the best network known "
                    f"({best:.4g}); least {least / best:.4f} times.", middle < _NEAR_BEST * best)  # fmt: skip


def precision(found: Found) -> Iterable[Check]:
    """float32 ends where float64 does."""
    for way in ("autodiff", "exact"):
        # Fewer networks may have been trained in one of them; both begin with the same seeds.
        rows = list(zip(found[f"float64, {way}"], found[f"float32, {way}"], strict=False))
        double, single = (median(of) for of in zip(*rows, strict=True))
        yield Check(f"{way}, {len(rows)} starts: {single:.3g} in float32, {double:.3g} in float64.",
                    max(double, single) < _STAYS * min(double, single))  # fmt: skip
