"""The missing term for JAX: functions of (parameters, x), within a compiled step; needs no torch."""

from typing import TYPE_CHECKING

from ...verify.first_use import first_use

if TYPE_CHECKING:
    from .domains import Polygon as Polygon
    from .term import DiracSample as DiracSample
    from .term import dirac_sample as dirac_sample
    from .term import dirac_term as dirac_term

_HOME = {"DiracSample": "term", "Polygon": "domains", "dirac_sample": "term", "dirac_term": "term"}

__all__ = sorted(_HOME)

__getattr__, __dir__ = first_use(__name__, _HOME)
