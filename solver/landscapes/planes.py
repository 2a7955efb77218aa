"""Planes through a point of parameter space: what a landscape is scanned on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...verify.errors import InputError
from ...verify.statement.network import ShallowNetwork
from ...verify.values import Value
from ..networks.architecture import Architecture
from ..training import archive
from ..training.runs import Run
from .centres import centre_of

Array = NDArray[np.float64]

# Directions whose angle has a sine below this span no plane that float64 could tell from a line.
_DEPENDENT = 1e-10


@dataclass(frozen=True, eq=False)
class Plane(Value):
    """θ* + α·first + β·second.

    Attributes:
        label: for captions.
        first, second: the directions, as they are meant: not normalised, each (P,).
        eigenvalues: of the Hessian whose eigenvectors they are, or None.
        path: coordinates (α, β) of a training path's points in the plane, (T, 2), or None.

    Raises:
        InputError: directions of different or no length, not finite, or linearly dependent.
    """

    label: str
    first: Array
    second: Array
    eigenvalues: tuple[float, float] | None = None
    path: Array | None = None

    def __post_init__(self) -> None:
        for name in ("first", "second"):
            object.__setattr__(self, name, _direction(getattr(self, name), name, self.label))
        if self.first.shape != self.second.shape:
            raise InputError(
                f"plane {self.label}: directions of {len(self.first)} and {len(self.second)} numbers span nothing; two "
                "of one length would be right"
            )
        # By the largest component first: squares of very small or large numbers leave the range of float64.
        scaled = [v / np.abs(v).max() for v in (self.first, self.second)]
        unit = np.stack([v / np.linalg.norm(v) for v in scaled])
        if np.linalg.svd(unit, compute_uv=False)[-1] < _DEPENDENT:
            raise InputError(
                f"plane {self.label}: its directions are linearly dependent and span a line; a second one that is no "
                "multiple of the first would be right"
            )


def _direction(values: ArrayLike, name: str, label: str) -> Array:
    try:
        vector = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"plane {label}: its {name} direction is no row of numbers; (P,) would be right") from None
    if vector.ndim != 1 or not vector.size:
        raise InputError(f"plane {label}: its {name} direction has shape {vector.shape}; (P,) would be right")
    if not np.isfinite(vector).all():
        raise InputError(f"plane {label}: its {name} direction is not finite; finite numbers would be right")
    if not vector.any():
        raise InputError(f"plane {label}: its {name} direction is zero; one that goes somewhere would be right")
    return vector


def chosen_plane(first: ArrayLike, second: ArrayLike, label: str = "chosen directions") -> Plane:
    """The plane of two directions (P,) of the user's.

    Raises:
        InputError: they span no plane.
    """
    return Plane(label, np.asarray(first), np.asarray(second))


def random_plane(network: ShallowNetwork | Run | ArrayLike, seed: int = 0, activation: str | None = None) -> Plane:
    """Two random directions, filter-normalised: as long in every part of the network as the network itself there.

    The parts are each neuron's incoming weights with its bias, and each output weight by itself. A factor between a
    ReLU neuron's hidden and output weights changes the directions as it does the parameters, and the landscape not.

    Args:
        network: θ*, as `landscape` takes it.
        seed: of the random numbers.
        activation: as for `landscape`.

    Raises:
        InputError: no seed, or no network.

    Source: Li, Xu, Taylor, Studer and Goldstein, Visualizing the Loss Landscape of Neural Nets, NeurIPS 2018.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed: {seed!r} is no seed; a whole number from 0 on would be right")
    centre = centre_of(None, network, activation)
    parts = _filters(centre.architecture)
    count = parts.max() + 1
    directions = np.random.default_rng(seed).standard_normal((2, len(parts)))
    target = np.sqrt(np.bincount(parts, centre.theta**2, count))
    for row in directions:
        row *= (target / np.sqrt(np.bincount(parts, row**2, count)))[parts]
    return Plane(f"random directions, seed {seed}", *directions)


def _filters(architecture: Architecture) -> NDArray[np.intp]:
    """For every parameter the number of the part that it belongs to, (P,)."""
    out, first, inputs = [], 0, 1
    for width in architecture.widths:
        own = first + np.arange(width)
        out += [np.repeat(own, inputs), own]
        first, inputs = first + width, width
    return np.concatenate([*out, first + np.arange(architecture.widths[-1])])


def path_plane(path: Run | str | Path | ArrayLike, member: int = 0, centre: ArrayLike | None = None) -> Plane:
    """The plane of a training path's first two principal components, with the path projected into it.

    The components are those of θₜ − θ*, not of θₜ minus its mean: the plane goes through θ*.

    Args:
        path: a `Run`, the file of a saved run or of a checkpoint, or parameters (T, P) along the way.
        member: which network of the run's batch.
        centre: θ*, (P,); by default where the path ends.

    Raises:
        InputError: no such network, not finite, or a path that spans no plane.
    """
    points = _points(path, member)
    try:
        origin = points[-1] if centre is None else np.asarray(centre, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"centre: {centre!r} is no row of numbers; parameters (P,) would be right") from None
    if origin.shape != points[-1].shape:
        raise InputError(f"centre: shape {origin.shape} is not on the path; {points[-1].shape} would be right")
    if not np.isfinite(origin).all():
        raise InputError("centre: its parameters are not finite; finite numbers would be right")
    steps = points - origin
    _, sizes, components = np.linalg.svd(steps, full_matrices=False)
    if len(sizes) < 2 or sizes[1] <= _DEPENDENT * sizes[0]:
        raise InputError(
            f"path: its {len(points)} points lie on one line with the centre and span no plane; a longer path is right"
        )
    first, second = (fixed_sign(v) for v in components[:2])
    share = float((sizes[:2] ** 2).sum() / (sizes**2).sum())
    label = f"principal components of the path, {share:.1%} of it"
    return Plane(label, first, second, path=steps @ np.stack([first, second], 1))


def _points(path: Any, member: int) -> Array:
    if isinstance(path, str | Path):
        path = _recorded(Path(path))
    elif isinstance(path, Run):
        path = path.history.parameters
    try:
        points = np.asarray(path, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("path: no rows of numbers; parameters (T, P) or a Run would be right") from None
    if points.ndim == 3:
        if isinstance(member, bool) or not isinstance(member, int | np.integer) or not 0 <= member < points.shape[1]:
            raise InputError(f"member: the run has no network {member!r}; 0 to {points.shape[1] - 1} would be right")
        points = points[:, member]
    if points.ndim != 2 or not points.size:
        raise InputError(f"path: shape {points.shape} is no path; (T, P) would be right")
    if not np.isfinite(points).all():
        raise InputError("path: its parameters are not finite; finite numbers would be right")
    return points


def _recorded(file: Path) -> Array:
    """Parameters (R, B, P) of a run or checkpoint."""
    try:
        return np.asarray(archive.read(file, "run")[1]["parameters"])
    except InputError as error:
        try:
            return np.asarray(archive.read(file, "checkpoint")[1]["history.parameters"])
        except (InputError, KeyError):
            raise error from None


def fixed_sign(vectors: Array) -> Array:
    """Columns (P, K), or one vector (P,), with their largest component positive; of equal ones the first counts."""
    # Up to rounding equal: which is larger must not depend on the machine.
    size = np.abs(vectors)
    largest = np.argmax(size >= (1 - 1e-9) * size.max(axis=0), axis=0)
    chosen = np.take_along_axis(vectors, np.expand_dims(largest, 0), 0)[0]
    return np.asarray(vectors * np.where(chosen < 0, -1.0, 1.0))
