"""The paper's claims about its figures, and this project's own beside them, computed from runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.statement import data
from ..training.checks import Check
from ..training.runs import Run
from .kinks import kinks_of
from .plateaux import plateaux

Array = NDArray[Any]

# "Notably larger", "fails", "suffices": the paper gives no numbers; a factor of three is this project's reading.
_NOTABLY = 3.0
# "Equivalent", "the same": within a factor of two.
_SAME = 2.0


def _median(run: Run) -> float:
    return float(np.median(run.energy_gap))


def _error(run: Run) -> float:
    return float(np.median(run.field_error()))


def _times(larger: float, smaller: float) -> str:
    ratio = larger / smaller
    return f"{larger:.3g} against {smaller:.3g}, {f'{ratio:,.0f}' if ratio >= 100 else f'{ratio:.3g}'} times"


def fails_though_wide_enough(runs: Mapping[str, Run]) -> list[Check]:
    """Figures 1 and 2."""
    relu, tanh, fitted = (runs[n] for n in ("relu-autodiff", "tanh-autodiff", "relu-regression"))
    exact = runs["relu-exact"]
    return [
        Check(
            f"ReLU ends at a notably higher energy than tanh: median gap {_times(_median(relu), _median(tanh))}.",
            _median(relu) > _NOTABLY * _median(tanh),
        ),
        Check(
            f"ReLU fails to reproduce the solution field, tanh does not: median relative error "
            f"{_times(_error(relu), _error(tanh))}.",
            _error(relu) > _NOTABLY * _error(tanh),
        ),
        Check(
            "The width suffices: trained, ReLU has a median gap above that of the regression, "
            f"{_times(_median(relu), _median(fitted))}.",
            _median(relu) > _NOTABLY * _median(fitted),
        ),
        Check(
            "Most of it is the gradient: with autodiff the median gap is at least three times that with the exact "
            f"gradient, {_times(_median(relu), _median(exact))}.",
            _median(relu) >= _NOTABLY * _median(exact),
            papers=False,
        ),
        _plateaux_of(relu),
    ]


def _plateaux_of(run: Run) -> Check:
    found, networks = plateaux(run.energy_gap), len(run.stops)
    held = sum(p.count for p in found)
    return Check(
        f"Autodiff ends at few places, not around a median: of {networks} gaps {', '.join(map(str, found)) or 'none'} "
        f"lie together, {networks - held} by themselves.",
        held > networks / 2,
        papers=False,
    )


def as_good_as_tanh(runs: Mapping[str, Run]) -> list[Check]:
    """Figure 4."""
    squared, tanh, relu = (runs[n] for n in ("relu2-autodiff", "tanh-autodiff", "relu-autodiff"))
    stuck = int(squared.stuck.sum())
    where = ""
    if stuck:
        high, low = (float(np.median(squared.energy_gap[s])) for s in (squared.stuck, ~squared.stuck))
        where = f", at {high:.3g} (median), and {len(squared.stops) - stuck} end at {low:.3g}"
    return [
        Check(
            f"ReLU² is much better than ReLU: median gap {_median(relu):.3g} of ReLU, {_median(squared):.3g} of ReLU².",
            _median(relu) > _NOTABLY * _median(squared),
        ),
        Check(
            f"ReLU² is equivalent to tanh: median gap {_times(_median(squared), _median(tanh))}.",
            _median(squared) < _SAME * _median(tanh),
        ),
        Check(
            f"No network of ReLU² is stuck in a local minimum: {stuck} of {len(squared.stops)} are{where}.",
            stuck == 0,
            papers=False,
        ),
    ]


def walks_away(runs: Mapping[str, Run]) -> list[Check]:
    """Figure 5."""
    start, away, before = (runs[n] for n in ("relu-regression", "relu-autodiff-after-regression", "relu-autodiff"))
    adam, descent = runs["relu-exact-after-regression"], runs["relu-exact-lbfgs-after-regression"]
    rose = int((away.energy > start.energy).sum())
    fell, networks = int((adam.energy < start.energy).sum()), len(start.stops)
    highest = float(np.diff(descent.history.exact, axis=0).max(initial=0.0))
    return [
        Check(
            f"With autodiff the energy rises from the regression's: it does for {rose} of {networks} networks, median "
            f"gap {_median(start):.3g} to {_median(away):.3g}.",
            rose == networks,
        ),
        Check(
            "It ends at the same higher energy as from random parameters: median gap "
            f"{_median(away):.3g} against {_median(before):.3g}.",
            max(_median(away), _median(before)) < _SAME * min(_median(away), _median(before)),
        ),
        Check(
            f"With the exact gradient and ADAM the energy falls for {fell} of {networks} networks, median gap "
            f"{_median(start):.3g} to {_median(adam):.3g}.",
            fell == networks,
            papers=False,
        ),
        Check(
            "With the exact gradient and L-BFGS, whose line search goes by the exact energy, no step of any network "
            f"raises it (largest rise {highest:.2g}); median gap {_median(descent):.3g}.",
            highest <= 0,
            papers=False,
        ),
    ]


def differences_help(runs: Mapping[str, Run]) -> list[Check]:
    """Figure 6."""
    wrong, differences, exact = (runs[f"relu-{n}"] for n in ("autodiff", "finite-difference", "exact"))
    (rough, solutions), (smooth, _) = (_roughness(r) for r in (wrong, differences))
    return [
        Check(
            "With finite differences the converged energy is lower: median gap "
            f"{_median(differences):.3g} against {_median(wrong):.3g} with autodiff.",
            _median(differences) < _median(wrong),
        ),
        Check(
            "The field is more accurate: median relative error "
            f"{_error(differences):.3g} against {_error(wrong):.3g} with autodiff.",
            _error(differences) < _error(wrong),
        ),
        Check(
            f"The field is smoother: median total variation of û′ {smooth:.4g} against {rough:.4g} with autodiff, and "
            f"{solutions:.4g} of the solution.",
            smooth < rough,
        ),
        Check(
            f"By the height of its kinks it is smoother: largest jump of û′ {_highest(differences):.3g} against "
            f"{_highest(wrong):.3g} with autodiff, medians.",
            _highest(differences) < _highest(wrong),
            papers=False,
        ),
        Check(
            "Finite differences with the adviser's step end within a factor 2 of the exact gradient: median gap "
            f"{_median(differences):.3g} against {_median(exact):.3g}.",
            _median(differences) < _SAME * _median(exact),
            papers=False,
        ),
    ]


def _variation(slope: Array) -> Array:
    """Σ |change| along the last axis: how much a curve goes up and down in all."""
    return np.asarray(np.abs(np.diff(slope)).sum(-1))


def _highest(run: Run) -> float:
    """The largest jump of û′ at a cluster of kinks, the median over the networks."""
    kinks = kinks_of(run.ritz_problem, run.settings.architecture, run.parameters)
    return float(np.median([max(map(abs, k.jumps), default=0.0) for k in kinks or ()]))


def _roughness(run: Run) -> tuple[float, float]:
    """Total variation of û′ on 4,001 nodes, the median over the networks, and that of the solution."""
    left, right = (float(e) for e in run.problem.domain)
    x = np.linspace(left, right, 4001)
    solution = data(run.problem, "solution")(torch.as_tensor(x)).numpy()
    slopes = (np.diff(u) / np.diff(x) for u in (run.field(x), solution))
    rough, smooth = (_variation(s) for s in slopes)
    return float(np.median(rough)), float(smooth)
