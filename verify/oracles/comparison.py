"""A gradient held against the reference: what is off, by how much, and which known fault it looks like.

NumPy only, and complete in itself: generated files carry a copy of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.blocks import BLOCKS

Array = NDArray[Any]

# A fault is named only if it leaves at most this share of the deviation unexplained; a program on a grid of some
# hundred points leaves a few per cent for the grid's own error.
_REST = 0.1
# A fault with a free constant fits more than it should: of it is asked that it leaves less.
_REST_IF_FITTED = 0.01
# Of two explanations that leave about the same rest, the simpler one is named.
_AS_GOOD = 10.0
# A type's rounding is this many times float64's.
_FLOAT32 = float(np.finfo(np.float32).eps / np.finfo(np.float64).eps)
_SHOWN = 5


def as_vector(gradient: Any, width: int) -> Array:
    """A gradient in any of the usual forms → (3N,) float64: hidden weights, hidden biases, output weights.

    Args:
        gradient: (3N,), (3, N), three arrays (N,), a mapping of block names to arrays, or an object with the blocks
            as attributes; lists, NumPy, JAX and detached torch arrays.
        width: N.

    Raises:
        ValueError: anything else, or another number of components.
    """
    wanted = f"({3 * width},), or three blocks of ({width},), would be right"
    array = as_array(in_order(gradient), "gradient", wanted)
    if array.shape not in ((3 * width,), (3, width)):
        raise ValueError(f"gradient: shape {array.shape} does not fit; {wanted}")
    return array.ravel()


def in_order(gradient: Any) -> Any:
    """A mapping of block names, or an object that has the blocks, as a list in their order; all else as it is."""
    if not isinstance(gradient, Mapping) and not all(hasattr(gradient, n) for n in BLOCKS):
        return gradient
    named = gradient if isinstance(gradient, Mapping) else {n: getattr(gradient, n) for n in BLOCKS}
    absent = [n for n in BLOCKS if n not in named]
    if absent:
        raise ValueError(f"gradient: block {absent[0]} is missing; a mapping with {', '.join(BLOCKS)} is right")
    return [named[n] for n in BLOCKS]


def as_array(value: Any, what: str, wanted: str) -> Array:
    """Anything array-like as float64, or a ValueError of one sentence."""
    try:
        parts = [np.asarray(v) for v in value] if isinstance(value, list | tuple) else value
        array = np.asarray(parts)
        if array.dtype == object:
            # mpmath numbers and the like; not None, of which NumPy makes nan.
            array = np.array([float(v) for v in array.ravel()]).reshape(array.shape)
        if array.dtype.kind not in "fiu":
            raise TypeError
        return array.astype(np.float64)
    except RuntimeError as error:
        # What torch says of tensors that require gradients.
        raise ValueError(f"{what}: {str(error).splitlines()[0]}; a detached array, {wanted}") from None
    except (TypeError, ValueError):
        raise ValueError(f"{what}: this {type(value).__name__} is no array of real numbers; {wanted}") from None


def allowance(stored: Array, largest: Array, relative: float | None) -> Array:
    """The stored absolute tolerance, or a share of the largest component where that is more.

    Raises:
        ValueError: the share is not a positive finite number.
    """
    if relative is None:
        return stored
    if not (np.isfinite(relative) and relative > 0):
        raise ValueError(f"relative_tolerance: {relative} allows everything or nothing; a number such as 1e-6 is right")
    return np.asarray(np.maximum(stored, relative * largest))


def compare(
    what: str, found: Array, expected: Array, tolerance: Array, name: Callable[[int], str], diagnosis: Callable[[], str]
) -> None:
    """Raise an AssertionError with a report unless |found − expected| ≤ tolerance throughout.

    Args:
        what: is compared, for the first line.
        found: (K,) float64.
        expected: (K,) float64.
        tolerance: (K,) absolute.
        name: index → how the component is called.
        diagnosis: asked for a sentence, or "", only when something is off.
    """
    __tracebackhide__ = True  # pytest shows the caller's line, not these
    refuse_non_finite(what, found, name)
    error = np.abs(found - expected)
    off = np.flatnonzero(~(error <= tolerance))
    if not off.size:
        return
    ratio = np.divide(error, tolerance, out=np.full_like(error, np.inf), where=tolerance > 0)
    lines = [f"{what}: {off.size} of {found.size} components are off"]
    for k in off[np.argsort(-ratio[off], kind="stable")][:_SHOWN]:
        lines.append(
            f"  {name(int(k))}: {found[k]:.17g} instead of {expected[k]:.17g}, "
            f"error {error[k]:.1e} = {ratio[k]:.1e} tolerances"
        )
    if off.size > _SHOWN:
        lines.append(f"  and {off.size - _SHOWN} more")
    lines.append(f"  diagnosis: {diagnosis() or 'none of the known faults fits; a coarse quadrature looks like this'}")
    raise AssertionError("\n".join(lines))


def refuse_non_finite(what: str, found: Array, name: Callable[[int], str]) -> None:
    """Raise an AssertionError that names the first component that is NaN or infinite."""
    __tracebackhide__ = True
    bad = np.flatnonzero(~np.isfinite(found))
    if bad.size:
        more = f", and {bad.size - 1} more are not finite" if bad.size > 1 else ""
        raise AssertionError(f"{what}: {name(int(bad[0]))} is {found[bad[0]]}{more}; finite numbers would be right")


def component(width: int) -> Callable[[int], str]:
    """Index in a (3N,) vector → block and neuron."""
    return lambda k: f"{BLOCKS[k // width]}[{k % width}]"


def diagnose_gradient(
    found: Array, total: Array, bulk: Array, dirac: Array, own_jump: Array, tolerance: Array, jumps: str = "û′"
) -> str:
    """The known fault that a wrong gradient shows, as a sentence, or "".

    Args:
        found: the wrong gradient, (3N,).
        total: the exact one, and likewise its two parts.
        bulk: what automatic differentiation on a fine grid gives.
        dirac: the Dirac part.
        own_jump: what taking û′ on one side of each kink adds to or takes from the exact gradient, (3N,).
        tolerance: absolute, (3N,).
        jumps: what is taken on one side: of a beam û″.
    """
    kinks_move = bool(np.any(np.abs(dirac) > tolerance))
    models: list[tuple[str, Array]] = []
    if kinks_move:
        models.append(("equals the bulk: Dirac terms missing, as in automatic differentiation on a fixed grid", bulk))
        models.append(
            (
                f"equals the nearest-node rule (Eq. 10): {jumps} at the kink is taken on one side, not as the mean of "
                "both",
                total + _nearest_sides(found - total, own_jump) * own_jump,
            )
        )
    models.append(("sign flipped", -total))
    width = found.size // 3
    for how, order in layouts(width):
        reordered = np.empty_like(total)
        reordered[order] = total
        models.append((how, reordered))
        if kinks_move:
            lacking = np.empty_like(total)
            lacking[order] = bulk
            models.append((f"{how}, and Dirac terms missing", lacking))
    if kinks_move:
        models.append(("the Dirac terms have the wrong sign", bulk - dirac))
        models.append(("the Dirac terms are twice what they should be", bulk + 2 * dirac))
    return best(found, total, models, tolerance)


def diagnose_hessian(found: Array, total: Array, bulk: Array | None, tolerance: Array) -> str:
    """The same for a Hessian, all (3N, 3N), or its products with directions, (K, 3N), where `bulk` is None."""
    models: list[tuple[str, Array]] = []
    if bulk is not None:
        models.append(("equals the bulk: all terms from the motion of the kinks are missing", bulk))
    models.append(("sign flipped", -total))
    if total.shape[0] == total.shape[1]:
        for how, order in layouts(total.shape[-1] // 3):
            reordered = np.empty_like(total)
            reordered[np.ix_(order, order)] = total
            models.append((how, reordered))
        models.append(("one triangle is empty: a Hessian is symmetric", np.triu(total)))
        models.append(("one triangle is empty: a Hessian is symmetric", np.tril(total)))
    flat = [(sentence, model.ravel()) for sentence, model in models]
    return best(found.ravel(), total.ravel(), flat, np.broadcast_to(tolerance, total.shape).ravel())


def diagnose_number(found: float, expected: float, tolerance: float) -> str:
    """The same for an energy."""
    values = {"sign flipped": -1.0, "twice what it should be": 2.0, "half of what it should be": 0.5}
    models = [(how, np.array([factor * expected])) for how, factor in values.items()]
    return best(np.array([found]), np.array([expected]), models, np.array([tolerance]))


def layouts(width: int) -> Iterator[tuple[str, Array]]:
    """Wrong orders of the 3N components: (sentence, where each component of the right order was put)."""
    places = np.arange(3 * width).reshape(3, width)
    for order in list(permutations(range(3)))[1:]:
        listed = ", ".join(BLOCKS[k] for k in order)
        destination = np.empty((3, width), dtype=int)
        destination[list(order)] = places
        yield f"blocks swapped: their order is {listed}", destination.ravel()
    if width > 1:
        yield "transposed: neuron by neuron instead of block by block", places.reshape(width, 3).T.ravel()


def _nearest_sides(deviation: Array, own_jump: Array) -> Array:
    """±1 for each neuron: on which side of its kink û′ seems to have been taken."""
    products = (deviation * own_jump).reshape(3, -1).sum(axis=0)
    return np.tile(np.where(products < 0, -1.0, 1.0), 3)


def best(found: Array, total: Array, models: list[tuple[str, Array]], tolerance: Array) -> str:
    """The first model that leaves about as little of the deviation as the best one does; "" if none leaves little."""
    deviation = float(np.linalg.norm(found - total))
    rounding = float(np.linalg.norm(tolerance))
    rests = [max(float(np.linalg.norm(found - model)), rounding) for _, model in models]
    if min(rests) <= _REST * deviation:
        named = next(k for k, rest in enumerate(rests) if rest <= _AS_GOOD * min(rests))
        share = rests[named] / deviation
        return models[named][0] + (f" ({1 - share:.0%} of the deviation)" if rests[named] > _AS_GOOD * rounding else "")
    size = float(total @ total)
    factor = float(found @ total) / size if size else 1.0
    if found.size > 1 and float(np.linalg.norm(found - factor * total)) <= _REST_IF_FITTED * deviation:
        return f"scaled by the constant {factor:.6g}"
    as_float32 = found.astype(np.float32).astype(np.float64)
    if bool(np.all(as_float32 == found)) and bool(np.all(np.abs(found - total) <= _FLOAT32 * tolerance)):
        return "float32 precision: the numbers are float32 ones, and the error is what that type leaves"
    return ""
