"""What is done: networks trained on a Ritz energy with right and wrong gradients, and ReLU networks solved for.

Names are resolved when first used: importing the package imports neither torch nor SciPy, and `solve` needs no torch.
"""

from typing import TYPE_CHECKING

from ..verify.first_use import first_use

if TYPE_CHECKING:
    from .certificate import certify as certify
    from .conforming_quadrature import ConformingQuadrature as ConformingQuadrature
    from .convergence_table import convergence as convergence
    from .free_knots import solve as solve
    from .integration import integrate as integrate
    from .regression import regress as regress
    from .runs import Run as Run
    from .training import fit as fit

_HOME = {
    "ConformingQuadrature": "conforming_quadrature",
    "Run": "runs",
    "certify": "certificate",
    "convergence": "convergence_table",
    "fit": "training",
    "integrate": "integration",
    "regress": "regression",
    "solve": "free_knots",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
