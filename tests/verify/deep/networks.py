"""Networks and densities that several tests look at."""

from __future__ import annotations

from kinkproof.verify import DeepNetwork, RitzProblem, problems

QUARTIC = "du**2/2 + 0.1*du**4 + 0.3*u**3 - sin(3*x)*u"
# Nothing built in, nothing held: u is the network itself.
FREE = RitzProblem(distance="1", fluxes={0: 0, 1: 0}, name="free")
WIDE = RitzProblem(source="x", distance="(x + 2)*(2 - x)", domain=(-2, 2), name="wide")
STATEMENTS = [*problems.values(), WIDE]


def two_layers() -> DeepNetwork:
    """Kinks at 1/4, 1/2 and 2/3 of the first layer, and one of each neuron of the second."""
    second = [[1, "-1/2", "1/3"], [-1, 2, "1/4"]]
    return DeepNetwork([[1, -2, 3], second], [["-1/4", 1, -2], ["1/8", "-1/3"]], [1, -2])
