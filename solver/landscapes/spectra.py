"""Hessians of the energy at a network, exact, by autodiff and by finite differences, and planes of their spectra."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...verify.choices import Rule, unknown
from ...verify.errors import InputError
from ...verify.showing import Shown, html_table
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem
from ...verify.values import Value
from ..data.statement import mesh
from ..networks.choices import Activation as ActivationName
from ..networks.choices import HessianKind
from ..networks.differences import advise_step, check_step
from ..networks.energies import Energy, grid_energy
from ..networks.gradients import exact_energy
from ..training.runs import Run
from .centres import Centre, centre_of
from .degeneracy import require_second_derivative
from .planes import Plane, fixed_sign
from .running_sums import degree, exact_sums
from .scanned_energy import scanned_energy

Array = NDArray[np.float64]

KINDS: tuple[HessianKind, ...] = get_args(HessianKind)
# The nine of the figures, three by three; the paper does not say which it took. Counted from 0, the leading one.
PAIRS = tuple(product(range(3), range(3, 6)))
# Rows of a Hessian that autograd makes at once: bounds memory at the price of more passes.
_ROWS = 32
# Second differences of a smooth energy: rounding ε⁻² and truncation ε² balance at the fourth root of the precision.
_SMOOTH_STEP = float(np.finfo(np.float64).eps ** 0.25)


@dataclass(frozen=True, eq=False)
class Spectrum(Value, Shown):
    """A Hessian and its eigenvectors.

    Attributes:
        kind: "exact", "autodiff" or "finite-difference".
        hessian: (P, P), as it came out; symmetric up to rounding.
        eigenvalues: of its symmetric part, descending, (P,).
        eigenvectors: in the same order, orthonormal columns (P, P); the largest component of each is positive.
        step: ε of finite differences, else None.
    """

    kind: str
    hessian: Array
    eigenvalues: Array
    eigenvectors: Array
    step: float | None = None

    def __repr__(self) -> str:
        shown = ", ".join(f"{v:.4g}" for v in self.eigenvalues[:3])
        return f"<Spectrum, {self.kind}: {len(self.eigenvalues)} eigenvalues, {shown}, … {self.eigenvalues[-1]:.4g}>"

    def _repr_html_(self) -> str:
        rows = ((k + 1, float(v)) for k, v in enumerate(self.eigenvalues))
        return html_table(repr(self)[1:-1], ["index", "eigenvalue"], rows)


def spectrum(
    problem: RitzProblem,
    network: ShallowNetwork | Run | Any,
    kind: HessianKind = "exact",
    activation: ActivationName | None = None,
    rule: Rule = "midpoint",
    points: int = 200,
    step: float | None = None,
) -> Spectrum:
    """The Hessian ∂²Π/∂θ∂θ′ at a network, and its spectrum.

    Args:
        problem: whose energy.
        network: as for `landscape`.
        kind: "exact": of the integral, by autograd twice through its closed form, in which the kinks move.
            "autodiff": of the sum over a fixed grid, by autograd twice, for which they stand still. That loses Dirac
            terms also of ReLU², whose third derivative has them.
            "finite-difference": of that same sum,
            (E(θ + εeᵢ + εeⱼ) − E(θ + εeᵢ − εeⱼ) − E(θ − εeᵢ + εeⱼ) + E(θ − εeᵢ − εeⱼ)) / 4ε².
        activation: None: the run's, else "relu".
        rule: of the grid.
        points: of the grid.
        step: ε; None: the adviser's (`advise_step`) where the activation has kinks or breaks, which have to move over
            several nodes to be seen; else 1.2e-4, the fourth root of the precision.

    Raises:
        NoSecondDerivativeError: (an InputError) the exact Hessian does not exist here.
        InputError: anything else that makes no sense.

    Examples:
        >>> from kinkproof.verify import ShallowNetwork, problems
        >>> network = ShallowNetwork.random(5, seed=1)
        >>> exact, autodiff = (spectrum(problems["sine-2"], network, kind) for kind in ("exact", "autodiff"))
        >>> plane_angles(exact, autodiff).shape
        (2,)
    """
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if step is not None and kind != "finite-difference":
        raise InputError(f"step: {kind!r} has none; kind='finite-difference' would be right")
    centre = centre_of(problem, network, activation)
    if kind == "exact":
        return _spectrum(kind, _second_derivatives(_exact_energy(problem, centre), centre.tensor))
    nodes = mesh(problem, rule, points, torch.float64, torch.device("cpu"))
    if kind == "autodiff":
        return _spectrum(kind, _second_derivatives(grid_energy(problem, centre.architecture, nodes), centre.tensor))
    if step is not None:
        step = check_step(step)
    elif centre.architecture.activation.breakpoint:
        step = float(advise_step(problem, centre.architecture, centre.tensor[None], nodes).step)
    else:
        step = _SMOOTH_STEP
    return _spectrum(kind, _second_differences(problem, centre, rule, points, step), step)


def _spectrum(kind: str, hessian: Array, step: float | None = None) -> Spectrum:
    if not np.isfinite(hessian).all():
        raise InputError(
            f"network: its {kind} Hessian leaves the range of float64; parameters of a moderate size would be right"
        )
    # torch's, like all that led here: it is bound to torch's threads, whose number shows in the last bit.
    values, vectors = (part.numpy() for part in torch.linalg.eigh(torch.tensor((hessian + hessian.T) / 2)))
    return Spectrum(kind, hessian, values[::-1].copy(), fixed_sign(vectors[:, ::-1]), step)


def _exact_energy(problem: RitzProblem, centre: Centre) -> Energy:
    architecture = centre.architecture
    if degree(architecture):
        require_second_derivative(problem, architecture, centre.theta)
        return exact_sums(problem, architecture)
    if architecture.activation.breakpoint:
        raise InputError(
            f"kind: the exact Hessian is there for one hidden layer, not for {architecture.widths} neurons with "
            f"{architecture.activation.name}; 'autodiff' or 'finite-difference' would be right"
        )
    return exact_energy(problem, architecture).energy


def _second_derivatives(energy: Energy, theta: Tensor) -> Array:
    gradient = torch.func.grad(lambda vector: energy(vector[None])[0])
    found = torch.func.jacrev(gradient, chunk_size=_ROWS)(theta)
    return np.asarray(found.detach().numpy())


def _second_differences(problem: RitzProblem, centre: Centre, rule: str, points: int, step: float) -> Array:
    evaluate = scanned_energy(problem, centre.architecture, "quadrature", rule, points).evaluate
    size = len(centre.theta)
    out = np.empty((size, size))
    for i in range(size):
        others = np.arange(i, size)
        moved = []
        for first in (step, -step):
            for second in (step, -step):
                theta = np.tile(centre.theta, (len(others), 1))
                theta[:, i] += first
                theta[np.arange(len(others)), others] += second
                moved.append(theta)
        values = evaluate(np.concatenate(moved)).reshape(4, -1)
        out[i, i:] = out[i:, i] = (values[0] - values[1] - values[2] + values[3]) / (4 * step**2)
    return out


def plane_angles(first: Spectrum, second: Spectrum, size: int = 2) -> Array:
    """Principal angles between the spaces of the leading eigenvectors of two Hessians.

    Args:
        first, second: of the same network.
        size: how many eigenvectors, 2 for the leading planes.

    Returns:
        (size,) in radians, the largest first.

    Raises:
        InputError: more eigenvectors than there are, or Hessians of different size.
    """
    count = len(first.eigenvalues)
    if count != len(second.eigenvalues):
        raise InputError(
            f"spectra: of {count} and {len(second.eigenvalues)} parameters; those of one network would be right"
        )
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= count:
        raise InputError(f"size: {size!r} is no number of eigenvectors; 1 to {count} would be right")
    spaces = (s.eigenvectors[:, :size] for s in (first, second))
    return np.asarray(scipy.linalg.subspace_angles(*spaces))


def eigenplanes(found: Spectrum, pairs: Iterable[tuple[int, int]] = PAIRS) -> tuple[Plane, ...]:
    """Planes of pairs of eigenvectors.

    Args:
        found: the spectrum.
        pairs: (i, j), counted from 0, the leading one. By default each of the first three with each of the next three.

    Raises:
        InputError: an index beyond the spectrum, or the same twice.
    """
    count = len(found.eigenvalues)
    planes = []
    for pair in pairs:
        try:
            i, j = pair
        except (TypeError, ValueError):
            raise InputError(f"planes: {pair!r} is no pair; (0, 1), the two leading eigenvectors, is right") from None
        for index in (i, j):
            if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < count:
                raise InputError(
                    f"planes: {index!r} is beyond the spectrum of {count} eigenvectors; 0 to {count - 1} would be right"
                )
        if i == j:
            raise InputError(f"planes: ({i}, {j}) is a line; two different eigenvectors would be right")
        label = f"eigenvectors {i + 1} and {j + 1}"
        values = (float(found.eigenvalues[i]), float(found.eigenvalues[j]))
        planes.append(Plane(label, found.eigenvectors[:, i], found.eigenvectors[:, j], values))
    return tuple(planes)
