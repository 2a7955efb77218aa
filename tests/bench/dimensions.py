"""What the missing term costs in several inputs, and how noisy lines of several families are for what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from kinkproof.solver import dirac_term
from kinkproof.solver.mending.crossings import crossings_of
from kinkproof.solver.mending.jumps import coefficients, moving
from kinkproof.solver.mending.lines import Lines, axis_lines
from kinkproof.solver.mending.noise import spread
from kinkproof.solver.mending.sampling import prepared
from kinkproof.verify.models.space.domains import as_domain
from torch import Tensor

from tests.bench.timing import compare, heading

# Inputs and widths.
NETWORKS: list[tuple[int, tuple[int, ...]]] = [(2, (40,)), (2, (64, 64)), (3, (64, 64, 64))]


def network(inputs: int, widths: Sequence[int], dtype: torch.dtype) -> torch.nn.Sequential:
    torch.manual_seed(0)
    modules: list[torch.nn.Module] = []
    for fan_in, fan_out in zip((inputs, *widths), widths, strict=False):
        modules += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*modules, torch.nn.Linear(widths[-1], 1)).to(dtype)


def distant(net: torch.nn.Module, inputs: int) -> Callable[[Tensor], Tensor]:
    def model(x: Tensor) -> Tensor:
        found: Tensor = 4**inputs * (x * (1 - x)).prod(1) * net(x)[:, 0]
        return found

    return model


def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return (du**2).sum(1) / 2 - torch.sin(3 * x[:, 0]) * u


def at_points(model: Callable[[Tensor], Tensor], inputs: int, dtype: torch.dtype) -> Tensor:
    x = torch.rand(1000, inputs, dtype=dtype, requires_grad=True)
    u = model(x)
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return energy(x, u, du).mean()


def rows() -> None:
    """A step with the term over the plain step, and the noise of families of lines."""
    heading("Step with dirac_term ÷ plain step (u, ∇u by autograd, 1,000 points), 1 thread")
    for dtype in (torch.float64, torch.float32):
        for inputs, widths in NETWORKS:
            model, box = distant(network(inputs, widths, dtype), inputs), ((0, 1),) * inputs

            def plain(model: Any = model, inputs: int = inputs, kind: torch.dtype = dtype) -> None:
                at_points(model, inputs, kind).backward()

            def mended(model: Any = model, inputs: int = inputs, kind: torch.dtype = dtype, box: Any = box) -> None:
                (at_points(model, inputs, kind) + dirac_term(energy, model, box)).backward()

            title = f"{inputs}-D {'-'.join(map(str, widths))}, {str(dtype).removeprefix('torch.')}"
            compare(title, mended, plain, "≤ 1.5")
    families()


def independent(inputs: int, count: int, axes: Sequence[int]) -> Lines:
    """Lines that know nothing of one another, along some axes of the unit cube."""
    direction = torch.nn.functional.one_hot(torch.tensor(axes).repeat_interleave(count), inputs).double()
    start = torch.rand(len(direction), inputs, dtype=torch.float64) * (1 - direction)
    one = torch.ones(len(direction), dtype=torch.float64)
    return Lines(start, direction, one, one / count)


def rotated(inputs: int, count: int) -> Lines:
    """Lines along the axes of a frame turned at random, at the places of a lattice, cut by the unit cube."""
    frame = torch.linalg.qr(torch.randn(inputs, inputs, dtype=torch.float64))[0]
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * inputs) @ frame
    sides = torch.stack([corners.amin(0), corners.amax(0)], 1)
    lines = axis_lines(as_domain(tuple(map(tuple, sides.tolist()))), (count,) * inputs)
    start, direction = lines.start @ frame.T, lines.direction @ frame.T
    to_faces = torch.stack([-start / direction, (1 - start) / direction])
    enter, leave = to_faces.amin(0).amax(1), to_faces.amax(0).amin(1)
    met = leave > enter
    return Lines((start + enter[:, None] * direction)[met], direction[met], (leave - enter)[met], lines.weight[met])


def families(draws: int = 100) -> None:
    """The noise of families of lines over that of 1,000 points, and its square times the number of crossings."""
    print("\nNoise of lines, four along each axis or as many, over that of 1,000 points")
    for inputs, widths in [(2, (40,)), (2, (20, 20)), (3, (40,)), (3, (20, 20))]:
        net = network(inputs, widths, torch.float64)
        parameters = list(net.parameters())
        model, domain = distant(net, inputs), as_domain(((0, 1),) * inputs)
        fields, density = prepared(energy, model, domain.box, None)

        def flat(value: Tensor, parameters: list[Tensor] = parameters) -> Tensor:  # type: ignore[assignment]
            found = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
            return torch.cat([g.flatten() for g in found])

        points = spread(torch.stack([flat(at_points(model, inputs, torch.float64)) for _ in range(draws)]))
        kinds: dict[str, Callable[[], Lines]] = {
            "axes, lattice": lambda d=inputs, where=domain: axis_lines(where, (4,) * d),  # type: ignore[misc]
            "axes, independent": lambda d=inputs: independent(d, 4, range(d)),  # type: ignore[misc]
            "turned frame, lattice": lambda d=inputs: rotated(d, 4),  # type: ignore[misc]
            "one axis": lambda d=inputs: independent(d, 4 * d, [0]),  # type: ignore[misc]
        }
        for name, draw in kinds.items():
            rows, met = [], 0
            for _ in range(draws):
                found = crossings_of(fields, draw())
                weights = coefficients(fields, density, found, 1.0)
                if name == "one axis":
                    # Without the share of the others each crossing stands for 1 ÷ |∂z/∂e|.
                    normal = fields.normals(found.place, found.column, found.counts)
                    weights = weights * (normal**2).sum(1) / (normal * found.direction).sum(1) ** 2
                rows.append(flat(moving(fields, found, weights)))
                met += len(found)
            ratio = spread(torch.stack(rows)) / points
            print(f"{inputs}-D {'-'.join(map(str, widths)):6} {name:22} noise {ratio:.3f} of the points', "
                  f"{met / draws:5.0f} crossings, noise² × crossings {ratio**2 * met / draws:8.2f}")  # fmt: skip
