"""What is true: exact energies, gradients and Hessians of ReLU networks, and the audit of autodiff against them.

Names are resolved when first used, so that importing the package costs nothing and a reader of oracles does not
pay for SymPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
