"""Lines clipped to domains: what is summed along them is the domain's area, and a surface's inside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import Polygon, Region
from kinkproof.solver.mending.lines import axis_lines
from kinkproof.verify.errors import InputError
from kinkproof.verify.models.space.domains import as_domain, even_points

SQUARE = ((0, 1), (0, 1))
L_SHAPE = [(0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)]
HOLE = [(0.1, 0.1), (0.3, 0.1), (0.3, 0.3), (0.1, 0.3)]


class Disc:
    """As DeepXDE's geometries speak: NumPy in, booleans out."""

    bbox = (np.array([-1.0, -1.0]), np.array([1.0, 1.0]))

    def inside(self, x: Any) -> Any:
        assert isinstance(x, np.ndarray)
        return (x**2).sum(1) < 1


DOMAINS = {
    "box": (((0, 2), (1, 4)), 6.0),
    "L": (Polygon(L_SHAPE), 0.75),
    "L with a hole": (Polygon(L_SHAPE, [HOLE]), 0.71),
    "the other way round": (Polygon(L_SHAPE[::-1], [HOLE]), 0.71),
    "level set": (Region(lambda x: x.norm(dim=1) - 1, ((-1, 1), (-1, 1))), np.pi),
    "object": (Disc(), np.pi),
    "ring": (Region(lambda x: (x.norm(dim=1) - 0.75).abs() - 0.25, ((-1, 1), (-1, 1))), np.pi * 0.75),
    "ball": (Region(lambda x: x.norm(dim=1) - 1, ((-1, 1),) * 3), 4 / 3 * np.pi),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_lengths_of_lines_add_up_to_the_volume(name: str) -> None:
    given, volume = DOMAINS[name]
    domain = as_domain(given)
    d = len(domain.box)
    lines = axis_lines(domain, (400,) * d, torch.Generator().manual_seed(0))
    # Each axis by itself sums to the volume; the lines of a lattice of 400 miss it by well below a hundredth.
    assert float((lines.length * lines.weight).sum()) / d == pytest.approx(volume, rel=0.01)
    # Of a domain that only answers yes or no the volume is measured at 16,384 points.
    assert domain.volume == pytest.approx(volume, rel=0.005)
    middle = lines.start + lines.direction * lines.length[:, None] / 2
    assert bool(domain.inside(middle).all())


def test_ends_of_lines_lie_on_the_boundary() -> None:
    lines = axis_lines(as_domain(Disc()), (50, 50), torch.Generator().manual_seed(1))
    # Halved down to rounding.
    for end in (lines.start, lines.end):
        torch.testing.assert_close(end.norm(dim=1), torch.ones(len(end), dtype=end.dtype), rtol=0, atol=1e-12)


def test_points_inside_a_polygon_are_those_a_line_shows() -> None:
    polygon = Polygon(L_SHAPE, [HOLE])
    x = even_points(polygon.box, 4096, seed=0)
    a = (x[:, 0] < 0.5) | (x[:, 1] < 0.5)
    b = ((x > 0.1) & (x < 0.3)).all(1)
    assert (polygon.inside(x) == (a & ~b)).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: as_domain(((0, 1), (2, 1))), "domain: .* is empty or unbounded"),
        (lambda: as_domain("box"), "domain: 'box' is none"),
        (lambda: Polygon([(0, 0), (1, 1)]), "corners: .* is no polygon; three or more corners"),
        (lambda: Polygon(L_SHAPE, [[(0, 0)]]), "holes: .* is no polygon"),
        (lambda: Region(lambda x: x[:, 0]), "box: the domain has no bbox of its own"),
        (lambda: Region(3, SQUARE), "inside: 3 is neither a function nor has a method"),
        (lambda: Region(lambda x: x.sum(), SQUARE), "inside: for points of shape .* it gives 1 numbers"),
    ],
)
def test_what_is_no_domain_is_said_in_one_sentence(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()
