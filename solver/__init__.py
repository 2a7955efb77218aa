"""What is done: networks trained with right and wrong gradients, ReLU networks solved for, energy landscapes.

Names are resolved when first used: importing the package imports neither torch nor SciPy, and `solve` needs no torch.
"""

from typing import TYPE_CHECKING

from ..verify.first_use import first_use

if TYPE_CHECKING:
    from ..verify.models.space.domains import Polygon as Polygon
    from ..verify.models.space.domains import Region as Region
    from .boxes.runs import BoxRun as BoxRun
    from .boxes.training import fit_box as fit_box
    from .free_knots.widths.certificate import certify as certify
    from .free_knots.widths.convergence_table import convergence as convergence
    from .free_knots.widths.optimum import solve as solve
    from .landscapes.degeneracy import NoSecondDerivativeError as NoSecondDerivativeError
    from .landscapes.landscapes import landscape as landscape
    from .landscapes.planes import Plane as Plane
    from .landscapes.planes import chosen_plane as chosen_plane
    from .landscapes.planes import path_plane as path_plane
    from .landscapes.planes import random_plane as random_plane
    from .landscapes.spectra import Spectrum as Spectrum
    from .landscapes.spectra import eigenplanes as eigenplanes
    from .landscapes.spectra import plane_angles as plane_angles
    from .landscapes.spectra import spectrum as spectrum
    from .landscapes.surfaces import Landscape as Landscape
    from .mending.conforming_quadrature import ConformingQuadrature as ConformingQuadrature
    from .mending.dirac_term import DiracSample as DiracSample
    from .mending.dirac_term import dirac_sample as dirac_sample
    from .mending.dirac_term import dirac_term as dirac_term
    from .mending.integration import integrate as integrate
    from .mending.noise import TermNoise as TermNoise
    from .mending.noise import term_noise as term_noise
    from .networks.autodiff_limit import autodiff_limit as autodiff_limit
    from .networks.closed_form import energy_and_gradient as energy_and_gradient
    from .training.regression import regress as regress
    from .training.runs import Run as Run
    from .training.training import fit as fit

_HOME = {
    "BoxRun": "boxes.runs",
    "Landscape": "landscapes.surfaces",
    "NoSecondDerivativeError": "landscapes.degeneracy",
    "Plane": "landscapes.planes",
    "ConformingQuadrature": "mending.conforming_quadrature",
    "Polygon": ".verify.models.space.domains",
    "Region": ".verify.models.space.domains",
    "Run": "training.runs",
    "Spectrum": "landscapes.spectra",
    "autodiff_limit": "networks.autodiff_limit",
    "energy_and_gradient": "networks.closed_form",
    "certify": "free_knots.widths.certificate",
    "chosen_plane": "landscapes.planes",
    "convergence": "free_knots.widths.convergence_table",
    "DiracSample": "mending.dirac_term",
    "TermNoise": "mending.noise",
    "dirac_sample": "mending.dirac_term",
    "dirac_term": "mending.dirac_term",
    "term_noise": "mending.noise",
    "eigenplanes": "landscapes.spectra",
    "fit": "training.training",
    "fit_box": "boxes.training",
    "landscape": "landscapes.landscapes",
    "path_plane": "landscapes.planes",
    "plane_angles": "landscapes.spectra",
    "random_plane": "landscapes.planes",
    "integrate": "mending.integration",
    "regress": "training.regression",
    "solve": "free_knots.widths.optimum",
    "spectrum": "landscapes.spectra",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
