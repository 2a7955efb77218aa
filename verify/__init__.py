"""What is true: exact energies, gradients and Hessians of ReLU networks, and the audit of autodiff against them.

Names are resolved when first used, so that importing the package costs nothing and a reader of oracles does not
pay for SymPy.
"""

from typing import TYPE_CHECKING

from .first_use import first_use

if TYPE_CHECKING:
    from .discrete.quadrature import quadrature_gradient as quadrature_gradient
    from .errors import InputError as InputError
    from .errors import NondifferentiableError as NondifferentiableError
    from .line.derivation import derive as derive
    from .line.energy import exact_energy as exact_energy
    from .line.gradient import exact_gradient as exact_gradient
    from .line.hessian import exact_hessian as exact_hessian
    from .statement.deep_network import DeepNetwork as DeepNetwork
    from .statement.density import Density as Density
    from .statement.named import problems as problems
    from .statement.network import ShallowNetwork as ShallowNetwork
    from .statement.problem import RitzProblem as RitzProblem
    from .systems.refinement import audit as audit

_HOME = {
    "DeepNetwork": "statement.deep_network",
    "Density": "statement.density",
    "InputError": "errors",
    "NondifferentiableError": "errors",
    "RitzProblem": "statement.problem",
    "ShallowNetwork": "statement.network",
    "audit": "systems.refinement",
    "derive": "line.derivation",
    "exact_energy": "line.energy",
    "exact_gradient": "line.gradient",
    "exact_hessian": "line.hessian",
    "problems": "statement.named",
    "quadrature_gradient": "discrete.quadrature",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
