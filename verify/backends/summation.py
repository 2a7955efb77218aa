"""The energy on a grid, in operators that all kinds of arrays share, for a backend of your own."""

from ..systems.summation import grid_energy

__all__ = ["grid_energy"]
