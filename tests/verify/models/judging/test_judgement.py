from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from kinkproof.verify.models.judging.discretisation import Discretisation
from kinkproof.verify.models.judging.judgement import Judged, Target, on_grids, over_draws
from torch import Tensor

BULK = np.array([3.0, -1.0, 2.0])
DIRAC = np.array([0.5, 0.2, 0.0])
SIZES = (100, 1_000, 10_000)
WHOLE = [slice(0, 2), slice(2, 3), slice(0, 3)]
FIXED, OPAQUE = True, None


def trained(towards: np.ndarray, order: float, fixed: bool | None = FIXED, noise: float = 0.0) -> Discretisation:
    """A sum whose gradient is `towards` plus n^−order, or plus noise; its value is 7."""
    leaf = torch.zeros(3, dtype=torch.float64, requires_grad=True)

    def parts(n: int) -> Iterator[Tensor]:
        away = torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64) * float(n) ** -order
        if noise:
            away = noise * torch.randn(3, dtype=torch.float64)
        yield 7 + (leaf * (torch.from_numpy(towards) + away)).sum()

    return Discretisation("your loss", parts, [leaf], "float64", fixed, bool(noise))


def target(dirac: np.ndarray = DIRAC) -> Target:
    return Target(BULK, dirac, 1e-6)


def verdicts(judged: list[Judged]) -> list[str]:
    return [j.verdict for j in judged]


@pytest.mark.parametrize(
    ("lacking", "order", "expected", "lacks"),
    [
        (1.0, 1, ["inconsistent", "consistent", "inconsistent"], 1.0),
        (1.0, 2, ["inconsistent", "consistent", "inconsistent"], 1.0),
        (0.0, 1, ["consistent", "consistent", "consistent"], 0.0),
        (0.0, 9, ["exact", "exact", "exact"], 0.0),
        # Half of it, as a one-sided delta has it, and twice.
        (0.51, 1, ["inconsistent", "consistent", "inconsistent"], 0.51),
        (0.49, 1, ["inconsistent", "consistent", "inconsistent"], 0.49),
        (-1.0, 1, ["inconsistent", "consistent", "inconsistent"], -1.0),
    ],
)
def test_what_lacks_decides_on_grids(lacking: float, order: float, expected: list[str], lacks: float) -> None:
    judged, gradient = on_grids(trained(BULK + DIRAC - lacking * DIRAC, order), target(), WHOLE, SIZES, 7, 7)
    assert verdicts(judged) == expected
    assert judged[-1].lacks == pytest.approx(lacks, abs=1e-3)
    assert judged[1].lacks is None
    assert judged[-1].explained == (lacking == 1)
    np.testing.assert_allclose(gradient, BULK + DIRAC - lacking * DIRAC, atol=3e-4)


def test_a_dirac_part_too_small_for_the_grids_is_missing_all_the_same_on_nodes_that_stay() -> None:
    small = 1e-7 * DIRAC
    judged, _ = on_grids(trained(BULK, 1, FIXED), target(small), WHOLE, SIZES, 7, 7)
    assert verdicts(judged) == ["inconsistent", "consistent", "inconsistent"]
    # Of a loss that cannot be looked into, it is not known.
    opaque, _ = on_grids(trained(BULK, 1, OPAQUE), target(small), WHOLE, SIZES, 7, 7)
    assert verdicts(opaque) == ["consistent"] * 3


@pytest.mark.parametrize(("lacking", "expected"), [(1.0, "inconsistent"), (0.0, "consistent"), (0.5, "inconsistent")])
def test_what_lacks_decides_over_draws(lacking: float, expected: str) -> None:
    loss = trained(BULK + DIRAC - lacking * DIRAC, 1, noise=0.4)
    judged, _, draws = over_draws(loss, target(), WHOLE, 1_000, 7, 7)
    assert [j.verdict for j in judged] == [expected, "consistent", expected]
    assert judged[-1].lacks == pytest.approx(lacking, abs=5 * judged[-1].uncertainty)
    assert judged[-1].uncertainty <= 0.075
    assert draws >= 100


def test_a_bias_that_no_kink_explains_is_seen_over_draws() -> None:
    judged, _, _ = over_draws(trained(BULK + DIRAC + [0, 0, 1], 1, noise=0.1), target(), WHOLE, 1_000, 7, 7)
    assert verdicts(judged) == ["consistent", "inconsistent", "inconsistent"]
    assert not judged[-1].explained


def test_a_gradient_that_vanishes_by_symmetry_is_measured_by_the_whole() -> None:
    flat = Target(np.array([3.0, -1.0, 1e-17]), np.zeros(3), 1e-6)
    judged, _ = on_grids(trained(np.array([3.0, -1.0, 1e-15]), 9), flat, WHOLE, SIZES, 7, 7)
    assert verdicts(judged) == ["exact"] * 3
