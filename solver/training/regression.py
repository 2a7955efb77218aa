"""Networks fitted to the known solution: what the width can do, whatever training on the energy makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ...verify.choices import Rule
from ...verify.statement.problem import RitzProblem, require_problem
from ..data.statement import Mesh, data, mesh
from ..networks.architecture import Architecture
from ..networks.choices import Activation as ActivationName
from ..networks.choices import Precision
from ..networks.gradients import Objective, autodiff
from .observation import Observation
from .runs import Run
from .settings import Settings
from .training import train

# Neurons of a homogeneous layer whose kinks lie left of the domain: with two of them every affine function is there.
_AFFINE = 2
# A neuron that the least squares make no use of keeps this much weight, so that it is not dead.
_LEAST_BALANCE = 1e-3


def regress(
    problem: RitzProblem,
    width: int | Sequence[int] = 20,
    activation: ActivationName = "relu",
    *,
    steps: int = 500,
    points: int = 1000,
    rule: Rule = "midpoint",
    seeds: Iterable[int] = range(4),
    record: int = 100,
    callbacks: Iterable[Callable[[Observation], object]] = (),
    progress: bool = False,
    dtype: Precision = "float64",
    device: str = "cpu",
) -> Run:
    """Fit û to the known solution u: θ* = argmin ½∫(û − u)² dx.

    The misfit contains no û′, so that its gradient has no Dirac terms and autodiff is right for it. One hidden layer
    starts with kinks spread at random over equal cells of the domain, any network with output weights by least squares;
    then all parameters move by L-BFGS.

    Args:
        problem: with a known solution.
        width: neurons of the hidden layer, or of several.
        activation: see `kinkproof.solver.networks.activations.ACTIVATIONS`.
        steps: of L-BFGS.
        points: nodes of the misfit's quadrature.
        rule: of that quadrature.
        seeds: one network each.
        record: every how many steps to look; see `History`.
        callbacks: called with each `Observation`; one that returns True ends the run.
        progress: show a bar on stderr.
        dtype: "float64" or "float32".
        device: of torch.

    Returns:
        a run whose energies are those of the Ritz problem; `field_error()` is the relative misfit, and
        `fit(..., start=run)` goes on from it.

    Raises:
        InputError: no solution is known, or an argument makes no sense.

    Examples:
        >>> from kinkproof.verify import problems
        >>> run = regress(problems["sine-2"], steps=20, seeds=range(2))
        >>> bool((run.field_error() < 0.01).all())
        True
    """
    require_problem(problem)
    settings = Settings.of(
        width,
        activation,
        seeds,
        "lbfgs",
        gradient="autodiff",
        energy="misfit",
        rule=rule,
        points=points,
        difference_step=None,
        steps=steps,
        lbfgs_steps=None,
        learning_rate=1.0,
        schedule=None,
        record=record,
        patience=None,
        min_decrease=0.0,
        dtype=dtype,
        device=device,
        initial="regression",
    )
    architecture = settings.architecture
    nodes = mesh(problem, rule, points, settings.torch_dtype, torch.device(device))
    distance, target = data(problem, "distance")(nodes.nodes), data(problem, "solution")(nodes.nodes)
    target = target - data(problem, "lift")(nodes.nodes)

    def misfit(theta: Tensor) -> Tensor:
        value = architecture.value_and_slope(theta, nodes.nodes)[0]
        return ((distance * value - target) ** 2) @ nodes.weights / 2

    theta = architecture.initial(settings.seeds, settings.torch_dtype).to(nodes.nodes.device)
    if architecture.shallow:
        theta = _spread(problem, theta)
    theta = _least_squares(architecture, theta, distance, target, nodes)
    followed = Objective("regression", misfit, autodiff(misfit))
    return train(problem, settings, theta, followed, callbacks, progress)


def _spread(problem: RitzProblem, theta: Tensor) -> Tensor:
    """Kinks at random places of equal cells, from the random numbers that made the initial parameters."""
    left, right = (float(e) for e in problem.domain)
    w, b, c = theta.chunk(3, -1)
    width = w.shape[-1]
    inner = max(0, width - _AFFINE)
    cell = torch.arange(width, dtype=theta.dtype, device=theta.device) - (width - inner)
    # b is uniform in (−1, 1): a place within the cell. The outer ones fall into the cells left of the domain.
    kink = left + (right - left) * (cell + (1 + b) / 2) / max(1, inner)
    # Half to whole steepness per length of the domain; those outside must be active inside.
    steepness = (1 + w.abs()) / 2 / (right - left)
    slope = torch.where((w < 0) & (cell >= 0), -steepness, steepness)
    return torch.cat([slope, -slope * kink, c], -1)


def _least_squares(architecture: Architecture, theta: Tensor, distance: Tensor, target: Tensor, nodes: Mesh) -> Tensor:
    """The best output weights for the hidden layers as they are."""
    width = architecture.widths[-1]
    unit = torch.eye(width, dtype=theta.dtype, device=theta.device)
    hidden = theta[:, : -architecture.widths[-1]]
    # The last layer's outputs, one by one: the network with a unit vector for output weights, (B, N, n).
    copies = torch.cat([hidden[:, None].expand(-1, width, -1), unit.expand(len(theta), -1, -1)], -1)
    features = architecture.value_and_slope(copies.flatten(0, 1), nodes.nodes)[0].reshape(len(theta), width, -1)
    root = nodes.weights.sqrt()
    matrix = (features * distance * root).mT.cpu()
    right_side = (target * root).cpu()[:, None].expand(len(theta), -1, -1)
    # By singular values: neurons may be silent or parallel.
    output = torch.linalg.lstsq(matrix, right_side, driver="gelsd").solution[..., 0].to(theta.device)
    if not (architecture.shallow and architecture.activation.kinked):
        return torch.cat([hidden, output], -1)
    # A piecewise linear neuron may trade hidden for output weight: equal shares are the best conditioned.
    w, b = hidden.chunk(2, -1)
    factor = (output.abs() / w.abs()).sqrt().clamp(min=_LEAST_BALANCE)
    return torch.cat([w * factor, b * factor, output / factor], -1)
