"""The energy on a grid or on points of the plane, in operators that all kinds of arrays share, for backends."""

from ..systems.plane_summation import plane_grid_energy
from ..systems.summation import grid_energy

__all__ = ["grid_energy", "plane_grid_energy"]
