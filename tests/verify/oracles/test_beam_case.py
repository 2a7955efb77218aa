"""Cases of beams: what they hold, and which faults are named."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify import InputError, PowerNetwork, ShallowNetwork, beams, exact_gradient
from kinkproof.verify.oracles import generate, load
from kinkproof.verify.oracles.beam_case import BEAM_DATA, BeamCase

from .conftest import network_of, problem_of

PACK = load("beams")
CASE: Any = PACK["clamped-width-3"]
TOTAL, BULK, DIRAC = (getattr(CASE.gradient, n).ravel() for n in ("total", "bulk", "dirac"))


def test_the_pack_has_both_powers_and_only_relu_squared_has_dirac_terms() -> None:
    assert {c.power for c in PACK} == {2, 3}  # type: ignore[attr-defined]
    for case in PACK:
        assert isinstance(case, BeamCase)
        largest = np.abs(case.gradient.dirac.ravel()).max()
        assert largest > 1e3 * case.tolerance.max() if case.power == 2 else largest == 0
    assert repr(CASE) == "BeamCase('beams/clamped-width-3')"


def test_data_and_density_are_those_of_the_beam() -> None:
    case: Any = PACK["two-stretches-width-2"]
    x = np.array([0.25, 0.5])
    data = case.data(x)
    assert tuple(data) == BEAM_DATA
    np.testing.assert_allclose(data["stiffness"], [1, np.exp(0.5)], rtol=1e-15)
    np.testing.assert_allclose(data["distance_bend"], [-2, -2], rtol=1e-15)
    np.testing.assert_allclose(data["lift_bend"], 6 * x, rtol=1e-15)
    wanted = data["stiffness"] * 9 / 2 - data["source"] * 2
    np.testing.assert_allclose(case.energy_density(x, 0 * x + 2, 0 * x + 3), wanted, rtol=1e-15)


def _conforming(case: Any) -> tuple[float, Any]:
    """Gauss points between the kinks that carry gradients, torch's autograd, û″ by hand."""
    theta = torch.tensor(case.parameters.ravel(), requires_grad=True)
    w, b, c = theta.reshape(3, -1)
    fixed = [torch.tensor(float(p), dtype=torch.float64) for p in problem_of(case).interfaces]  # type: ignore[union-attr]
    left, right = (torch.tensor(e, dtype=torch.float64) for e in case.domain)
    kinks = [k for k in -b / w if left < k < right]
    marks = [left, *sorted([*kinks, *fixed], key=lambda k: float(k.detach())), right]
    nodes, weights = (torch.tensor(v) for v in np.polynomial.legendre.leggauss(16))
    energy, p = torch.zeros((), dtype=torch.float64), case.power
    for start, stop in pairwise(marks):
        x, dx = (start + stop) / 2 + (stop - start) / 2 * nodes, (stop - start) / 2 * weights
        on = ((start + stop) / 2 * w + b > 0) * 1.0
        z = (x[:, None] * w + b) * on
        n, n_1 = z**p @ c, p * z ** (p - 1) @ (c * w)
        n_2 = p * (p - 1) * (z if p == 3 else on + 0 * z) @ (c * w**2)
        d = case.data(x, torch)
        u = d["lift"] + d["distance"] * n
        ddu = d["lift_bend"] + d["distance_bend"] * n + 2 * d["distance_slope"] * n_1 + d["distance"] * n_2
        energy = energy + (dx * case.energy_density(x, u, ddu, torch)).sum()
    return float(energy.detach()), torch.autograd.grad(energy, theta)[0].numpy()


@pytest.mark.parametrize("case", PACK, ids=lambda c: c.id)
def test_points_that_move_with_the_kinks_pass_with_room(case: Any) -> None:
    energy, gradient = _conforming(case)
    case.check_energy(energy)
    case.check(gradient)
    assert (np.abs(gradient - case.gradient.total.ravel()) / case.tolerance).max() < 0.5


def _one_sided(sides: list[int]) -> Any:
    problem: Any = problem_of(CASE)
    # 2 EI D² c² |w|³ at each kink, and ξ times it: half of û″'s own jump, times what the bias gives.
    w, b, c = CASE.hidden_weights, CASE.hidden_biases, CASE.output_weights
    x = -b / w
    assert problem.stiffness == 1
    own = 2 * (x**2 * (1 - x) ** 2) ** 2 * c**2 * np.abs(w) ** 3 * np.array(sides)
    return TOTAL + np.concatenate([x * own, own, 0 * own])


FAULTS = [
    (BULK, "equals the bulk: Dirac terms missing"),
    (_one_sided([1, 1, 1]), "equals the nearest-node rule .*: û″ at the kink is taken on one side"),
    (_one_sided([1, -1, 1]), "û″ at the kink is taken on one side"),
    (BULK - DIRAC, "the Dirac terms have the wrong sign"),
    (BULK + 2 * DIRAC, "the Dirac terms are twice"),
    (-TOTAL, "sign flipped"),
    (2 * TOTAL, "scaled by the constant 2"),
    (TOTAL.reshape(3, -1).T.ravel(), "transposed: neuron by neuron"),
    (np.roll(TOTAL, 3), "blocks swapped"),
]


@pytest.mark.parametrize(("gradient", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_a_known_fault_is_named(gradient: Any, said: str) -> None:
    with pytest.raises(AssertionError) as caught:
        CASE.check(gradient)
    assert re.search(f"diagnosis: .*{said}", str(caught.value))


def test_loading_needs_numpy_alone() -> None:
    code = (
        "from kinkproof.verify.oracles import load\n"
        "case = load('beams')['variable-width-2']\n"
        "case.check(case.gradient.total); case.check_energy(case.energy); case.data(case.hidden_biases)\n"
        "import sys\n"
        "print(*({'sympy', 'mpmath', 'torch', 'scipy', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# 50 digits, by two derivations.
@pytest.mark.slow
def test_a_pack_of_ones_own_takes_beams_and_a_source_file_does_not(tmp_path: Path) -> None:
    network = PowerNetwork.of(2, [1, -1], ["-1/3", "3/4"], [1, 2])
    (path,) = generate(beams["beam-clamped"], tmp_path / "mine.json", {"two": network})
    (case,) = load(path)
    assert isinstance(case, BeamCase)
    case.check(exact_gradient(beams["beam-clamped"], network).total)
    assert network_of(case).ravel().tolist() == network.ravel().tolist()
    with pytest.raises(ValueError, match="has no Hessian"):
        case.check_hessian(np.zeros((6, 6)))
    with pytest.raises(InputError, match=r"no source file of a beam; a pack, .*mine.json, would be right"):
        generate(beams["beam-clamped"], tmp_path / "mine.py")
    with pytest.raises(InputError, match="the case one is a ShallowNetwork, beam-clamped a beam"):
        generate(beams["beam-clamped"], tmp_path / "other.json", {"one": ShallowNetwork([1], [0], [1])})
    twice = PowerNetwork.of(2, [1, 2], ["-1/2", -1], [1, 1])
    with pytest.raises(InputError, match=r"the case bad: .*coincident kinks"):
        generate(beams["beam-clamped"], tmp_path / "other.json", {"bad": twice})
