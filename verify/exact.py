"""The exact energy, gradient and Hessian of any network: `line` answers for one hidden layer, `deep` for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from numpy.typing import NDArray

from .line.energy import line_energy
from .line.gradient import Gradient, line_gradient
from .line.hessian import HessianParts, line_hessian_parts
from .statement.network import ShallowNetwork
from .statement.problem import RitzProblem

if TYPE_CHECKING:
    from .deep.gradient import DeepGradient
    from .statement.deep_network import DeepNetwork
    from .statement.density import Density

Array = NDArray[Any]


def exact_energy(
    problem: RitzProblem | Density,
    network: ShallowNetwork | DeepNetwork,
    digits: int | None = None,
    density: Any = None,
) -> Any:
    """Π(û) = ∫ ½κû′² − f û dx, with flux and penalty terms, exactly integrated; or ∫ L(x, û, û′) dx.

    Args:
        problem: gives κ, f, D, lift and ends; or a `Density` that is a statement of its own.
        network: of one hidden layer, any width N and batch shape (...), or one `DeepNetwork`.
        digits: None for float64, else the number of digits of an mpmath number (no batch).
        density: L in x, u and du, text, SymPy or `Density`, in place of the problem's integrand; its D, lift, fluxes
            and penalties stay.

    Returns:
        (...) float64, or one `mpmath.mpf`. O(N log N), or as `linear_regions` says for deep networks.

    Examples:
        >>> from kinkproof.verify import problems
        >>> float(exact_energy(problems["sine-2"], ShallowNetwork([1.0], [-0.5], [0.0])))
        0.0
    """
    if density is None and isinstance(network, ShallowNetwork) and isinstance(problem, RitzProblem):
        return line_energy(problem, network, digits)
    # Imported here: one hidden layer needs none of it.
    from .deep.energy import deep_energy
    from .statement.deep_network import deepened

    return deep_energy(problem, deepened(network), digits, density)


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
    problem: RitzProblem | Density,
    network: ShallowNetwork | DeepNetwork,
    digits: int | None = None,
    density: Any = None,
) -> Gradient | DeepGradient:
    """The exact gradient of `exact_energy` in all parameters; Eqs. (5)–(9) with the Dirac terms sifted.

    For a `DeepNetwork`, or with `density=`, by the jump formula of MATH 1.

    Args:
        problem: gives κ, f, D, lift and ends; or a `Density` that is a statement of its own.
        network: of one hidden layer, any width N and batch shape (...), or one `DeepNetwork`.
        digits: None for float64, else the number of digits of mpmath numbers (no batch).
        density: see `exact_energy`.

    Returns:
        A `Gradient` of three blocks, or a `DeepGradient` whose parts are `Tensors`.

    Raises:
        NondifferentiableError: there is no derivative here; carries the two one-sided ones.

    Examples:
        >>> from kinkproof.verify import problems
        >>> g = exact_gradient(problems["sine-2"], ShallowNetwork([1.0, -2.0], [-0.25, 1.5], [0.5, 0.25]))
        >>> bool(np.allclose(g.total.ravel(), (g.bulk.ravel() + g.dirac.ravel())))
        True
    """
    if density is None and isinstance(network, ShallowNetwork) and isinstance(problem, RitzProblem):
        return line_gradient(problem, network, digits)
    from .deep.gradient import deep_gradient
    from .statement.deep_network import deepened

    return deep_gradient(problem, deepened(network), digits, density)


def exact_hessian(
    problem: RitzProblem | Density,
    network: ShallowNetwork | DeepNetwork,
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
        (..., 3N, 3N), symmetric; O(N²). Of a deep network (P, P).

    Raises:
        NondifferentiableError: a second derivative does not exist here.
    """
    return hessian_parts(problem, network, digits, density).total


def hessian_parts(
    problem: RitzProblem | Density,
    network: ShallowNetwork | DeepNetwork,
    digits: int | None = None,
    density: Any = None,
) -> HessianParts:
    """`exact_hessian`, split; the same arguments and refusals."""
    if density is None and isinstance(network, ShallowNetwork) and isinstance(problem, RitzProblem):
        return line_hessian_parts(problem, network, digits)
    from .deep.hessian import deep_hessian_parts
    from .statement.deep_network import deepened

    return deep_hessian_parts(problem, deepened(network), digits, density)
