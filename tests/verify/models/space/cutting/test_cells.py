"""Cells against the same lines in rational numbers, and where floats cannot tell on which side a corner lies."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from kinkproof.verify.models.space.cutting.cells import Array, Cells, cut
from kinkproof.verify.plane.cells import cells as in_fractions
from kinkproof.verify.statement.polygon import RationalPolygon

SQUARE = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])


def areas(cells: Cells) -> Array:
    p, q = cells.corners[cells.corner], cells.corners[cells.next]
    return np.add.reduceat((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]) / 2, cells.begins)


def by_lines(lines: Array, part: Array = SQUARE) -> Cells:
    found = cut([part], [len(lines)], lambda x, _: x @ lines[:, :2].T + lines[:, 2])
    assert found is not None
    return found


def rational_areas(lines: Array) -> dict[tuple[int, ...], Fraction]:
    """Of each pattern of active units."""
    polygon = RationalPolygon(tuple((Fraction(x), Fraction(y)) for x, y in SQUARE.tolist()))
    out: dict[tuple[int, ...], Fraction] = {}
    for cell in in_fractions(polygon, [(*map(Fraction, line), Fraction(1)) for line in lines.tolist()]):
        pairs = zip(cell.corners, (*cell.corners[1:], cell.corners[0]), strict=True)
        area = sum((a[0] * b[1] - a[1] * b[0] for a, b in pairs), Fraction(0)) / 2
        out[cell.active] = out.get(cell.active, Fraction(0)) + cell.sign * area
    return out


def floating_areas(lines: Array, cells: Cells) -> dict[tuple[int, ...], float]:
    z = cells.inside() @ lines[:, :2].T + lines[:, 2]
    out: dict[tuple[int, ...], float] = {}
    for row, area in zip(z > 0, areas(cells), strict=True):
        key = tuple(np.flatnonzero(row).tolist())
        out[key] = out.get(key, 0.0) + area
    return out


@pytest.mark.parametrize("seed", range(5))
def test_cells_have_the_areas_that_rational_numbers_give(seed: int) -> None:
    lines = np.random.default_rng(seed).normal(size=(9, 3)).round(3)
    lines[:, 2] = -(lines[:, 0] + lines[:, 1]) * np.random.default_rng(seed + 9).random(9).round(2)
    cells = by_lines(lines)
    wanted, found = rational_areas(lines), floating_areas(lines, cells)
    assert found.keys() == {k for k, a in wanted.items() if a}
    assert max(abs(found[k] - float(wanted[k])) for k in found) < 1e-14
    # Euler: two cells beside each chord, and each corner where it belongs.
    chords = cells.chords()
    assert chords is not None
    ends, _, _, owner = chords
    on = np.einsum("eki,ei->ek", cells.corners[ends], lines[owner, :2]) + lines[owner, 2:]
    assert np.abs(on).max() < 1e-13


def test_lines_through_one_point_and_lines_on_each_other_lose_no_area() -> None:
    # Seven lines through (0.3, 0.7) in floats, where their corners differ by rounding, and one of them twice.
    angle = np.linspace(0.1, 3.0, 7)
    lines = np.stack([np.cos(angle), np.sin(angle), -(0.3 * np.cos(angle) + 0.7 * np.sin(angle))], 1)
    cells = by_lines(np.concatenate([lines, 3 * lines[2:3], 0.1 * lines[4:5]]))
    assert cells.count == 14
    assert areas(cells).min() > 0
    assert abs(areas(cells).sum() - 1) < 1e-14
    assert cells.chords() is not None


def test_far_from_the_origin_and_beside_a_corner_nothing_is_lost() -> None:
    away = SQUARE + 1e6
    lines = np.array([[1.0, -1, 0], [1, 1, -2e6 - 1], [1, 0, -1e6 - 1e-9], [1, 0.5, -1.5e6]])
    cells = by_lines(lines, away)
    assert abs(areas(Cells(cells.corners - 1e6, cells.corner, cells.cell, cells.owner)).sum() - 1) < 1e-9
    assert cells.chords() is not None


def test_what_bends_between_breaks_is_not_cut() -> None:
    assert cut([SQUARE], [1], lambda x, _: x[:, :1] ** 3 + x[:, 1:] - 0.7) is None


def test_a_second_call_bends_at_the_first() -> None:
    def preactivations(x: Array, layer: int) -> Array:
        z = np.stack([x[:, 0] - 0.5, x[:, 1] - 0.25], 1)
        return z if layer == 0 else np.maximum(z, 0) @ np.array([[1.0], [1.0]]) - 0.5

    cells = cut([SQUARE], [2, 1], preactivations)
    assert cells is not None
    # z₃ = 0 runs up at y = 3/4 where x < 1/2, and slants from there to (1, 1/4).
    assert cells.count == 6
    assert abs(areas(cells).sum() - 1) < 1e-14
    chords = cells.chords()
    assert chords is not None
    last = chords[3] == 2
    assert last.sum() == 2
