"""The data of the landscape report: nine planes around θ* for ReLU and ReLU², on the grid and exactly; Hessians."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...solver.executors import one_thread
from ...solver.landscapes.landscapes import Landscape, landscape
from ...solver.landscapes.lines import random_lines
from ...solver.landscapes.planes import path_plane
from ...solver.landscapes.spectra import KINDS, PAIRS, Spectrum, eigenplanes, spectrum
from ...solver.networks.choices import Activation, EnergyKind
from ...solver.training.archive import statement
from ...solver.training.regression import regress
from ...solver.training.runs import Run
from ...solver.training.training import fit
from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ...verify.values import Value
from .cache import Cache, recall_run

# Activation and energy of the scans, in the order in which they are shown.
_ACTIVATIONS: tuple[Activation, ...] = ("relu", "relu2")
SCANS: tuple[tuple[Activation, EnergyKind], ...] = (
    ("relu", "quadrature"),
    ("relu", "exact"),
    ("relu2", "quadrature"),
    ("relu2", "exact"),
)
# Half the side of the planes, in units of the parameters. The paper's is not legible.
RADIUS = 0.1
# Points along a side of a plane, by default.
RESOLUTION = 101
# Roundings of the energy that the median plane has to range over: the second differences of a parabola are some eighty
# of them then, at 101 points along a side.
_LEAST_RANGE = 1e5
# Eigenvectors that the nine planes are made of.
_EIGENVECTORS = 1 + max(max(pair) for pair in PAIRS)
# Of the training whose path is drawn, and how often it is looked at.
_PATH_STEPS, _PATH_RECORD = 2_000, 20


@dataclass(frozen=True, eq=False)
class LandscapeStudy(Value):
    """What `landscape_report` shows.

    Attributes:
        problem: whose energy.
        settings: plain data, all that determines the study.
        scans: (activation, energy) → nine planes around θ*.
        spectra: activation → kind of Hessian → its spectrum at θ*; of "exact" the planes are made.
        path: the plane of the main components of training with autodiff from θ*, with the path, by the exact energy.
        lines: of each scan's energy, mean and standard deviation of the total variation ÷ range on random lines
            through θ*, as long as the planes are wide.
        gaps: energy gap at θ*, by activation.
        path_steps: epochs at which the path was looked at, (n,).
        path_gaps: energy gap there, (n,).
    """

    problem: RitzProblem
    settings: Mapping[str, Any]
    scans: Mapping[tuple[str, str], Landscape]
    spectra: Mapping[str, Mapping[str, Spectrum]]
    path: Landscape
    lines: Mapping[tuple[str, str], tuple[float, float]]
    gaps: Mapping[str, float]
    path_steps: NDArray[np.int64]
    path_gaps: NDArray[np.float64]

    @property
    def first_look(self) -> str:
        """Why this is no more than a first look; "" if it is more: noise is told by neighbours, which must be near."""
        found = self.settings["resolution"]
        whole = f"{RESOLUTION} × {RESOLUTION}"
        return "" if found >= RESOLUTION else f"First look: {found} × {found} of {whole} networks a plane"

    @property
    def grid_share(self) -> float:
        """How much of ReLU's noise (roughness without curvature) goes with the fixed grid; median over the planes."""
        grid, exact = (self.scans["relu", energy].noise for energy in ("quadrature", "exact"))
        noisy = grid > 0
        return float(np.median(1 - exact[noisy] / grid[noisy])) if noisy.any() else 0.0

    @property
    def roughness(self) -> dict[tuple[str, str], float]:
        """Median over the planes of each scan."""
        return {scan: float(np.median(scape.roughness)) for scan, scape in self.scans.items()}


@one_thread()
def landscape_study(
    problem: RitzProblem,
    width: int = 20,
    seed: int = 0,
    *,
    points: int = 200,
    rule: str = "midpoint",
    radius: float = RADIUS,
    resolution: int = RESOLUTION,
    cache: Cache | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> LandscapeStudy:
    """Fit ReLU and ReLU² to the solution and scan the energy around the fits.

    Args:
        problem: with a known solution.
        width: neurons.
        seed: of the networks.
        points: nodes of the fixed grid.
        rule: of that grid.
        radius: half the side of the planes.
        resolution: points along each side of a plane, an odd number: θ* is one of them.
        cache: where data are kept; None keeps nothing.
        progress: called with the name of each step before it starts.

    Raises:
        InputError: no solution is known, too few neurons for nine planes, a radius at which the energy is constant to
            rounding or leaves the range of float64, what `landscape` refuses, or a cache that cannot be written.
    """
    if problem.solution is None:
        raise InputError(
            f"{problem.name}: θ* is the fit to a known solution and none is known; solution= would be right"
        )
    if isinstance(width, int) and 0 < 3 * width < _EIGENVECTORS:
        raise InputError(
            f"width: {width} has {3 * width} eigenvectors, and the nine planes are made of {_EIGENVECTORS}; a width of "
            f"{-(-_EIGENVECTORS // 3)} or more would be right"
        )
    if isinstance(resolution, int) and (resolution < 3 or not resolution % 2):
        raise InputError(
            f"resolution: {resolution} points along a side have no second difference, or θ* not among them; an odd "
            "number from 3 on would be right"
        )
    cache = cache or Cache(None)
    settings = {
        "problem": statement(problem), "width": width, "seed": seed, "points": points, "rule": rule, "radius": radius,
        "resolution": resolution, "epochs of the path": _PATH_STEPS,
    }  # fmt: skip

    def run(label: str, make: Callable[[], Run]) -> Run:
        progress(label)
        return recall_run(cache, {**settings, "label": label}, make)

    starts = {
        a: run(f"{a}-regression for a landscape", partial(regress, problem, width, a, seeds=[seed]))
        for a in _ACTIVATIONS
    }
    grid: dict[str, Any] = {"rule": rule, "points": points}
    spectra: dict[str, dict[str, Spectrum]] = {}
    for activation, start in starts.items():
        progress(f"Hessians of {activation}")
        spectra[activation] = {str(kind): spectrum(problem, start, kind, **grid) for kind in KINDS}

    def scan(label: str, make: Callable[[], Landscape]) -> Landscape:
        progress(label)
        named = {**settings, "label": label}
        return cache.recall("landscape", named, make, Landscape.load, lambda scape, path: scape.save(path))

    common: dict[str, Any] = {**grid, "radius": radius, "resolution": resolution}
    scans: dict[tuple[str, str], Landscape] = {}
    for activation, energy in SCANS:
        planes = eigenplanes(spectra[activation]["exact"])
        make = partial(landscape, problem, starts[activation], planes, energy=energy, **common)
        scans[activation, energy] = _in_range(scan(f"landscape of {activation}, {energy}", make), radius)
    lines: dict[tuple[str, str], tuple[float, float]] = {}
    for activation, energy in SCANS:
        drawn = random_lines(problem, starts[activation], energy, **grid, radius=radius)
        lines[activation, energy] = (drawn.mean, drawn.deviation)
    path_settings: dict[str, Any] = {"steps": _PATH_STEPS, "record": _PATH_RECORD, **grid}
    follow = partial(fit, problem, width, gradient="autodiff", start=starts["relu"], **path_settings)
    followed = run("path of autodiff for a landscape", follow)
    path = path_plane(followed, centre=starts["relu"].parameters[0])
    assert path.path is not None
    wide = {**common, "radius": 1.15 * float(np.abs(path.path).max())}
    plane = scan("plane of the path", partial(landscape, problem, starts["relu"], [path], energy="exact", **wide))
    gaps: dict[str, float] = {a: float(start.energy_gap[0]) for a, start in starts.items()}
    looked = np.asarray(followed.history.steps)
    return LandscapeStudy(problem, settings, scans, spectra, plane, lines, gaps, looked, followed.gap_history[:, 0])


def _in_range(scape: Landscape, radius: float) -> Landscape:
    """The same, if its planes show something else than rounding or overflow."""
    if not np.isfinite(scape.values).all():
        raise InputError(
            f"radius: {radius:g} from θ* the energy leaves the range of float64; one such as {RADIUS} would be right"
        )
    rounding = np.finfo(np.float64).eps * np.abs(scape.values).max()
    if np.median(np.ptp(scape.values.reshape(len(scape.values), -1), axis=1)) < _LEAST_RANGE * rounding:
        raise InputError(
            f"radius: within {radius:g} of θ* the energy is constant but for rounding; a larger one such as {RADIUS} "
            "would be right"
        )
    return scape
