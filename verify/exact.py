"""The exact energy, gradient and Hessian of any network: `line`, `plane`, `deep` or `bending` answers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from .bending.statement import BeamProblem, PowerNetwork, require_power
from .errors import InputError, NondifferentiableError
from .line.energy import line_energy
from .line.gradient import Gradient, line_gradient
from .line.hessian import HessianParts, line_hessian_parts
from .statement.network import ShallowNetwork
from .statement.plane import PlaneProblem
from .statement.plane_network import PlaneNetwork
from .statement.problem import RitzProblem

if TYPE_CHECKING:
    from .deep.gradient import DeepGradient
    from .plane.deep.gradient import DeepPlaneGradient
    from .plane.gradient import PlaneGradient
    from .statement.deep_network import DeepNetwork
    from .statement.density import Density

Array = NDArray[Any]


def exact_energy(
    problem: RitzProblem | Density | PlaneProblem | BeamProblem,
    network: ShallowNetwork | DeepNetwork | PlaneNetwork | PowerNetwork,
    digits: int | None = None,
    density: Any = None,
) -> Any:
    """Π(û) = ∫ ½κû′² − f û dx, with flux and penalty terms, exactly integrated; or ∫ L(x, û, û′) dx.

    On a polygon ∫ ½∇û·κ∇û − f û, or ∫ L(x, y, û, û_x, û_y): rational data exactly, other data by product rules refined
    until they agree. For a `BeamProblem` and a `PowerNetwork` ∫ ½EI û″² − f û dx.

    Args:
        problem: gives κ, f, D, lift and ends; a `Density` that is a statement of its own; or a `PlaneProblem`.
        network: of one hidden layer, any width N and batch shape (...), or one `DeepNetwork`; for a `PlaneProblem` a
            `PlaneNetwork` or a `DeepNetwork` of two inputs.
        digits: None for float64, else the number of digits of an mpmath number (no batch).
        density: L in x, u and du, text, SymPy or `Density`, in place of the problem's integrand; its D, lift, fluxes
            and penalties stay. In the plane L in x, y, u, u_x and u_y.

    Returns:
        (...) float64, or one `mpmath.mpf`. O(N log N), or as `linear_regions` says for deep networks; O(N²) in the
        plane.

    Examples:
        >>> from kinkproof.verify import problems
        >>> float(exact_energy(problems["sine-2"], ShallowNetwork([1.0], [-0.5], [0.0])))
        0.0
    """
    if isinstance(problem, BeamProblem):
        from .bending.gradient import beam_energy

        return beam_energy(problem, _of_a_beam(network, density), digits)
    if isinstance(problem, PlaneProblem):
        if _of_several_layers(network, density):
            from .plane.deep.energy import deep_plane_energy
            from .statement.deep_network import deepened_plane

            return deep_plane_energy(problem, deepened_plane(network, problem), digits, density)
        from .plane.energy import plane_energy

        return plane_energy(problem, _of_the_plane(network), digits)
    far = _about_centre(problem, network, density, digits)
    if far is not None:
        return exact_energy(*far.arguments)
    if density is None and isinstance(network, ShallowNetwork) and isinstance(problem, RitzProblem):
        return line_energy(problem, network, digits)
    # Imported here: one hidden layer needs none of it.
    from .deep.energy import deep_energy
    from .statement.deep_network import deepened

    return deep_energy(problem, deepened(network), digits, density)


@overload
def exact_gradient(
    problem: PlaneProblem, network: PlaneNetwork, digits: int | None = None, density: None = None
) -> PlaneGradient: ...


@overload
def exact_gradient(
    problem: BeamProblem, network: PowerNetwork, digits: int | None = None, density: None = None
) -> Gradient: ...


@overload
def exact_gradient(
    problem: PlaneProblem, network: DeepNetwork, digits: int | None = None, density: Any = None
) -> DeepPlaneGradient: ...


@overload
def exact_gradient(
    problem: PlaneProblem, network: PlaneNetwork, digits: int | None = None, density: Any = ...
) -> PlaneGradient | DeepPlaneGradient: ...


@overload
def exact_gradient(
    problem: RitzProblem, network: ShallowNetwork, digits: int | None = None, density: None = None
) -> Gradient: ...


@overload
def exact_gradient(
    problem: RitzProblem | Density, network: DeepNetwork, digits: int | None = None, density: Any = None
) -> DeepGradient: ...


@overload
def exact_gradient(
    problem: RitzProblem | Density, network: ShallowNetwork, digits: int | None = None, density: Any = ...
) -> Gradient | DeepGradient: ...


def exact_gradient(
    problem: RitzProblem | Density | PlaneProblem | BeamProblem,
    network: ShallowNetwork | DeepNetwork | PlaneNetwork | PowerNetwork,
    digits: int | None = None,
    density: Any = None,
) -> Gradient | DeepGradient | PlaneGradient | DeepPlaneGradient:
    """The exact gradient of `exact_energy` in all parameters; Eqs. (5)–(9) with the Dirac terms sifted.

    For a `DeepNetwork`, or with `density=`, by the jump formula of MATH 1; in the plane Dirac terms sit on lines; of a
    `BeamProblem` û″ jumps for ReLU², as û′ does for ReLU in the others.

    Args:
        problem: gives κ, f, D, lift and ends; a `Density` that is a statement of its own; or a `PlaneProblem`.
        network: of one hidden layer, any width N and batch shape (...), or one `DeepNetwork`; for a `PlaneProblem` a
            `PlaneNetwork` or a `DeepNetwork` of two inputs.
        digits: None for float64, else the number of digits of mpmath numbers (no batch).
        density: see `exact_energy`.

    Returns:
        A `Gradient` of three blocks, a `DeepGradient` whose parts are `Tensors`, or a `PlaneGradient`; in the plane of
        a `DeepNetwork` or with `density=` a `DeepPlaneGradient`.

    Raises:
        NondifferentiableError: there is no derivative here; carries the two one-sided ones.

    Examples:
        >>> from kinkproof.verify import problems
        >>> g = exact_gradient(problems["sine-2"], ShallowNetwork([1.0, -2.0], [-0.25, 1.5], [0.5, 0.25]))
        >>> bool(np.allclose(g.total.ravel(), (g.bulk.ravel() + g.dirac.ravel())))
        True
    """
    if isinstance(problem, BeamProblem):
        from .bending.gradient import beam_gradient

        return beam_gradient(problem, _of_a_beam(network, density), digits)
    if isinstance(problem, PlaneProblem):
        if _of_several_layers(network, density):
            from .plane.deep.gradient import deep_plane_gradient
            from .statement.deep_network import deepened_plane

            return deep_plane_gradient(problem, deepened_plane(network, problem), digits, density)
        from .plane.gradient import plane_gradient

        return plane_gradient(problem, _of_the_plane(network), digits)
    far = _about_centre(problem, network, density, digits)
    if far is not None:
        with suppress(InputError, NondifferentiableError):
            found: Gradient | DeepGradient = far.gradient(exact_gradient(*far.arguments))
            return found
        # Refused once more below, in places of the user's own.
    if density is None and isinstance(network, ShallowNetwork) and isinstance(problem, RitzProblem):
        return line_gradient(problem, network, digits)
    from .deep.gradient import deep_gradient
    from .statement.deep_network import deepened

    return deep_gradient(problem, deepened(network), digits, density)


def exact_hessian(
    problem: RitzProblem | Density | PlaneProblem,
    network: ShallowNetwork | DeepNetwork | PlaneNetwork,
    digits: int | None = None,
    density: Any = None,
) -> Array:
    """∂²Π/∂θ∂θ′ in the order hidden weights, hidden biases, output weights; of deep networks as they ravel.

    With L(x; a, g) the density on a piece and ⟦·⟧ the jump across the kink at ξ (MATH 1, differentiated once more):

        H = ∫ ∂²L − Σ ( ⟦∂L⟧ ∂ξᵀ + ∂ξ ⟦∂L⟧ᵀ + ⟦L_x⟧ ∂ξ ∂ξᵀ + ⟦L⟧ ∂²ξ )

    Args:
        problem: gives κ, f, D, lift and ends; or a `Density` that is a statement of its own.
        network: of one hidden layer, any width N and batch shape (...), or one `DeepNetwork`.
        digits: None for float64, else the number of digits of mpmath numbers (no batch).
        density: see `exact_energy`.

    Returns:
        (..., 3N, 3N), symmetric; O(N²). Of a deep network (P, P), in the plane (4N, 4N).

    Raises:
        NondifferentiableError: a second derivative does not exist here.
    """
    return hessian_parts(problem, network, digits, density).total


def hessian_parts(
    problem: RitzProblem | Density | PlaneProblem,
    network: ShallowNetwork | DeepNetwork | PlaneNetwork,
    digits: int | None = None,
    density: Any = None,
) -> HessianParts:
    """`exact_hessian`, split; the same arguments and refusals."""
    if isinstance(problem, BeamProblem):
        raise InputError("problem: of a beam first derivatives are derived, no second ones; exact_gradient is right")
    if isinstance(problem, PlaneProblem):
        from .plane.hessian import plane_hessian_parts

        if density is not None:
            raise InputError("density: Hessians in the plane are those of the problem's own integrand; None is right")
        return plane_hessian_parts(problem, _of_the_plane(network), digits)
    far = _about_centre(problem, network, density, digits)
    if far is not None:
        with suppress(InputError, NondifferentiableError):
            return far.hessian(hessian_parts(*far.arguments))
    if density is None and isinstance(network, ShallowNetwork) and isinstance(problem, RitzProblem):
        return line_hessian_parts(problem, network, digits)
    from .deep.hessian import deep_hessian_parts
    from .statement.deep_network import deepened

    return deep_hessian_parts(problem, deepened(network), digits, density)


@dataclass(frozen=True)
class _Far:
    """What is asked about a domain far from 0, in t = x − centre, and the way back: ∂/∂w = ∂/∂w + centre · ∂/∂b.

    Attributes:
        arguments: problem, network, digits, density.
        place: the centre.
    """

    arguments: tuple[Any, Any, None, Any]
    place: Fraction

    def gradient(self, found: Any) -> Any:
        """Of the network as it was given."""
        by_layer = getattr(found, "dirac_by_layer", None)
        out = replace(found, **{n: self._weights(getattr(found, n)) for n in ("bulk", "dirac", "total")})
        if by_layer is None:
            return out
        kinks = tuple(replace(k, position=k.position + self.place) for k in found.kinks)
        return replace(out, dirac_by_layer=tuple(map(self._weights, by_layer)), kinks=kinks)

    def _weights(self, part: Any) -> Any:
        moved, middle = part.hidden_weights, float(self.place)
        if isinstance(moved, tuple):
            return replace(part, hidden_weights=(moved[0] + middle * part.hidden_biases[0][:, None], *moved[1:]))
        return replace(part, hidden_weights=moved + middle * part.hidden_biases)

    def hessian(self, found: HessianParts) -> HessianParts:
        """Likewise; the first layer's weights come first, then its biases."""
        network = self.arguments[1]
        width = network.width if isinstance(network, ShallowNetwork) else network.widths[0]

        def moved(part: Array) -> Array:
            out, middle = np.array(part), float(self.place)
            out[..., :width, :] += middle * out[..., width : 2 * width, :]
            out[..., :, :width] += middle * out[..., :, width : 2 * width]
            return out

        bulk, dirac = moved(found.bulk), moved(found.dirac)
        return HessianParts(bulk, dirac, bulk + dirac)


def _about_centre(problem: Any, network: Any, density: Any, digits: int | None) -> _Far | None:
    """The question about the centre of the domain, where float64 would lose digits about 0; None where it would not."""
    from .statement.centring import centre, centred, centred_density, centred_network, centred_statement
    from .statement.deep_network import DeepNetwork
    from .statement.density import Density

    if isinstance(network, PlaneNetwork):
        raise InputError("network: a PlaneNetwork has two inputs; a PlaneProblem would fit it")
    known = isinstance(problem, RitzProblem | Density) and isinstance(network, ShallowNetwork | DeepNetwork)
    if digits is not None or not known:
        return None
    place = centre(problem.domain)
    if not place:
        return None
    asked = None if density is None else centred_density(density, problem.domain)
    near = centred(problem) if isinstance(problem, RitzProblem) else centred_statement(problem)
    return _Far((near, centred_network(network, place), None, asked), place)


def _of_a_beam(network: Any, density: Any) -> PowerNetwork:
    if density is not None:
        raise InputError("density: it holds u and u′, but a beam bends; a BeamProblem without it would be right")
    return require_power(network)


def _of_several_layers(network: Any, density: Any) -> bool:
    """Is `plane.deep` asked, which knows networks of any depth and other integrands?"""
    from .statement.deep_network import DeepNetwork

    return density is not None or isinstance(network, DeepNetwork)


def _of_the_plane(network: Any) -> Any:
    """The network of a plane problem; whether it is a `PlaneNetwork` is asked there."""
    return network
