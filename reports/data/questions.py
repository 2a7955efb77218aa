"""What a referee asks of the paper, as trainings and as checks of what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

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
ACTIVATIONS = ("relu", "leaky-relu", "relu2", "tanh", "sigmoid", "softplus", "swish", "gelu", "sin")
FREQUENCIES = range(1, 9)
WIDTHS = (5, 10, 20, 50, 200, 500)
GRIDS = (50, 100, 200, 1000, 10_000)


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: short.
        claim: what is checked, in a sentence.
        arms: label → settings of `Trial`; those that cost much say how many seeds, `most`.
        judge: arms' rows → checks; papers=True where they decide on the claim.
        note: what else is to be known.
    """

    name: str
    claim: str
    arms: Mapping[str, Mapping[str, Any]]
    judge: Callable[[Found], Iterable[Check]]
    note: str = field(default="")


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


def _all_stay(what: str) -> Callable[[Found], Iterable[Check]]:
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


def _exact_is_better(found: Found) -> Iterable[Check]:
    for what, wrong, right in _pairs(found, "autodiff", "exact"):
        yield Check(
            f"{what}: median gap {wrong:.3g} with autodiff, {right:.3g} with the exact gradient.", right < wrong
        )


def _width(found: Found) -> Iterable[Check]:
    autodiff = {w: median(found[f"{w} neurons, autodiff"]) for w in WIDTHS}
    exact = {w: median(found[f"{w} neurons, exact"]) for w in WIDTHS}
    limit = _limit()
    shown = ", ".join(f"{gap:.3g}" for gap in autodiff.values())
    yield Check(
        f"With autodiff more neurons do not help: {shown} for {', '.join(map(str, WIDTHS))} neurons; no median is "
        f"below {limit:.3g} by a fifth.",
        min(autodiff.values()) > limit / _STAYS,
    )
    first, last = exact[WIDTHS[0]], exact[WIDTHS[-1]]
    yield Check(f"With the exact gradient they do: {first:.3g} for {WIDTHS[0]}, {last:.3g} for {WIDTHS[-1]}.",
                last < first / _NOTABLY, papers=False)  # fmt: skip


def _strong(found: Found) -> Iterable[Check]:
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


def _worst(found: Found) -> Iterable[Check]:
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
    yield Check(f"With the exact gradient ReLU ({exact:.3g}) is better than {len(below)} of these {len(smooth)}: "
                f"{', '.join(below) or 'none'}.", bool(below), papers=False)  # fmt: skip


def _frequency(found: Found) -> Iterable[Check]:
    helped = []
    for k in FREQUENCIES:
        wrong, right = median(found[f"k = {k}, autodiff"]), median(found[f"k = {k}, exact"])
        spread = median(found[f"k = {k}, exact, spread"])
        helped.append((k, right < wrong, spread < wrong / _SAME))
    paper = [k for k, better, _ in helped if better]
    both = [k for k, _, better in helped if better]
    yield Check(f"From the paper's start the exact gradient is better than autodiff for k = {_listed(paper)}.",
                len(paper) == len(helped))  # fmt: skip
    yield Check(f"With kinks spread at the start it is so by a factor of two for k = {_listed(both)}.",
                len(both) == len(helped))  # fmt: skip


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def _regression(found: Found) -> Iterable[Check]:
    away, stays, before = (median(found[n]) for n in ("regression, autodiff", "regression, exact", "random, autodiff"))
    yield Check(f"From the fit to the solution autodiff goes where it goes from random parameters: {away:.3g} against "
                f"{before:.3g}.", max(away, before) < _STAYS * min(away, before))  # fmt: skip
    yield Check(f"The exact gradient does not: {stays:.3g}.", stays < away / _NOTABLY)


def _conclusion(found: Found) -> Iterable[Check]:
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


def _precision(found: Found) -> Iterable[Check]:
    for way in ("autodiff", "exact"):
        double, single = median(found[f"float64, {way}"]), median(found[f"float32, {way}"])
        yield Check(f"{way}: {single:.3g} in float32, {double:.3g} in float64.",
                    max(double, single) < _STAYS * min(double, single))  # fmt: skip


def _sine(k: int) -> dict[str, str]:
    return {"source": f"{k * k}*pi**2*sin({k}*pi*x)", "distance": "x*(1-x)", "solution": f"sin({k}*pi*x)",
            "name": f"sine-{k}"}  # fmt: skip


_EXACT = {"gradient": "exact"}
_SPREAD = {"gradient": "exact", "initial": "even"}
QUESTIONS = (
    Question(
        "Other points", "Points drawn anew at each step do not mend autodiff.",
        {"200 midpoints": {}} | {f"{rule}, anew": {"rule": rule, "most": 16} for rule in
                                 ("uniform", "stratified", "quasi-random")},
        _all_stay("Median gaps"),
    ),
    Question(
        "Finer grids", "A finer grid does not mend autodiff.",
        {f"{n:,} midpoints": {"points": n, **({"most": 4 if n > 1000 else 16} if n > 200 else {})} for n in GRIDS}
        | {"n = ∞": {"gradient": "bulk"}},
        _all_stay("Median gaps"),
    ),
    Question(
        "Width", "More neurons do not mend autodiff.",
        {f"{w} neurons, {g}": {"width": w, "gradient": g, **({"most": 8} if w > 50 else {})}
         for w in WIDTHS for g in ("autodiff", "exact")},
        _width,
    ),
    Question(
        "Depth", "In deeper networks, too, the exact gradient ends lower than autodiff.",
        {f"{'-'.join(map(str, w))}, {g}": {"width": w, "gradient": g, "most": 8}
         for w in ([10, 10], [10, 10, 10]) for g in ("autodiff", "exact")},
        _exact_is_better,
    ),
    Question(
        "Optimiser", "With every optimiser the exact gradient ends lower than autodiff.",
        {f"{name}, {g}": {**said, "gradient": g} for name, said in (
            ("gradient descent", {"optimizer": "sgd", "learning_rate": 0.01}), ("ADAM", {}),
            ("L-BFGS", {"optimizer": "lbfgs", "steps": 500}),
        ) for g in ("autodiff", "exact")},
        _exact_is_better,
        note="Gradient descent at a rate of 0.01, ADAM at 0.001; L-BFGS for 500 steps at most.",
    ),
    Question(
        "Precision", "Single precision changes nothing of this.",
        {f"{t}, {g}": {"dtype": t, "gradient": g} for t in ("float64", "float32") for g in ("autodiff", "exact")},
        _precision,
    ),
    Question(
        "Strong form", "The strong form with ReLU has no solution to find.",
        {"ReLU, strong form": {"energy": "strong"}, "tanh, strong form": {"energy": "strong", "activation": "tanh"},
         "ReLU, Ritz, autodiff": {}},
        _strong,
        note="For ReLU û″ is D″v + 2D′v′ between the kinks: D alone bends û there; the kinks' own share is a sum of "
        "Dirac terms, which no node sees.",
    ),
    Question(
        "Activations", "ReLU is the worst of nine activations at equal width, steps and rate.",
        {n: {"activation": n} for n in ACTIVATIONS} | {"relu, exact gradient": _EXACT},
        _worst,
        note="Why not just smooth it? softplus is ReLU smoothed.",
    ),
    Question(
        "Frequency", "The exact gradient is the remedy at every frequency.",
        {f"k = {k}, {name}": {"problem": _sine(k), **said, "most": 16} for k in FREQUENCIES for name, said in
         (("autodiff", {}), ("exact", _EXACT), ("exact, spread", _SPREAD), ("tanh", {"activation": "tanh"}))},
        _frequency,
        note="−u″ = (kπ)² sin kπx. Spread: a kink in each of equal cells, facing right and left in turn.",
    ),
    Question(
        "Regression first", "Started at the fit to the solution, autodiff leaves it; the exact gradient stays.",
        {"random, autodiff": {}, "regression, autodiff": {"start": "regression"},
         "regression, exact": {"start": "regression", **_EXACT}},
        _regression,
    ),
    Question(
        "Main conclusion", "Even with right gradients ReLU is a poor choice.",
        {"ReLU, autodiff": {}, "ReLU, exact": _EXACT, "ReLU, exact, spread": _SPREAD,
         "ReLU, exact, spread, variable projection": {**_SPREAD, "optimizer": "varpro", "steps": 300},
         "tanh, autodiff": {"activation": "tanh"}},
        _conclusion,
    ),
)  # fmt: skip
