"""What the shipped packs hold; `kinkproof oracles shipped FOLDER` writes them anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import sympy

from ...bending.statement import beams
from ...choices import Rule
from ...statement.named import problems
from ...statement.named_plane import plane_problems
from ...statement.network import ShallowNetwork
from ...statement.problem import RitzProblem
from ...systems.refinement import near_solution
from .beam_records import beam_records
from .deep_plane_records import deep_plane_records
from .deep_records import deep_records
from .plane_records import plane_records
from .records import Record, case_record, grid_record, pack_text

# The version with which these packs came out: what is out is never changed, and a later version makes the same bytes.
OUT_SINCE = "0.1.0"


def shipped_text(name: str) -> str:
    """The file of one shipped pack; the same bytes each time."""
    about, records = SHIPPED[name]
    return pack_text(name, about, records(), OUT_SINCE)


def random_network(width: int, seed: int, domain: tuple[Any, Any] = (0, 1)) -> ShallowNetwork:
    """Decimal parameters; four of five kinks inside the domain, apart from each other, the fifth outside.

    Python's own generator: its numbers are the same on every version, NumPy's need not be.
    """
    generator = Random(f"kinkproof {width} {seed}")
    # Irrational ends to 15 digits: kinks keep a fiftieth of the domain away from them.
    left, right = (e if e.is_Rational else sympy.Rational(str(sympy.N(e, 15))) for e in map(sympy.sympify, domain))
    # No multiple of 1/200, where nodes of the usual grids lie.
    places = [k for k in range(21, 980) if k % 5]
    inside = [left + (right - left) * sympy.Rational(k, 1000) for k in generator.sample(places, width)]
    weights, biases, outputs = [], [], []
    for i in range(width):
        w = sympy.Rational(generator.choice((-1, 1)) * generator.randint(300, 1500), 1000)
        outside = i % 5 == 4
        kink = inside[i] + (right - left) * (2 if outside and i % 2 else -2) if outside else inside[i]
        weights.append(w)
        biases.append(-w * kink)
        outputs.append(sympy.Rational(generator.choice((-1, 1)) * generator.randint(200, 1000), 1000))
    return ShallowNetwork(weights, biases, outputs)


def near(problem: RitzProblem, width: int) -> ShallowNetwork:
    """The equidistant interpolant of the solution with parameters of three decimals.

    There the bulk and the Dirac part all but cancel: the Dirac part is many times the whole gradient.
    """
    found = near_solution(problem, width)
    # Kinks that three decimals would move into the domain or onto its end are left where they are not seen.
    blocks = [[f"{v:.3f}" for v in block] for block in found.floats]
    return ShallowNetwork(*blocks)


def _paper() -> Iterator[Record]:
    example = ShallowNetwork([1, -2, 3], ["-1/4", 1, "-5/2"], [1, "1/3", -2])
    for name in ("sine-2", "sine-6", "sine-2-sine-distance"):
        problem = problems[name]
        yield case_record(f"{name}-width-1", "one neuron", problem, random_network(1, 1))
        yield case_record(f"{name}-width-3", "three neurons with simple numbers", problem, example)
        yield case_record(f"{name}-width-8", "eight random neurons, one kink outside", problem, random_network(8, 3))
        about = "near the solution: the Dirac part is larger than the whole gradient"
        yield case_record(f"{name}-near-solution-8", about, problem, near(problem, 8))


# Each brings one feature that the named problems do not have.
_FURTHER: dict[str, dict[str, Any]] = {
    "exponential": {"coefficient": "exp(x)", "source": "1 + x**2"},
    "rational": {"coefficient": "1/(1 + x)", "source": "cos(3*x)", "distance": "sin(pi*x)"},
    "three-materials": {
        "coefficient": "Piecewise((2, x < 1/4), (1/3, x < 5/8), (1 + x, True))",
        "source": "Piecewise((1, x < 1/2), (-3, True))",
        "lift": "1/5 - x/3",
    },
    "wider-domain": {"source": "x", "distance": "(x + 1)*(2 - x)", "domain": (-1, 2), "lift": "x**2"},
    "two-fluxes": {"source": "6*x - 3", "distance": "1", "fluxes": {0: "1/2", 1: "1/2"}},
    "mixed-ends": {"coefficient": "2 - x", "source": "1", "distance": "1", "essential": {0: "1/4"}, "fluxes": {1: -1}},
    "weak-penalty": {"source": "pi*sin(pi*x)", "distance": "1", "essential": {0: 0, 1: "1/2"}, "penalty": 20},
    "singular-source": {"source": "1/sqrt(x)"},
}
_COEFFICIENTS = ("variable-coefficient", "two-materials", "polynomial", "natural", "penalised-ends")


def _coefficients() -> Iterator[Record]:
    stated = {n: problems[n] for n in _COEFFICIENTS} | {n: RitzProblem(**s, name=n) for n, s in _FURTHER.items()}
    for name, problem in stated.items():
        for width in (2, 6):
            about = f"{width} random neurons; {_feature(problem)}"
            network = random_network(width, 10, problem.domain)
            yield case_record(f"{name}-width-{width}", about, problem, network)


def _feature(problem: RitzProblem) -> str:
    ends = [f"flux at {e}" for e in problem.fluxes] + [f"penalised value at {e}" for e in problem.essential]
    ends += [f"Robin end at {e}" for e in problem.robin]
    ends += [f"point load at {a}" for a in problem.loads]
    ends += ["periodic ends"] if problem.periodic else []
    reaction = [f"ρ = {problem.reaction}"] if problem.reaction != 0 else []
    lift = [f"lift {problem.lift}"] if problem.lift != 0 else []
    return "; ".join([f"κ = {problem.coefficient}", *reaction, *lift, *ends])


# What the first packs' problems could not hold; of a named problem no more than its name.
_STATEMENTS: dict[str, dict[str, Any]] = {
    "robin": {},
    "two-robin-ends": {
        "coefficient": "1 + x",
        "source": "exp(x)",
        "distance": "1 + x/3",
        "lift": "x",
        "robin": {0: ("1/3", 2), 1: (5, -1)},
    },
    "robin-and-flux": {"source": "cos(3*x)", "distance": "1", "robin": {0: (2, "1/2")}, "fluxes": {1: "1/4"}},
    "robin-and-penalty": {
        "source": "x",
        "distance": "1",
        "robin": {2: ("1/2", -1)},
        "essential": {-1: 1},
        "penalty": 20,
        "domain": (-1, 2),
    },
    "point-load": {},
    "point-loads-beside-robin-ends": {
        "coefficient": "Piecewise((2, x < 1/2), (1 + x, True))",
        "source": "x + 2*DiracDelta(x - 1/2) - DiracDelta(3*x - 4)",
        "distance": "1 + x/4",
        "lift": "x/5",
        "robin": {-1: ("1/2", 1), 2: (2, 0)},
        "domain": (-1, 2),
    },
    "foundation": {},
    "helmholtz": {},
    "periodic": {},
    "reaction": {"coefficient": "1 + x/2", "source": "20*exp(x)", "reaction": "4 + sin(3*x)", "lift": "x**2"},
    "reaction-jumps": {
        "source": "x",
        "reaction": "Piecewise((40, x < 1/3), (-5, True))",
        "distance": "1 + x/3",
        "essential": {0: "1/2"},
        "robin": {1: (2, -1)},
        "penalty": 20,
    },
    "ring": {
        "coefficient": "1 + x/2",
        "source": "20*x - 8",
        "reaction": "3 + x",
        "distance": "1 + x/3",
        "lift": "x**2",
        "periodic": True,
        "penalty": 20,
    },
    "tabulated": {},
    # As `tabulated` reads (0, 1), (1/4, 3/2), (1/2, 1/3), (4/5, 2), (1, 1).
    "tabulated-coefficient": {
        "coefficient": "Piecewise((1 + 2*x, x < 1/4), (8/3 - 14*x/3, x < 1/2), (50*x/9 - 22/9, x < 4/5), "
        "(6 - 5*x, True))",
        "source": "cos(3*x)",
    },
    "singular-coefficient": {"coefficient": "1/sqrt(x)", "source": "1"},
    "singular-load": {},
    "singular-load-inside": {},
}


_WIDER = ("robin", "two-robin-ends", "robin-and-flux", "robin-and-penalty", "point-load")


def _statements() -> Iterator[Record]:
    stated = {n: RitzProblem(**s, name=n) if s else problems[n] for n, s in _STATEMENTS.items()}
    for name, problem in stated.items():
        # Six neurons are nine tenths of a problem's bytes: once for each statement that brings terms of its own.
        for width in (2, 6) if name in _WIDER else (2,):
            about = f"{width} random neurons; {_feature(problem)}"
            yield case_record(f"{name}-width-{width}", about, problem, random_network(width, 40, problem.domain))
    on_a_load = ShallowNetwork([3, -2], [-1, "1/2"], [1, "1/2"])
    about = "a kink on a point load; one-sided derivatives"
    yield case_record("kink-on-point-load", about, problems["point-load"], on_a_load)
    inside = RitzProblem(source="Abs(x - 1/3)**(-1/3)", name="singular-inside")
    about = "2 random neurons; a source that is infinite inside the domain"
    yield case_record("singular-inside-width-2", about, inside, random_network(2, 40))


def _wide() -> Iterator[Record]:
    for width in (32, 64, 128, 256):
        about = f"{width} random neurons, one of five with its kink outside"
        yield case_record(f"sine-2-width-{width}", about, problems["sine-2"], random_network(width, 20))
    about = "32 random neurons; a coefficient that jumps"
    yield case_record("two-materials-width-32", about, problems["two-materials"], random_network(32, 21))
    about = "near the solution: the Dirac part is larger than the whole gradient"
    yield case_record("sine-2-near-solution-32", about, problems["sine-2"], near(problems["sine-2"], 32))


def _degenerate() -> Iterator[Record]:
    sine, free, layered = problems["sine-2"], problems["penalised-ends"], problems["two-materials"]
    exists, none = "a gradient exists", "only one-sided derivatives exist"
    rows: list[tuple[str, str, RitzProblem, list[Any], list[Any], list[Any]]] = [
        (
            "coincident-kinks", f"two kinks in one place; {none}", sine,
            [1, -2, 1], ["-1/4", "1/2", "-3/4"], [1, "1/2", -1],
        ),
        (
            "three-coincident-kinks", f"three kinks in one place, two of which open to one side; {none}", sine,
            [1, 2, -4, 1], ["-1/2", -1, 2, "-1/8"], [1, -1, "1/4", "1/2"],
        ),
        (
            "coincident-with-silent", f"two kinks in one place, but one neuron has output weight 0; {exists}", sine,
            [1, -2, 1], ["-1/4", "1/2", "-3/4"], [1, 0, -1],
        ),
        ("kink-on-built-in-end", f"a kink on an end where D vanishes; {exists}", sine, [1, 1], [0, "-1/2"], [1, 1]),
        ("kink-on-left-end", f"a kink on an end where D does not vanish; {none}", free, [1, 1], [0, "-1/2"], [1, 1]),
        ("kink-on-right-end", f"the same at the other end; {none}", free, [-2, 1], [2, "-1/2"], [1, "1/2"]),
        ("kink-on-interface", f"a kink where κ jumps; {none}", layered, [1, 1], ["-1/2", "-1/4"], [1, 1]),
        ("dead-neuron", f"w = b = 0, a neuron about to be born; {none}", sine, [0, 1], [0, "-1/4"], [1, 1]),
        ("dead-and-silent-neuron", f"w = b = c = 0; {exists}", sine, [0, 1], [0, "-1/4"], [0, 1]),
        ("zero-weight-on", f"w = 0, b > 0: always on, without a kink; {exists}", sine, [0, 1], ["1/2", "-1/4"], [1, 1]),
        ("zero-weight-off", f"w = 0, b < 0: always off; {exists}", sine, [0, 1], ["-1/2", "-1/4"], [1, 1]),
        (
            "kinks-on-nodes", f"kinks on the nodes of the midpoint rule with 8 points; {exists}", sine,
            [1, -1, 2], ["-3/16", "7/16", "-13/8"], [1, 1, -1],
        ),
        (
            "close-kinks", f"two kinks 2^-20 apart; {exists}, and a place without one is near", sine,
            [1, -1], ["-1/2", "524289/1048576"], [1, "1/2"],
        ),
    ]  # fmt: skip
    for name, about, problem, *blocks in rows:
        yield case_record(name, about, problem, ShallowNetwork(*blocks))


def _quadrature() -> Iterator[Record]:
    sine, three = problems["sine-2"], random_network(3, 31)
    sizes: dict[Rule, int] = {"midpoint": 50, "trapezoid": 51, "endpoint-mean": 50, "gauss-legendre": 50}
    for rule, points in sizes.items():
        # No kink on a node or midway between two: there float64 decides by rounding which node is the nearest.
        about = f"{points} points of the {rule} rule"
        yield grid_record(f"sine-2-{rule}-{points}", about, sine, three, rule, points)
    about = "200 midpoints near the solution"
    yield grid_record("sine-2-near-solution-midpoint-200", about, sine, near(sine, 8), "midpoint", 200)
    on_nodes = ShallowNetwork([1, -1, 2], ["-3/16", "7/16", "-13/8"], [1, 1, -1])
    about = "kinks on nodes: there max(0, z) counts with derivative 0"
    yield grid_record("sine-2-kinks-on-nodes-8", about, sine, on_nodes, "midpoint", 8)
    for name in ("two-materials", "natural", "penalised-ends", "variable-coefficient"):
        problem = problems[name]
        about = "40 midpoints, four random neurons"
        yield grid_record(f"{name}-midpoint-40", about, problem, random_network(4, 30), "midpoint", 40)


def _deep() -> Iterator[Record]:
    # Nothing built in and nothing held: u is the network itself.
    free = RitzProblem(distance="1", fluxes={0: 0, 1: 0}, name="free")
    yield from deep_records({**problems, "free": free})


SHIPPED: dict[str, tuple[str, Callable[[], Iterator[Record]]]] = {
    "paper": ("the paper's problems, u = sin kπx, at random networks and near the solution", _paper),
    "coefficients": ("variable and piecewise coefficients, natural and penalised ends, lifts, domains", _coefficients),
    "wide": ("32 to 256 neurons", _wide),
    "deep": ("networks of two to four hidden layers, of the Ritz density and of two others", _deep),
    "plane": ("networks of two inputs on polygons: Dirac terms on lines", lambda: plane_records({**plane_problems})),
    "plane-deep": (
        "networks of two inputs and two or three hidden layers on polygons, of the Ritz density and of another",
        lambda: deep_plane_records({**plane_problems}),
    ),
    "statements": (
        "what problems state besides: Robin ends, point loads, tables, reaction terms, periodic ends, singular loads",
        _statements,
    ),
    "beams": (
        "beams, 1/2 EI u''^2 - f u, of networks of ReLU^2, whose u'' jumps, and ReLU^3",
        lambda: beam_records({**beams}, {n: random_network(n, 60) for n in (1, 2, 3)}),
    ),
    "degenerate": ("coincident kinks, kinks on ends and interfaces, w = 0: one-sided derivatives", _degenerate),
    "quadrature": ("what a fixed grid gives: automatic differentiation, nearest-node and mean delta", _quadrature),
}
