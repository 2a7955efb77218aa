"""One oracle case: a problem, a network, trusted values, and how a program's values are held against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.blocks import BLOCKS, Blocks
from . import comparison
from .formulas import evaluate

Array = NDArray[Any]

DELTAS = ("autodiff", "nearest", "mean")
DATA = ("coefficient", "source", "distance", "distance_slope", "lift", "lift_slope")


@dataclass(frozen=True)
class Parts:
    """Exact gradient, total = bulk + dirac; `Blocks` of (N,) float64 each."""

    bulk: Blocks
    dirac: Blocks
    total: Blocks


@dataclass(frozen=True, eq=False)
class Case:
    """A problem, a network and trusted values.

    Attributes:
        id: stable, such as "paper/sine-2-width-3".
        record: the case as the pack has it, with 50-digit decimals; see the pack's JSON Schema.
        delta: in the pack `quadrature`, which gradient is expected: "autodiff", "nearest" or "mean"; else "".
    """

    id: str
    record: Mapping[str, Any]
    delta: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    @property
    def about(self) -> str:
        """What the case is for, in a sentence."""
        return str(self.record["about"])

    @property
    def problem(self) -> Mapping[str, Any]:
        """The statement as text: coefficient, source, reaction, distance, lift, slopes, fluxes, essential, domain."""
        found: Mapping[str, Any] = self.record["problem"]
        return found

    @property
    def domain(self) -> tuple[float, float]:
        """Its two ends."""
        left, right = self.record["domain"]
        return float(left), float(right)

    @cached_property
    def parameters(self) -> Blocks:
        """The network: hidden weights, hidden biases, output weights, (N,) float64 each."""
        return Blocks(*(floats(self.record["parameters"][n]["exact"]) for n in BLOCKS))

    @property
    def hidden_weights(self) -> Array:
        """(N,) float64."""
        return self.parameters.hidden_weights

    @property
    def hidden_biases(self) -> Array:
        """(N,) float64."""
        return self.parameters.hidden_biases

    @property
    def output_weights(self) -> Array:
        """(N,) float64."""
        return self.parameters.output_weights

    @property
    def width(self) -> int:
        """N, the number of neurons."""
        return len(self.record["parameters"][BLOCKS[0]]["exact"])

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer."""
        return (self.width,)

    @property
    def size(self) -> int:
        """How many parameters there are: 3N."""
        return 3 * self.width

    @property
    def exact_parameters(self) -> list[str]:
        """As they were given, in the order of a gradient's components."""
        return [text for n in BLOCKS for text in self.record["parameters"][n]["exact"]]

    def component(self, index: int) -> str:
        """How a component of a gradient is called, such as ``hidden_biases[2]``."""
        return comparison.component(self.width)(index)

    @property
    def density(self) -> str:
        """The integrand as text in x, u and du (for u′)."""
        density = f"({self.problem['coefficient']})*du**2/2 - ({self.problem['source']})*u"
        return f"{density} + ({self.problem['reaction']})*u**2/2" if "reaction" in self.problem else density

    @property
    def differentiable(self) -> bool:
        """Does the energy have a gradient here?"""
        return "one_sided" not in self.record

    @property
    def distance(self) -> float:
        """To the nearest place without a derivative: `|Δx|`, for dead neurons √(w² + b²); 0: right here; inf: none."""
        found = self.record["distance"]
        return float("inf") if found is None else float(found)

    @property
    def energy(self) -> float:
        """The exact energy, or on a grid what the quadrature gives."""
        return float(self.record["energy"]["decimal"])

    @cached_property
    def gradient(self) -> Parts:
        """The exact gradient in its parts, or on a grid the sum's derivative and what the delta adds."""
        if not self.differentiable:
            raise ValueError(f"{self.id}: the energy has no gradient here; .one_sided would be right")
        stored = self.record["gradient"]
        bulk = _blocks(stored["autodiff" if self.delta else "bulk"])
        if not self.delta:
            return Parts(bulk, _blocks(stored["dirac"]), _blocks(stored["total"]))
        total = _blocks(stored[self.delta])
        return Parts(bulk, Blocks.from_vector(total.ravel() - bulk.ravel()), total)

    @cached_property
    def one_sided(self) -> tuple[Blocks, Blocks]:
        """Derivative in each parameter from below and from above; the same where the energy has a gradient."""
        if self.differentiable:
            return self.gradient.total, self.gradient.total
        left, right = (_blocks(self.record["one_sided"][side]) for side in ("left", "right"))
        return left, right

    @cached_property
    def hessian(self) -> Array | None:
        """(3N, 3N) in the order of `Blocks.ravel`, or None: the case has products or nothing."""
        return self._hessian("total")

    @cached_property
    def hessian_directions(self) -> Array | None:
        """(K, 3N), with which the Hessian of a wide network is multiplied; None where `hessian` is stored whole."""
        stored = self.record["hessian"]
        return None if stored is None or "directions" not in stored else frozen(np.array(stored["directions"], float))

    @cached_property
    def hessian_products(self) -> Array | None:
        """(K, 3N): the Hessian times each of `hessian_directions`."""
        stored = self.record["hessian"]
        if stored is None or "products" not in stored:
            return None
        return frozen(np.stack([floats(p["decimal"]) for p in stored["products"]]))

    @cached_property
    def nodes(self) -> Array | None:
        """(n,) of the stated grid, ascending; None where the integral is exact."""
        return _grid(self.record["grid"]["nodes"]) if "grid" in self.record else None

    @cached_property
    def weights(self) -> Array | None:
        """(n,) of the stated grid."""
        return _grid(self.record["grid"]["weights"]) if "grid" in self.record else None

    @cached_property
    def tolerance(self) -> Array:
        """(3N,) absolute, for a gradient computed in float64; see the pack's provenance for how it was found."""
        return frozen(np.repeat([float(self.record["tolerance"]["gradient"][n]) for n in BLOCKS], self.width))

    def data(self, x: Any, namespace: Any = np) -> dict[str, Any]:
        """κ, f, D, D′, lift and lift′ at x: keys coefficient, source, distance, distance_slope, lift, lift_slope.

        Where the problem has a reaction term ½ρu², ρ as well: key reaction.

        Args:
            x: an array of the library `namespace` (NumPy, `jax.numpy`, torch, …).
            namespace: the library.
        """
        names = (*DATA, "reaction") if "reaction" in self.problem else DATA
        return {name: evaluate(self.problem[name], x, namespace) for name in names}

    def energy_density(self, x: Any, u: Any, du: Any, namespace: Any = np) -> Any:
        """`density` at x where the field and its slope are u and du, arrays of the library; see `data`."""
        return evaluate(self.density, x, namespace, {"u": u, "du": du})

    def check(self, gradient: Any, relative_tolerance: float | None = None) -> None:
        """Hold a gradient against the trusted one, block by block.

        Where the energy has no gradient, each component must lie between its two one-sided derivatives; `None` says
        that there is no gradient, and is right exactly there.

        Args:
            gradient: in one of the forms of `comparison.as_vector`, or None.
            relative_tolerance: instead of the case's own tolerance, this share of each block's largest component;
                for programs that integrate numerically.

        Raises:
            AssertionError: it is wrong; with a report and, where one fits, a diagnosis.
            ValueError: it has the wrong shape or type.
        """
        __tracebackhide__ = True
        what = f"gradient of {self.id}"
        if gradient is None:
            if self.differentiable:
                raise AssertionError(f"{what}: none was given, but the energy has one here")
            return
        left, right = (side.ravel() for side in self.one_sided)
        largest = self._largest(np.maximum(np.abs(left), np.abs(right)))
        tolerance = comparison.allowance(self.tolerance, largest, relative_tolerance)
        found = self._vector(gradient)
        name = self.component
        comparison.refuse_non_finite(what, found, name)
        # The nearest right value: the derivative itself, or the nearer end of the interval.
        expected = np.clip(found, np.minimum(left, right), np.maximum(left, right))
        comparison.compare(what, found, expected, tolerance, name, lambda: self._diagnosis(found, tolerance))

    def check_energy(self, energy: Any, relative_tolerance: float | None = None) -> None:
        """Hold an energy against the trusted one; see `check`."""
        __tracebackhide__ = True
        array = comparison.as_array(energy, "energy", "one number would be right")
        if array.size != 1:
            raise ValueError(f"energy: shape {array.shape} is not one number; one number would be right")
        found, stored = float(array.ravel()[0]), np.array(float(self.record["tolerance"]["energy"]))
        tolerance = float(comparison.allowance(stored, np.abs(self.energy), relative_tolerance))
        comparison.compare(
            f"energy of {self.id}",
            np.array([found]),
            np.array([self.energy]),
            np.array([tolerance]),
            lambda _: "energy",
            lambda: comparison.diagnose_number(found, self.energy, tolerance),
        )

    def check_hessian(self, hessian: Any, relative_tolerance: float | None = None) -> None:
        """Hold a Hessian (3N, 3N) against the trusted one, or against its stored products; see `check`.

        For wide networks the products alone, (K, 3N), are right as well: `hessian @ case.hessian_directions.T`, turned.

        Raises:
            ValueError: the case has no Hessian, because none exists or because it is about a grid.
        """
        __tracebackhide__ = True
        size = self.size
        directions, products = self.hessian_directions, self.hessian_products
        if self.hessian is None and products is None:
            raise ValueError(f"{self.id}: the case has no Hessian; one with `hessian` or `hessian_products` is right")
        wanted = f"({size}, {size})" + ("" if products is None else f" or {products.shape}") + " would be right"
        found = comparison.as_array(hessian, "Hessian", wanted)
        if products is not None and directions is not None and found.shape == (size, size):
            found = directions @ found.T
        expected = self.hessian if products is None else products
        assert expected is not None
        if found.shape != expected.shape:
            raise ValueError(f"Hessian: shape {found.shape} does not fit; {wanted}")
        stored = np.full(expected.shape, float(self.record["tolerance"]["hessian"]))
        tolerance = comparison.allowance(stored, np.abs(expected).max(), relative_tolerance)
        comparison.compare(
            f"Hessian of {self.id}",
            found.ravel(),
            expected.ravel(),
            tolerance.ravel(),
            lambda k: f"[{k // size}, {k % size}]",
            lambda: self._hessian_diagnosis(found, expected, tolerance),
        )

    def _hessian(self, part: str) -> Array | None:
        stored = self.record["hessian"]
        if stored is None or part not in stored:
            return None
        out = np.zeros((self.size, self.size))
        out[np.triu_indices(self.size)] = floats(stored[part]["decimal"])
        return frozen(out + np.triu(out, 1).T)

    # How the parameters lie in a vector: what a case with several layers has otherwise.

    def _vector(self, gradient: Any) -> Array:
        return comparison.as_vector(gradient, self.width)

    def _largest(self, values: Array) -> Array:
        """The largest of each block, for each of its components."""
        return np.repeat(values.reshape(3, -1).max(axis=1), self.width)

    def _hessian_diagnosis(self, found: Array, expected: Array, tolerance: Array) -> str:
        return comparison.diagnose_hessian(found, expected, self._hessian("bulk"), tolerance)

    def _diagnosis(self, found: Array, tolerance: Array) -> str:
        if not self.differentiable:
            return "no derivative exists here, only one-sided ones; these components lie outside of both"
        if self.delta:
            return self._grid_diagnosis(found, tolerance)
        parts = self.gradient
        jump = _blocks(self.record["gradient"]["own_jump"]).ravel()
        total, bulk, dirac = (p.ravel() for p in (parts.total, parts.bulk, parts.dirac))
        return comparison.diagnose_gradient(found, total, bulk, dirac, jump, tolerance)

    def _grid_diagnosis(self, found: Array, tolerance: Array) -> str:
        stored = self.record["gradient"]
        others = {f"the delta “{d}”": stored[d] for d in DELTAS if d != self.delta}
        for what, blocks in (others | {"the exact integral": stored["total"]}).items():
            if np.all(np.abs(found - _blocks(blocks).ravel()) <= tolerance):
                return f"equals the gradient of {what}; “{self.delta}” on this grid is asked for"
        total = self.gradient.total.ravel()
        nothing = np.zeros_like(total)
        return comparison.diagnose_gradient(found, total, total, nothing, nothing, tolerance)


def floats(texts: list[str]) -> Array:
    """(K,) float64, each the nearest to an exact number: a decimal, or a fraction such as 1/3."""
    return frozen(np.array([float(Fraction(t)) if "/" in t else float(t) for t in texts]))


def _grid(texts: list[str]) -> Array:
    """(K,) float64 from what C99 writes: a grid is what it is in float64."""
    return frozen(np.array([float.fromhex(t) for t in texts]))


def frozen(values: Array) -> Array:
    """Packs are read once for a whole process: nobody may change them for the next."""
    values.setflags(write=False)
    return values


def _blocks(stored: Mapping[str, Any]) -> Blocks:
    return Blocks(*(floats(stored[n]["decimal"]) for n in BLOCKS))
