"""What is true: exact energies, gradients and Hessians of ReLU networks, and the audit of autodiff against them.

Names are resolved when first used, so that importing the package costs nothing and a reader of oracles does not
pay for SymPy.
"""

from typing import TYPE_CHECKING

from .first_use import first_use

if TYPE_CHECKING:
    from .auditing import audit as audit
    from .beam_audit import audit_beam as audit_beam
    from .bending.derivation import derive_beam as derive_beam
    from .bending.statement import BeamProblem as BeamProblem
    from .bending.statement import PowerNetwork as PowerNetwork
    from .bending.statement import beams as beams
    from .discrete.quadrature import quadrature_gradient as quadrature_gradient
    from .errors import InputError as InputError
    from .errors import NondifferentiableError as NondifferentiableError
    from .exact import exact_energy as exact_energy
    from .exact import exact_gradient as exact_gradient
    from .exact import exact_hessian as exact_hessian
    from .line.derivation import derive as derive
    from .models.space.domains import Polygon as Polygon
    from .models.space.domains import Region as Region
    from .models.space.faces import Segment as Segment
    from .statement.box import BoxProblem as BoxProblem
    from .statement.box import box_problems as box_problems
    from .statement.deep_network import DeepNetwork as DeepNetwork
    from .statement.density import Density as Density
    from .statement.named import problems as problems
    from .statement.named_plane import plane_problems as plane_problems
    from .statement.network import ShallowNetwork as ShallowNetwork
    from .statement.plane import PlaneProblem as PlaneProblem
    from .statement.plane_network import PlaneNetwork as PlaneNetwork
    from .statement.problem import RitzProblem as RitzProblem
    from .tables import tabulated as tabulated

_HOME = {
    "BeamProblem": "bending.statement",
    "BoxProblem": "statement.box",
    "DeepNetwork": "statement.deep_network",
    "Density": "statement.density",
    "InputError": "errors",
    "NondifferentiableError": "errors",
    "PlaneNetwork": "statement.plane_network",
    "PlaneProblem": "statement.plane",
    "PowerNetwork": "bending.statement",
    "Polygon": "models.space.domains",
    "Segment": "models.space.faces",
    "Region": "models.space.domains",
    "RitzProblem": "statement.problem",
    "ShallowNetwork": "statement.network",
    "audit": "auditing",
    "audit_beam": "beam_audit",
    "beams": "bending.statement",
    "box_problems": "statement.box",
    "derive": "line.derivation",
    "derive_beam": "bending.derivation",
    "exact_energy": "exact",
    "exact_gradient": "exact",
    "exact_hessian": "exact",
    "plane_problems": "statement.named_plane",
    "problems": "statement.named",
    "quadrature_gradient": "discrete.quadrature",
    "tabulated": "tables",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
