"""What is done: networks trained with right and wrong gradients, ReLU networks solved for, energy landscapes.

Names are resolved when first used: importing the package imports neither torch nor SciPy, and `solve` needs no torch.
"""

from typing import TYPE_CHECKING

from ..verify.first_use import first_use

if TYPE_CHECKING:
    from .certificate import certify as certify
    from .conforming_quadrature import ConformingQuadrature as ConformingQuadrature
    from .convergence_table import convergence as convergence
    from .degeneracy import NoSecondDerivativeError as NoSecondDerivativeError
    from .free_knots import solve as solve
    from .integration import integrate as integrate
    from .landscapes import landscape as landscape
    from .planes import Plane as Plane
    from .planes import chosen_plane as chosen_plane
    from .planes import path_plane as path_plane
    from .planes import random_plane as random_plane
    from .regression import regress as regress
    from .runs import Run as Run
    from .spectra import Spectrum as Spectrum
    from .spectra import eigenplanes as eigenplanes
    from .spectra import plane_angles as plane_angles
    from .spectra import spectrum as spectrum
    from .surfaces import Landscape as Landscape
    from .training import fit as fit

_HOME = {
    "Landscape": "surfaces",
    "NoSecondDerivativeError": "degeneracy",
    "Plane": "planes",
    "ConformingQuadrature": "conforming_quadrature",
    "Run": "runs",
    "Spectrum": "spectra",
    "certify": "certificate",
    "chosen_plane": "planes",
    "convergence": "convergence_table",
    "eigenplanes": "spectra",
    "fit": "training",
    "landscape": "landscapes",
    "path_plane": "planes",
    "plane_angles": "spectra",
    "random_plane": "planes",
    "integrate": "integration",
    "regress": "regression",
    "solve": "free_knots",
    "spectrum": "spectra",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
