"""What a backend of another project imports; these names stay where they are. The backends themselves: `systems`."""

from ..systems.method import GradientFunction, Method, Unavailable

__all__ = ["GradientFunction", "Method", "Unavailable"]
