"""A plane gradient in the forms that programs have it, and which known fault a wrong one shows.

NumPy only, and complete but for `comparison`: generated files carry a copy of both.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.blocks import BLOCKS
from .comparison import as_array, best, in_order

Array = NDArray[Any]


def as_plane_vector(gradient: Any, width: int) -> Array:
    """A gradient in any of the usual forms → (4N,) float64: hidden weights row by row, hidden biases, output weights.

    Args:
        gradient: (4N,); three arrays (N, 2), (N,) and (N,); a mapping of block names to arrays, or an object with the
            blocks as attributes; lists, NumPy, JAX and detached torch arrays.
        width: N.

    Raises:
        ValueError: anything else, or another number of components.
    """
    wanted = f"({4 * width},), or blocks of ({width}, 2), ({width},) and ({width},), would be right"
    gradient = in_order(gradient)
    if isinstance(gradient, list | tuple) and len(gradient) == len(BLOCKS):
        parts = []
        for name, value, size in zip(BLOCKS, gradient, (2 * width, width, width), strict=True):
            part = as_array(value, f"gradient of {name}", wanted)
            # Transposed weights have the right size: which axis comes first is for the diagnosis to say.
            if part.size != size:
                raise ValueError(f"gradient of {name}: shape {part.shape} does not fit; {wanted}")
            parts.append(part.ravel())
        return np.concatenate(parts)
    array = as_array(gradient, "gradient", wanted)
    if array.shape != (4 * width,):
        raise ValueError(f"gradient: shape {array.shape} does not fit; {wanted}")
    return array


def plane_component(width: int) -> Callable[[int], str]:
    """Index in a (4N,) vector → block, neuron and, of hidden weights, axis."""
    return lambda k: f"{BLOCKS[0]}[{k // 2}, {k % 2}]" if k < 2 * width else f"{BLOCKS[k // width - 1]}[{k % width}]"


def diagnose_plane_gradient(
    found: Array, bulk: Array, dirac: Array, own_jump: Array, weights: Array, tolerance: Array
) -> str:
    """The known fault that a wrong gradient shows, as a sentence, or "".

    Args:
        found: the wrong gradient, (4N,).
        bulk: what automatic differentiation on a fine grid gives.
        dirac: the Dirac part.
        own_jump: what ∇u on one side of each kink line adds to or takes from the exact gradient, (4N,).
        weights: hidden weights, (N, 2).
        tolerance: absolute, (4N,).
    """
    total, width = bulk + dirac, len(weights)
    # The neuron of each component.
    owner = np.concatenate([np.repeat(np.arange(width), 2), np.arange(width), np.arange(width)])
    models: list[tuple[str, Array]] = []
    lines_move = bool(np.any(np.abs(dirac) > tolerance))
    if lines_move:
        # On which side each neuron seems to have been taken.
        products = np.bincount(owner, (found - total) * own_jump, width)
        one_sided = total + np.where(products < 0, -1.0, 1.0)[owner] * own_jump
        models.append(("equals the bulk: Dirac terms missing, as in automatic differentiation on a fixed grid", bulk))
        models.append(("∇u on a kink line is taken on one side, not as the mean of both", one_sided))
    models.append(("sign flipped", -total))
    for how, order in plane_layouts(width):
        models.append((how, total[order]))
        if lines_move:
            models.append((f"{how}, and Dirac terms missing", bulk[order]))
    if lines_move:
        models.append(("axes swapped in the Dirac terms", bulk + dirac[plane_layouts(width)[0][1]]))
        # ds in place of ds/|w|: the delta of w₁x + w₂y + b has that factor.
        longer = bulk + np.hypot(*weights.T)[owner] * dirac
        models.append(("the Dirac terms lack the factor 1/|w| of a line's delta", longer))
        models.append(("the Dirac terms have the wrong sign", bulk - dirac))
        models.append(("the Dirac terms are twice what they should be", bulk + 2 * dirac))
        models.append(("the Dirac terms are half of what they should be", bulk + dirac / 2))
    return best(found, total, models, tolerance)


def plane_layouts(width: int) -> list[tuple[str, Array]]:
    """Wrong orders of the 4N components: (sentence, which of the right order stands in each place)."""
    first, biases, outputs = np.split(np.arange(4 * width), [2 * width, 3 * width])
    weights = first.reshape(width, 2)
    swapped = np.concatenate([weights[:, ::-1].ravel(), biases, outputs])
    out = [("axes swapped: ∂/∂w is (y, x) instead of (x, y)", swapped)]
    if width > 1:
        columns = np.concatenate([weights.T.ravel(), biases, outputs])
        out.append(("transposed: hidden weights axis by axis instead of neuron by neuron", columns))
        rows = np.column_stack([weights, biases, outputs]).ravel()
        out.append(("transposed: neuron by neuron instead of block by block", rows))
    for order in list(permutations(range(3)))[1:]:
        listed = ", ".join(BLOCKS[k] for k in order)
        blocks = (first, biases, outputs)
        out.append((f"blocks swapped: their order is {listed}", np.concatenate([blocks[k] for k in order])))
    return out
