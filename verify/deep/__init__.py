"""ReLU networks of any depth with one input: exact regions, energies, gradients and Hessians.

Names are resolved when first used: a reader of oracles needs the tensors alone, and not SymPy.
"""

from typing import TYPE_CHECKING

from ..first_use import first_use

if TYPE_CHECKING:
    from ..statement.deep_network import DeepNetwork as DeepNetwork
    from ..statement.density import Density as Density
    from ..statement.tensors import Tensors as Tensors
    from .crosscheck import deep_crosscheck as deep_crosscheck
    from .gradient import DeepGradient as DeepGradient
    from .gradient import kink_motion as kink_motion
    from .regions import Kink as Kink
    from .regions import LinearRegions as LinearRegions
    from .regions import linear_regions as linear_regions

_HOME = {
    "DeepGradient": "gradient",
    "DeepNetwork": ".statement.deep_network",
    "Density": ".statement.density",
    "Kink": "regions",
    "LinearRegions": "regions",
    "Tensors": ".statement.tensors",
    "deep_crosscheck": "crosscheck",
    "kink_motion": "gradient",
    "linear_regions": "regions",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
