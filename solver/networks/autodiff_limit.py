"""Where training with autodiff ends, computed without training (MATH 12).

Autodiff's gradient tends to the bulk on ever finer grids. Where the bulk vanishes, every kink ξ with a weight has

    ∫ κu′D′ − fD dx = 0   and   ∫ κu′(xD)′ − f·xD dx = 0   over the side to which its neuron faces.

If all neurons together see the whole domain, each piece between kinks solves its own problem with natural ends, and
the kinks stand where the lines of these pieces meet; else each kink is seen from one side only, and its neuron's facing
says which. Neurons that share a kink count as one, so that the width does not enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import root

from ...verify.errors import InputError
from ...verify.showing import html_table
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem, require_problem
from ...verify.values import Value, brief
from .architecture import Architecture
from .closed_form import ClosedForm, closed_form
from .crowded_starts import crowded_starts

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# Evaluations of the equations from one start: where Newton gets there it does within a few.
_EVALUATIONS = 60
# Kinks nearer to one another or to an end, in lengths of the domain, are none of their own.
_APART = 1e-6
# What is left of the equations, as a share of their terms.
_SOLVED = 1e-9
# Kinks whose facings are all tried where they do not matter to the equations: their stability depends on them.
_MOST_FACINGS = 6
# A kink that bends the network by less than this share of the largest is none.
_BENDS = 1e-6
# Eigenvalues below this share of the largest are rounding and differences; neurons can be scaled at no cost.
_NEUTRAL = 1e-6


@dataclass(frozen=True, eq=False)
class AutodiffState(Value):
    """One state in which autodiff's gradient vanishes.

    Attributes:
        kinks: where all neurons with a kink inside crowd, ascending, (m,).
        facings: to which side those at each kink face, "L" or "R"; "" where neurons see the whole domain and it does
            not matter.
        energy_gap: energy minus the minimum.
        attracting: no small displacement of the parameters grows; of the network below, whose neurons are balanced
            (w² + b² = c², which the bulk's flow keeps).
        eigenvalue: least real part of the eigenvalues of the derivative of the bulk gradient field there.
        largest: largest absolute value of them.
        network: of the fewest neurons in this state.
    """

    kinks: Array
    facings: str
    energy_gap: float
    attracting: bool
    eigenvalue: float
    largest: float
    network: ShallowNetwork


@dataclass(frozen=True, eq=False)
class AutodiffLimit(Value):
    """All states found.

    Attributes:
        problem: its name.
        states: by ascending energy gap.
    """

    problem: str
    states: tuple[AutodiffState, ...]

    def _repr_html_(self) -> str:
        rows = [
            (brief(s.kinks), s.facings, s.energy_gap, brief(s.attracting), s.eigenvalue, s.network.width)
            for s in self.states
        ]
        heads = ["kinks", "facings", "energy gap", "attracting", "eigenvalue", "neurons"]
        return html_table(f"{self.problem}: {self.sentence}", heads, rows)

    @property
    def attracting(self) -> tuple[AutodiffState, ...]:
        """Those in which training can end."""
        return tuple(s for s in self.states if s.attracting)

    @property
    def main(self) -> AutodiffState:
        """Of those the one of least energy in which neurons see the whole domain."""
        seen = [s for s in self.attracting if not s.facings]
        return (seen or self.attracting or self.states)[0]

    @property
    def sentence(self) -> str:
        """What training with autodiff comes to, whatever the width."""
        state = self.main
        if not len(state.kinks):
            where = "drive all kinks out of the domain"
        else:
            places = [f"{k:.4f}" for k in state.kinks]
            listed = " and ".join([", ".join(places[:-1]), places[-1]] if len(places) > 1 else places)
            where = f"put all kinks near x = {listed}"
        others = len(self.attracting) - 1
        more = f", or end in one of {others} other states" if others > 1 else ", or end in one other state"
        return (
            f"autodiff will {where} and stop {state.energy_gap:.4g} above the minimum{more if others > 0 else ''}, "
            "whatever the width"
        )

    def nearest(self, energy_gap: float) -> AutodiffState:
        """The state whose energy gap is nearest."""
        return min(self.attracting or self.states, key=lambda s: abs(s.energy_gap - energy_gap))


@lru_cache(maxsize=64)
def autodiff_limit(problem: RitzProblem) -> AutodiffLimit:
    """Where training one hidden ReLU layer with autodiff must end, from the equations of the states alone.

    Kinks are sought from the zeros of the solution's flux and from next to the ends, in all combinations and facings.
    Which state a start selects, and what deeper networks do, the equations do not say.

    Args:
        problem: the statement; essential values are held by its penalty, as in training.

    Raises:
        InputError: the energy has no minimum that could be computed, loads act at points, or the ends are periodic.

    Examples:
        >>> from kinkproof.verify import problems
        >>> state = autodiff_limit(problems["sine-2"]).main
        >>> state.kinks.round(4), round(state.energy_gap, 4)
        (array([0.2524, 0.7476]), 0.1968)
    """
    require_problem(problem)
    if problem.periodic:
        raise InputError(
            "periodic: the equations of autodiff's states do not know that the pieces at both ends are tied; a problem "
            "whose ends are apart would be right"
        )
    if problem.loads:
        raise InputError(
            f"autodiff_limit: kinks may come to rest on the point load at x = {next(iter(problem.loads))}, where the "
            "bulk gradient jumps and no equation holds; a problem without point loads would be right"
        )
    equations = _Equations(problem)
    states: list[AutodiffState] = []
    for start, falling in crowded_starts(problem):
        found = equations.solved(start, falling)
        if found is not None and not any(_alike(found, s) for s in states):
            states.append(found)
    return AutodiffLimit(problem.name, tuple(sorted(states, key=lambda s: s.energy_gap)))


def _alike(a: AutodiffState, b: AutodiffState) -> bool:
    same = a.facings == b.facings and len(a.kinks) == len(b.kinks)
    return same and bool(np.allclose(a.kinks, b.kinks, rtol=0, atol=1e-6))


class _Equations:
    """The bulk's forces on the pieces between kinks, each a quadratic form of its line a·x + g."""

    def __init__(self, problem: RitzProblem) -> None:
        self.problem = problem
        self.form: ClosedForm = closed_form(problem, Architecture.of(1, "relu"))
        self.minimum = _minimum(problem)

    def solved(self, start: Array, falling: Booleans | None) -> AutodiffState | None:
        """The state that these kinks lead to, or None."""
        # The form tells all about its place.
        start = start - self.form.place
        kinks = start
        if len(start):
            options = {"maxfev": _EVALUATIONS}
            found = root(lambda x: self.residual(np.asarray(x), falling)[0], start, tol=1e-13, options=options)
            kinks = np.asarray(found.x)
        length = self.form.right - self.form.left
        if (np.diff([self.form.left, *kinks, self.form.right]) < _APART * length).any():
            return None
        forces, weights, size = self.residual(kinks, falling)
        jumps = np.abs(weights[: len(kinks)])
        if (np.abs(forces) > _SOLVED * size).any() or (jumps <= _BENDS * np.abs(weights).max(initial=0.0)).any():
            return None
        network, least, largest = self._steadiest(kinks, falling, weights)
        return AutodiffState(
            kinks + self.form.place,
            "" if falling is None else "".join("RL"[int(f)] for f in falling),
            float(self.form.energy(torch.as_tensor(network.ravel())[None])) - self.minimum,
            least >= -_NEUTRAL * largest,
            least,
            largest,
            network,
        )

    def _steadiest(self, kinks: Array, falling: Booleans | None, weights: Array) -> tuple[ShallowNetwork, float, float]:
        """The network whose least eigenvalue is greatest: where facings are free, of all of them; and its extremes."""
        free = falling is None and len(kinks) <= _MOST_FACINGS
        facings = product((False, True), repeat=len(kinks) if free else 0)
        best: tuple[ShallowNetwork, float, float] | None = None
        for facing in facings:
            given = np.array(facing, dtype=bool) if free else falling
            network = self._network(kinks, given, weights, falling is None)
            values = np.linalg.eigvals(self._derivative(torch.as_tensor(network.ravel())))
            least, largest = float(values.real.min(initial=0.0)), float(np.abs(values).max(initial=0.0))
            if best is None or least > best[1]:
                best = network, least, largest
            if least >= -_NEUTRAL * largest:
                break
        assert best is not None
        return best

    def residual(self, kinks: Array, falling: Booleans | None) -> tuple[Array, Array, float]:
        """Forces on the kinks' biases at the best outer weights, (m,), those weights, and the size of the terms."""
        pieces, kink = np.arange(len(kinks) + 1), np.arange(len(kinks))
        left = np.zeros(len(kinks), dtype=bool) if falling is None else falling
        # Lines of each neuron on each piece, as (slope, intercept): (neurons, pieces, 2).
        seen = np.where(left[:, None], pieces <= kink[:, None], pieces > kink[:, None])
        sign = np.where(left, -1.0, 1.0)
        lines = seen[..., None] * np.stack([sign, -sign * kinks], axis=-1)[:, None]
        if falling is None:
            both = np.broadcast_to(np.eye(2)[:, None], (2, len(pieces), 2))
            lines = np.concatenate([lines, both])
        stiffness, load = self._pieces(kinks)
        matrix = np.einsum("ikp,kpq,jkq->ij", lines, stiffness, lines)
        weights = np.linalg.lstsq(matrix, -np.einsum("ikp,kp->i", lines, load), rcond=1e-13)[0]
        force = np.einsum("kpq,ikq,i->kp", stiffness, lines, weights) + load
        size = float(np.abs(load).sum()) + np.finfo(np.float64).tiny
        return np.asarray((seen * force[:, 1]).sum(axis=1)), weights, size

    def _pieces(self, kinks: Array) -> tuple[Array, Array]:
        """Quadratic form (m + 1, 2, 2) and load (m + 1, 2) of the energy in each piece's (slope, intercept)."""
        form = self.form
        inside = form.table(torch.as_tensor(np.clip(kinks, form.left, form.right)))[:6].numpy().reshape(6, -1)
        ends = np.zeros((6, 1)), form.whole[:, 0].numpy()
        moments = np.diff(np.concatenate([ends[0], inside, ends[1]], axis=1), axis=1)
        stiffness = np.array([[2 * moments[0], moments[1]], [moments[1], 2 * moments[2]]]).transpose(2, 0, 1)
        load = moments[3:5].T.copy()
        for x, distance, lift, pull, spring, wanted in torch.stack(
            [getattr(form.ends, n) for n in ("places", "distance", "lift", "pull", "stiffness", "wanted")], 1
        ).tolist():
            piece, at = (0 if x == form.left else -1), np.array([x, 1.0])
            stiffness[piece] += spring * distance**2 * np.outer(at, at)
            load[piece] += distance * (pull + spring * (lift - wanted)) * at
        return stiffness, load

    def _network(self, kinks: Array, falling: Booleans | None, weights: Array, whole: bool) -> ShallowNetwork:
        """The neurons with these outer weights, balanced: w² + b² = c²; with a line of its own where all is seen."""
        falling = np.zeros(len(kinks), dtype=bool) if falling is None else falling
        w = np.where(falling, -1.0, 1.0)
        b, c = -w * kinks, weights[: len(kinks)]
        if whole:
            # (ξ − x)₊ is (x − ξ)₊ − (x − ξ); slope and intercept as two neurons that are active throughout.
            slope = weights[-2] + c[falling].sum()
            intercept = weights[-1] - (c * kinks)[falling].sum()
            beyond = 2 * self.form.left - self.form.right
            w, b = np.append(w, [1.0, 0.0]), np.append(b, [-beyond, 1.0])
            c = np.append(c, [slope, intercept + slope * beyond])
        b = b - w * self.form.place
        # A neuron without weight has no scale of its own.
        floor = 1e-3 * np.abs(c).max(initial=0.0)
        scale = np.sqrt(np.maximum(np.abs(c), floor) / np.hypot(w, b)) if floor else np.ones_like(w)
        return ShallowNetwork(w * scale, b * scale, c / scale)

    def _derivative(self, theta: torch.Tensor) -> Array:
        """Of the bulk gradient field, (P, P), by central differences: the field is smooth where kinks are distinct."""
        step = 1e-6 * torch.eye(len(theta), dtype=torch.float64)
        field = self.form.energy_and_bulk(torch.cat([theta + step, theta - step]))[1].numpy()
        return np.asarray((field[: len(theta)] - field[len(theta) :]).T / 2e-6)


def _minimum(problem: RitzProblem) -> float:
    if problem.solution is None:
        raise InputError(f"{problem.name}: no known solution; pass solution= to have an energy gap")
    return float(problem.minimum_energy())
