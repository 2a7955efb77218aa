"""What a referee asks of the paper, as trainings and as checks of what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...solver.training.checks import Check
from . import judgements
from .judgements import Found

ACTIVATIONS = ("relu", "leaky-relu", "relu2", "tanh", "sigmoid", "softplus", "swish", "gelu", "sin")
FREQUENCIES = range(1, 9)
WIDTHS = (5, 10, 20, 50, 200, 500)
GRIDS = (50, 100, 200, 1000, 10_000, 100_000)
# Trained with 64 seeds as the others are not: ReLU² has two plateaux, of which few seeds say little.
_MANY = ("relu", "leaky-relu", "relu2", "tanh")


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


def _sine(k: int) -> dict[str, str]:
    return {"source": f"{k * k}*pi**2*sin({k}*pi*x)", "distance": "x*(1-x)", "solution": f"sin({k}*pi*x)",
            "name": f"sine-{k}"}  # fmt: skip


_EXACT = {"gradient": "exact"}
# Autodiff's gradient to rounding, at a cost that does not grow with the nodes.
_SUMMED = {"gradient": "autodiff-summed"}
_SUMMED_NOTE = (
    "With autodiff, but for the run that all tables share, nodes between kinks are added up beforehand: the same to "
    "rounding."
)
_PROJECTED = {"gradient": "exact", "initial": "even", "optimizer": "varpro", "steps": 300}
_SPREAD = {"gradient": "exact", "initial": "even"}
QUESTIONS = (
    Question(
        "Other points", "Points drawn anew at each step do not mend autodiff.",
        {"200 midpoints": {}} | {f"{rule}, anew": {"rule": rule, "most": 16} for rule in
                                 ("uniform", "stratified", "quasi-random")},
        judgements.all_stay("Median gaps"),
    ),
    Question(
        "Finer grids", "A finer grid does not mend autodiff.",
        {f"{n:,} midpoints": {} if n == 200 else {"points": n, **_SUMMED} for n in GRIDS}
        | {"n = ∞": {"gradient": "bulk"}},
        judgements.all_stay("Median gaps"),
        note=_SUMMED_NOTE,
    ),
    Question(
        "The integrand", "Cells that follow the integrand do not mend autodiff; rounding off the kinks does.",
        {"200 midpoints": {}, "200 adaptive cells": {"rule": "adaptive", "most": 16},
         "kinks rounded off": {"gradient": "smoothed", "most": 16}, "exact": _EXACT},
        judgements.integrand,
        note="Adaptive: half of the cells equal, the others made by halving those whose share of the energy that "
        "changes most, at every step. Rounded off: over two cells to each side, in the sum that is trained; gaps are "
        "those of the network with its kinks.",
    ),
    Question(
        "Width", "More neurons do not mend autodiff.",
        {f"{w} neurons, {name}": ({} if w == 20 else {"width": w}) | ({} if (w, name) == (20, "autodiff") else said)
         for w in WIDTHS for name, said in (("autodiff", _SUMMED), ("exact", _EXACT))},
        judgements.width,
        note=_SUMMED_NOTE,
    ),
    Question(
        "Depth", "In deeper networks, too, the exact gradient ends lower than autodiff.",
        {f"{'-'.join(map(str, w))}, {g}": {"width": w, "gradient": g, "most": 8}
         for w in ([10, 10], [10, 10, 10]) for g in ("autodiff", "exact")},
        judgements.exact_is_better,
    ),
    Question(
        "Optimiser", "With every optimiser the exact gradient ends lower than autodiff.",
        {f"{name}, {g}": said | ({} if (name, g) == ("ADAM", "autodiff") else way) for name, said in (
            ("gradient descent", {"optimizer": "sgd", "learning_rate": 0.01}), ("ADAM", {}),
            ("L-BFGS", {"optimizer": "lbfgs", "steps": 500}),
        ) for g, way in (("autodiff", _SUMMED), ("exact", _EXACT))},
        judgements.exact_is_better,
        note="Gradient descent at a rate of 0.01, ADAM at 0.001; L-BFGS for 500 steps at most. " + _SUMMED_NOTE,
    ),
    Question(
        "Precision", "Single precision changes nothing of this.",
        {"float64, autodiff": {}, "float64, exact": _EXACT, "float32, autodiff": {"dtype": "float32", "most": 16},
         "float32, exact": {"dtype": "float32", **_EXACT}},
        judgements.precision,
    ),
    Question(
        "Strong form", "The strong form with ReLU has no solution to find.",
        {"ReLU, strong form": {"energy": "strong", "most": 16},
         "tanh, strong form": {"energy": "strong", "activation": "tanh", "most": 16},
         "ReLU, Ritz, autodiff": {}},
        judgements.strong,
        note="For ReLU û″ is D″v + 2D′v′ between the kinks: D alone bends û there; the kinks' own share is a sum of "
        "Dirac terms, which no node sees.",
    ),
    Question(
        "Activations", "ReLU is the worst of nine activations at equal width, steps and rate.",
        {n: {"activation": n, **({} if n in _MANY else {"most": 16}), **(_SUMMED if n == "leaky-relu" else {})}
         for n in ACTIVATIONS} | {"relu, exact gradient": _EXACT},
        judgements.worst,
    ),
    Question(
        "Frequency", "The exact gradient is the remedy at every frequency.",
        {f"k = {k}, {name}": {"problem": _sine(k), **said, "most": 16} for k in FREQUENCIES for name, said in
         (("autodiff", _SUMMED), ("exact", _EXACT), ("exact, spread", _SPREAD))},
        judgements.frequency,
        note="−u″ = (kπ)² sin kπx. Spread: a kink in each of equal cells, facing right and left in turn. "
        + _SUMMED_NOTE,
    ),
    Question(
        "Regression first", "Started at the fit to the solution, autodiff leaves it; the exact gradient stays.",
        {"random, autodiff": {}, "regression, autodiff": {"start": "regression", **_SUMMED},
         "regression, exact": {"start": "regression", **_EXACT}},
        judgements.regression,
        note="Regression: kinks spread at random, output weights by least squares, then L-BFGS on the misfit. "
        + _SUMMED_NOTE,
    ),
    Question(
        "Main conclusion", "Even with right gradients ReLU is a poor choice.",
        {"ReLU, autodiff": {}, "ReLU, exact": _EXACT, "ReLU, exact, spread": _SPREAD,
         "ReLU, exact, spread, variable projection": _PROJECTED,
         "tanh, autodiff": {"activation": "tanh"}},
        judgements.conclusion,
        note="Spread: a kink in each of equal cells, facing right and left in turn; variable projection for 300 steps "
        "at most.",
    ),
    Question(
        "Nearest methods", "Methods that move the kinks of shallow Ritz networks reach the best network of the width.",
        {"variable projection, L-BFGS": _PROJECTED,
         "damped block Newton": {**_PROJECTED, "optimizer": "block-newton", "most": 16},
         "r-adaptive mesh, ADAM": {**_PROJECTED, "optimizer": "r-adaptive", "steps": 1000, "learning_rate": 0.01}},
        judgements.nearest,
        note="All with the exact integral, from kinks spread facing right and left in turn, outer weights by a linear "
        "solve: Newton on the kinks (Cai et al. 2024, arXiv 2404.17750), or ADAM on the mesh that they are (rFEM-NN, "
        "Aballay et al. 2025, arXiv 2504.21160), at a rate of 0.01; 300, 300 and 1,000 steps at most. Both were "
        "published for D = 1.",
    ),
)  # fmt: skip
