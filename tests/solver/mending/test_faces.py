"""The term on faces, edges and segments, against difference quotients of energies that other code sums up there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import dirac_sample, dirac_term
from kinkproof.solver.mending import jumps
from kinkproof.verify import Segment
from kinkproof.verify.errors import InputError
from torch import Tensor, nn

from . import reference
from .test_dirac_term import Case


class Leaky(nn.Module):
    """ReLU by another name, so that nothing is known of it but where it breaks."""

    def forward(self, z: Tensor) -> Tensor:
        return (z + z.abs()) / 2


def case_of(inputs: int, rectifier: bool) -> Case:
    case = Case(inputs, (6, 5), 1, "quartic", seed=inputs)
    if not rectifier:
        for k, module in enumerate(case.network):
            if isinstance(module, nn.ReLU):
                case.network[k] = Leaky()
    return case


def left_out(case: Case, start: Any, end: Any, direction: reference.Array) -> float:
    """What autodiff leaves out of the derivative of ∫ L over a segment, by an energy on 2,001 pieces between kinks."""
    node, weight = np.polynomial.legendre.leggauss(8)
    a, b = (torch.tensor(p, dtype=torch.float64) for p in (start, end))
    length = float((b - a).norm())
    shapes = [p.shape for p in case.parameters]

    def split(theta: reference.Array) -> list[Tensor]:
        parts = torch.tensor(theta).split([s.numel() for s in shapes])
        return [p.reshape(s) for p, s in zip(parts, shapes, strict=True)]

    def heights(tensors: list[Tensor], t: Tensor) -> Tensor:
        h, out = a + t[:, None] * (b - a), []
        for w, bias in list(zip(tensors[::2], tensors[1::2], strict=True))[:-1]:
            out.append(h @ w.T + bias)
            h = out[-1].relu()
        return torch.cat(out, 1)

    def nodes(tensors: list[Tensor]) -> tuple[Tensor, Tensor]:
        t = torch.linspace(0, 1, 2002, dtype=torch.float64)
        z = heights(tensors, t)
        row, unit = ((z[1:] > 0) != (z[:-1] > 0)).nonzero(as_tuple=True)
        low, high = t[row].clone(), t[row + 1].clone()
        for _ in range(50):
            middle = (low + high) / 2
            same = (heights(tensors, middle)[torch.arange(len(row)), unit] > 0) == (z[row, unit] > 0)
            low, high = torch.where(same, middle, low), torch.where(same, high, middle)
        ends = torch.cat([t, (low + high) / 2]).sort().values
        middle, half = (ends[1:] + ends[:-1]) / 2, ends.diff() / 2
        own = middle[:, None] + half[:, None] * torch.tensor(node)
        return own.flatten(), (half[:, None] * torch.tensor(weight)).flatten() * length

    def energy(tensors: list[Tensor], t: Tensor, w: Tensor) -> Tensor:
        x = (a + t[:, None] * (b - a)).requires_grad_()
        with torch.no_grad():
            for p, value in zip(case.parameters, tensors, strict=True):
                p.copy_(value)
        u = case.model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return (w * case.energy(x, u, du)).sum()

    step = 1e-5
    moved = [split(case.theta + s * step * direction) for s in (1, -1)]
    whole = [energy(p, *nodes(p)).item() for p in moved]
    bulk = case.flat(energy(split(case.theta), *nodes(split(case.theta))))
    return (whole[0] - whole[1]) / (2 * step) - float(direction @ bulk)


PARTS = [
    (((0.0, 1.0), 0.3), (0, 0.3), (1, 0.3)),
    (Segment((0.1, 0.2), (0.9, 0.5)), (0.1, 0.2), (0.9, 0.5)),
    ((0.4, (0, 1), 0.7), (0.4, 0, 0.7), (0.4, 1, 0.7)),
]


@pytest.mark.parametrize("rectifier", [True, False])
@pytest.mark.parametrize(("part", "start", "end"), PARTS)
def test_on_a_line_the_term_is_what_autodiff_leaves_out(part: Any, start: Any, end: Any, rectifier: bool) -> None:
    case = case_of(len(start), rectifier)
    found = case.flat(dirac_term(case.energy, case.model, part))
    size = float(np.linalg.norm(found))
    assert size > 0
    # Both sides of a kink are seen at some 1e-9; the rest is the difference quotient's.
    assert left_out(case, start, end, found / size) == pytest.approx(size, rel=1e-6)


def test_without_the_part_of_the_normal_along_the_line_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jumps, "_along", lambda vectors, tangents: vectors)
    case = case_of(2, False)
    part, start, end = PARTS[1]
    found = case.flat(dirac_term(case.energy, case.model, part))
    size = float(np.linalg.norm(found))
    assert abs(left_out(case, start, end, found / size) / size - 1) > 0.05


def test_on_a_face_its_mean_is_that_of_many_segments() -> None:
    case = case_of(3, True)
    face = ((0, 1), 0.45, (0, 1))
    generator = torch.Generator().manual_seed(0)
    rows = np.stack(
        [case.flat(dirac_term(case.energy, case.model, face, lines=16, generator=generator)) for _ in range(60)]
    )
    # Σ over lines along one axis is ∫ over the face: of each line it is exact.
    even = (np.arange(160) + 0.5) / 160
    along = [case.flat(dirac_term(case.energy, case.model, ((0, 1), 0.45, float(z)))) for z in even]
    wanted = np.mean(along, axis=0)
    error = rows.std(0, ddof=1) / 60**0.5
    assert np.linalg.norm(rows.mean(0) - wanted) < 4 * np.linalg.norm(error)
    assert np.linalg.norm(error) < 0.05 * np.linalg.norm(wanted)
    assert dirac_sample(case.energy, case.model, face, lines=16).lines == 16


def test_a_part_that_is_empty_is_refused() -> None:
    case = case_of(2, True)
    with pytest.raises(InputError, match=r"^domain: \(\(1\.0, 0\.0\),\) is empty"):
        dirac_term(case.energy, case.model, ((1, 0), 0))
