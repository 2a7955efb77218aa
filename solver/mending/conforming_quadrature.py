"""The kink-conforming rule for a user's own model (MATH 3): nodes and weights that carry gradients, at any depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.breaks import ends
from ...verify.models.seeing.eager import eagerly, may_require_gradients
from ...verify.models.seeing.stacked import Density, Parameters, Stacked, moving_breaks, stack
from ..data.gauss import gauss_on_pieces
from .density import takes_parameters
from .tied_nodes import tied

# Gauss points a piece without anything said: exact for polynomials up to degree 15.
ORDER = 8
# With a budget of points, the fewest a piece gets: exact for a source of degree 2 times a piecewise linear model.
LEAST_ORDER = 2
# Pieces that a smooth model's domain is cut into.
SMOOTH_PIECES = 16


@dataclass(frozen=True)
class ConformingQuadrature:
    """Gauss points on the pieces between a model's breaks, which follow the breaks as the parameters change.

    What autodiff makes of Σ weight·density at these nodes is the gradient of the integral, Dirac terms included, up to
    the quadrature error on smooth pieces. On fixed nodes it is not, however many there are.

    The nodes are functions of the parameters: do not cut that with `detach`, also not as `x.detach().requires_grad_()`,
    the usual idiom for u′, which loses the Dirac terms again (the backward pass warns if it can see that). They need no
    `requires_grad_`: autograd.grad with create_graph=True takes them as they are. `integrate` does it all, and
    `kinkproof.verify.models.seeing.integrand.value_and_slope` gives u and u′.

    Works with plain autograd (backward, autograd.grad) and with torch.func: grad, jacrev, jacfwd and functional_call
    (`parameters=`); not under `torch.vmap`, where nothing can be searched for: hand over stacked parameters instead.
    torch.compile leaves it out (a graph break), and it evaluates a compiled model as if it were not. First derivatives
    only: the motion of the nodes carries no second one.

    Attributes:
        order: Gauss points a piece; by default 8.
        points: instead of it, about how many points in all; pieces share them equally, at least two each.
        interfaces: further places inside the domain where the density breaks, such as jumps of a coefficient, that
            cannot be seen in its operations.
        density: L of (x, u, u′), whose own breaks are looked for as well: jumps of data stay where they are, what
            depends on u or u′ moves with them. `integrate` fills it in.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> model = torch.nn.Sequential(torch.nn.Linear(1, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1)).double()
        >>> quadrature = ConformingQuadrature(order=8)
        >>> x, weights = quadrature(model, (0, 1))              # instead of a grid, at every step
        >>> u = model(x[:, None])[:, 0]
        >>> du = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        >>> (weights * (du**2 / 2 - x * u)).sum().backward()    # the gradient of the integral
    """

    order: int | None = None
    points: int | None = None
    interfaces: Sequence[float] = ()
    density: Callable[..., Tensor] | None = None

    def __post_init__(self) -> None:
        for name in ("order", "points"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InputError(f"{name}: {value!r} is no number of points; a whole number from 1 on would be right")
        if self.order is not None and self.points is not None:
            raise InputError(f"order: {self.order} a piece and points={self.points} in all contradict; one is right")

    @eagerly
    def __call__(
        self, model: Callable[[Tensor], Tensor], domain: tuple[float, float], parameters: Parameters | None = None
    ) -> tuple[Tensor, Tensor]:
        """Nodes and weights, both (n,), ascending; both carry gradients to the parameters.

        Args:
            model: a module or any function of one number; see `find_breaks`.
            domain: its two ends.
            parameters: to evaluate a module at instead of its own, by name, as for `torch.func.functional_call`. If
                they are stacked (`torch.func.stack_module_state`), nodes and weights are (B, n), those of models with
                fewer breaks padded with pieces of no length at the right end.

        Raises:
            InputError: see `find_breaks`; or called under `torch.vmap`, where nothing can be searched for.
        """
        models = stack(model, ends(domain), parameters, with_parameters(self.density))
        nodes, weights = self.of(models, ends(domain))
        if nodes.grad_fn is not None and may_require_gradients():
            nodes, weights = tied(nodes, weights)
        return (nodes, weights) if models.batch is not None else (nodes[0], weights[0])

    def of(self, models: Stacked, domain: tuple[float, float]) -> tuple[Tensor, Tensor]:
        """Nodes and weights of all models, both (B, n)."""
        inside = self.still(domain, 1)[1:-1]
        try:
            moving = moving_breaks(models, domain, inside)
        except RuntimeError as error:
            if "vmap" not in str(error):
                raise
            raise InputError(
                "model: under torch.vmap no breaks can be searched for; parameters= with those of all models stacked, "
                "outside of it, would be right"
            ) from None
        still = self.still(domain, moving.shape[1])
        marks = torch.tensor(still, dtype=moving.dtype, device=moving.device).expand(len(moving), -1)
        order = self.per_piece(len(still) - 1 + moving.shape[1])
        nodes, weights = gauss_on_pieces(torch.cat([marks, moving], 1).sort(1).values, order)
        if not nodes.requires_grad:
            # Nothing moves: u′ by autograd needs nodes that it can differentiate by all the same. The transforms of
            # torch.func do not allow it, and do not need it.
            with suppress(RuntimeError):
                nodes.requires_grad_()
        return nodes, weights

    def still(self, domain: tuple[float, float], breaks: int) -> list[float]:
        """Ends of pieces that do not move: of the domain, the interfaces, or a subdivision if nothing breaks.

        Raises:
            InputError: an interface does not lie inside the domain.
        """
        left, right = domain
        places = [float(e) for e in self.interfaces]
        for place in places:
            if not left < place < right:
                raise InputError(
                    f"interfaces: {place:g} does not lie inside ({left:g}, {right:g}); one that does would be right"
                )
        if not places and not breaks:
            return [left + (right - left) * k / SMOOTH_PIECES for k in range(SMOOTH_PIECES)] + [right]
        return [left, *places, right]

    def per_piece(self, pieces: int) -> int:
        """Gauss points a piece, where there are so many pieces."""
        return (self.order or ORDER) if self.points is None else max(LEAST_ORDER, round(self.points / pieces))


def with_parameters(density: Callable[..., Tensor] | None) -> Density | None:
    """A density of (x, u, u′), or of these and the parameters by name, as one of all four."""
    if density is None:
        return None

    def whole(x: Tensor, u: Tensor, du: Tensor, parameters: Parameters) -> Tensor:
        return density(x, u, du, parameters) if takes else density(x, u, du)

    takes = takes_parameters(density)
    # By which it is known again where it is written down anew at every step.
    whole.written = density  # type: ignore[attr-defined]
    return whole
