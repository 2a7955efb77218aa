"""The named problems: the paper's, and one for each feature a Ritz problem can have."""

from __future__ import annotations

from typing import Any

from ..choices import NamedProblems
from .problem import RitzProblem

# The paper's equation (4) is not legible: κ, b and D are this project's defaults (see README, "Standing").
_STATEMENTS: dict[str, dict[str, Any]] = {
    "sine-2": {"source": "4*pi**2*sin(2*pi*x)", "distance": "x*(1-x)", "solution": "sin(2*pi*x)"},
    "sine-6": {"source": "36*pi**2*sin(6*pi*x)", "distance": "x*(1-x)", "solution": "sin(6*pi*x)"},
    "sine-2-sine-distance": {"source": "4*pi**2*sin(2*pi*x)", "distance": "sin(pi*x)", "solution": "sin(2*pi*x)"},
    "sine-6-sine-distance": {"source": "36*pi**2*sin(6*pi*x)", "distance": "sin(pi*x)", "solution": "sin(6*pi*x)"},
    # Manufactured: u = sin 2πx put into −((1 + x/2)u′)′.
    "variable-coefficient": {
        "coefficient": "1 + x/2",
        "source": "4*pi**2*(1 + x/2)*sin(2*pi*x) - pi*cos(2*pi*x)",
        "distance": "x*(1-x)",
        "solution": "sin(2*pi*x)",
    },
    # κu′ = −2x + 31/22 throughout; u continuous at ½, u(0) = u(1) = 0.
    "two-materials": {
        "coefficient": "Piecewise((1, x < 1/2), (10, True))",
        "source": "2",
        "distance": "x*(1-x)",
        "solution": "Piecewise((-x**2 + 13*x/22, x < 1/2), ((-x**2 + 13*x/22 + 9/22)/10, True))",
    },
    "polynomial": {"source": "12*x**2 - 2", "distance": "x*(1-x)", "solution": "x**2 - x**4"},
    "natural": {
        "source": "pi**2*sin(pi*x)",
        "distance": "x",
        "lift": "1/3",
        "fluxes": {1: "2 - pi"},
        "solution": "sin(pi*x) + 2*x + 1/3",
    },
    "penalised-ends": {
        "source": "4*pi**2*sin(2*pi*x)",
        "distance": "1",
        "essential": {0: 0, 1: 0},
        "solution": "sin(2*pi*x)",
    },
    # The load takes 3 from κu′ at 1/3: slopes 2 and −1 on top of the sine.
    "point-load": {
        "source": "4*pi**2*sin(2*pi*x) + 3*DiracDelta(x - 1/3)",
        "distance": "x*(1-x)",
        "solution": "sin(2*pi*x) + Min(2*x, 1 - x)",
    },
    # What a table of three rows is read as, (0, 0), (1/2, 1), (1, 0).
    "tabulated": {
        "source": "Piecewise((2*x, x < 1/2), (2 - 2*x, True))",
        "distance": "x*(1-x)",
        "solution": "Piecewise((x/4 - x**3/3, x < 1/2), ((1-x)/4 - (1-x)**3/3, True))",
    },
    # κu′(1) = 2π = 3(2π/3 − u(1)): an end that exchanges with something at 2π/3.
    "robin": {
        "source": "4*pi**2*sin(2*pi*x)",
        "distance": "x",
        "robin": {1: (3, "2*pi/3")},
        "solution": "sin(2*pi*x)",
    },
    # An elastic foundation that grows stiffer; and Helmholtz's −k² with k² = 8, below the least eigenvalue π² of −u″.
    "foundation": {
        "source": "(4*pi**2 + 25*(1 + x))*sin(2*pi*x)",
        "distance": "x*(1-x)",
        "reaction": "25*(1 + x)",
        "solution": "sin(2*pi*x)",
    },
    "helmholtz": {
        "source": "(4*pi**2 - 8)*sin(2*pi*x)",
        "distance": "x*(1-x)",
        "reaction": "-8",
        "solution": "sin(2*pi*x)",
    },
    # On a ring, with a mass, without which a constant would be free.
    "periodic": {
        "source": "(4*pi**2 + 4)*(sin(2*pi*x) + cos(2*pi*x))",
        "distance": "1",
        "reaction": "4",
        "periodic": True,
        "solution": "sin(2*pi*x) + cos(2*pi*x)",
    },
    # Sources that grow without bound, towards an end and inside; the line makes both ends 0.
    "singular-load": {"source": "x**(-1/2)", "distance": "x*(1-x)", "solution": "4*(x - x**(3/2))/3"},
    "singular-load-inside": {
        "source": "Abs(x - 2/5)**(-1/3)",
        "distance": "x*(1-x)",
        "solution": "9*((1-x)*(2/5)**(5/3) + x*(3/5)**(5/3) - Abs(x - 2/5)**(5/3))/10",
    },
}


#: Name → `RitzProblem`.
problems = NamedProblems("named problem", RitzProblem, _STATEMENTS)
