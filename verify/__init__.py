"""What is true: exact energies, gradients and Hessians of ReLU networks, and the audit of autodiff against them.

Names are resolved when first used, so that importing the package costs nothing and a reader of oracles does not
pay for SymPy.
"""

from typing import TYPE_CHECKING

from .first_use import first_use

if TYPE_CHECKING:
    from .deep.density import Density as Density
    from .deep.network import DeepNetwork as DeepNetwork
    from .derivation import derive as derive
    from .energy import exact_energy as exact_energy
    from .errors import InputError as InputError
    from .errors import NondifferentiableError as NondifferentiableError
    from .gradient import exact_gradient as exact_gradient
    from .hessian import exact_hessian as exact_hessian
    from .named import problems as problems
    from .network import ShallowNetwork as ShallowNetwork
    from .problem import RitzProblem as RitzProblem
    from .quadrature import quadrature_gradient as quadrature_gradient
    from .refinement import audit as audit

_HOME = {
    "DeepNetwork": "deep.network",
    "Density": "deep.density",
    "InputError": "errors",
    "NondifferentiableError": "errors",
    "RitzProblem": "problem",
    "ShallowNetwork": "network",
    "audit": "refinement",
    "derive": "derivation",
    "exact_energy": "energy",
    "exact_gradient": "gradient",
    "exact_hessian": "hessian",
    "problems": "named",
    "quadrature_gradient": "quadrature",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
