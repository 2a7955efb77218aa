"""What a scan of energies on planes leaves behind, and the file it is kept in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...verify.errors import InputError
from ...verify.showing import Shown, html_table
from ...verify.statement.problem import RitzProblem
from ...verify.values import Value
from ..training import archive
from .planes import Plane
from .roughness import noise, roughness

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Landscape(Value, Shown):
    """Energies values[p, i, j] = Π(θ* + first[i]·planes[p].first + second[j]·planes[p].second).

    Attributes:
        problem: whose energy.
        activation: of the network.
        energy: "quadrature" or "exact".
        rule: what integrated: the grid's rule; for "exact" "closed form", "conforming" or "gauss-legendre".
        points: nodes of the grid; 0 for the closed form.
        centre: θ*, (P,).
        planes: what was scanned.
        first, second: α and β, each (resolution,).
        values: (planes, resolution, resolution).
        settings: width, radius and resolution, as plain data.
        versions: of the programs.
    """

    problem: RitzProblem
    activation: str
    energy: str
    rule: str
    points: int
    centre: Array
    planes: tuple[Plane, ...]
    first: Array
    second: Array
    values: Array
    settings: dict[str, Any]
    versions: dict[str, str]

    def __repr__(self) -> str:
        size = f"{len(self.first)}×{len(self.second)}"
        return (
            f"<Landscape of {self.problem.name}: {len(self.planes)} planes of {size} points, {self.activation}, "
            f"energy {self.energy}, {self.rule}>"
        )

    def _repr_html_(self) -> str:
        least, most = self.values.min((1, 2)), self.values.max((1, 2))
        columns = ([p.label for p in self.planes], least, most, self.roughness, self.noise)
        heads = ["plane", "least energy", "greatest energy", "roughness", "noise"]
        return html_table(repr(self)[1:-1], heads, zip(*columns, strict=True))

    @property
    def roughness(self) -> Array:
        """`Mean |second difference| ÷ range`, (planes,); see `kinkproof.solver.landscapes.roughness.roughness`."""
        return roughness(self.values)

    @property
    def noise(self) -> Array:
        """What of the roughness is no curvature, (planes,); see `kinkproof.solver.landscapes.roughness.noise`."""
        return noise(self.values)

    @property
    def parabola_roughness(self) -> float:
        """Roughness of a parabola with its vertex in the middle, 8/(resolution − 1)²: that of a smooth minimum."""
        return 8 / (len(self.first) - 1) ** 2

    def save(self, path: str | Path) -> Path:
        """Write one `.npz` file; the same landscape gives the same bytes.

        Raises:
            InputError: it cannot be written.
        """
        header = {
            "problem": archive.statement(self.problem),
            "activation": self.activation,
            "energy": self.energy,
            "rule": self.rule,
            "points": self.points,
            "settings": self.settings,
            "made_by": self.versions,
            "planes": [{"label": p.label, "eigenvalues": p.eigenvalues} for p in self.planes],
        }
        arrays = {n: getattr(self, n) for n in ("centre", "first", "second", "values", "roughness", "noise")}
        arrays["directions"] = np.array([[p.first, p.second] for p in self.planes])
        arrays |= {f"path.{k}": p.path for k, p in enumerate(self.planes) if p.path is not None}
        archive.write(Path(path), "landscape", header, arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Landscape:
        """Read such a file; nothing in it is executed.

        Raises:
            InputError: no such file, or not one of ours.
        """
        header, arrays = archive.read(Path(path), "landscape")
        try:
            planes = []
            for k, (plane, (first, second)) in enumerate(zip(header["planes"], arrays["directions"], strict=True)):
                values = None if plane["eigenvalues"] is None else tuple(plane["eigenvalues"])
                planes.append(Plane(plane["label"], first, second, values, arrays.get(f"path.{k}")))
            return cls(
                problem=archive.problem_from(header["problem"]),
                planes=tuple(planes),
                settings=header["settings"],
                versions=header["made_by"],
                activation=header["activation"],
                energy=header["energy"],
                rule=header["rule"],
                points=header["points"],
                centre=arrays["centre"],
                first=arrays["first"],
                second=arrays["second"],
                values=arrays["values"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} lacks {error}; a landscape as kinkproof saves it would be right") from None
