"""A deep network's gradient in the forms that programs have it, and which known fault a wrong one shows. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.tensors import Tensors
from . import comparison

Array = NDArray[Any]


def as_deep_vector(gradient: Any, tensors: Tensors) -> Array:
    """A gradient in any of the usual forms → (P,) float64 in the order of `Tensors.ravel`.

    Args:
        gradient: (P,); a list of tensors in that order, as `[p.grad for p in model.parameters()]` has it; a mapping
            of the names of `Tensors.named` to arrays; or `Tensors`. Lists, NumPy, JAX and detached torch arrays.
        tensors: of the network.

    Raises:
        ValueError: anything else, or another number of components.
    """
    named = tensors.named()
    size = sum(t.size for t in named.values())
    wanted = f"({size},), or a list of the {len(named)} tensors, would be right"
    if isinstance(gradient, Tensors):
        gradient = gradient.named()
    if isinstance(gradient, Mapping):
        absent = [n for n in named if n not in gradient]
        if absent:
            raise ValueError(f"gradient: tensor {absent[0]} is missing; a mapping with {', '.join(named)} is right")
        gradient = [gradient[n] for n in named]
    if isinstance(gradient, list | tuple) and len(gradient) == len(named):
        parts = []
        for name, value in zip(named, gradient, strict=True):
            part = comparison.as_array(value, f"gradient of {name}", wanted)
            if part.size != named[name].size:
                raise ValueError(f"gradient of {name}: shape {part.shape} does not fit; {named[name].shape} is right")
            parts.append(part.ravel())
        return np.concatenate(parts)
    array = comparison.as_array(gradient, "gradient", wanted)
    if array.shape != (size,):
        raise ValueError(f"gradient: shape {array.shape} does not fit; {wanted}")
    return array


def diagnose_deep_gradient(
    found: Array, total: Tensors, bulk: Tensors, dirac: Tensors, first: Tensors, tolerance: Array
) -> str:
    """The known fault that a wrong gradient shows, as a sentence, or "".

    Args:
        found: the wrong gradient, (P,).
        total: the exact one, and likewise its two parts.
        bulk: what automatic differentiation on a fine grid gives.
        dirac: the Dirac part.
        first: what the kinks of the first layer add to it.
        tolerance: absolute, (P,).
    """
    models = list(_dirac_models(total.ravel(), bulk.ravel(), dirac.ravel(), first.ravel(), tolerance))
    models.append(("sign flipped", -total.ravel()))
    models += list(_layouts(total))
    return comparison.best(found, total.ravel(), models, tolerance)


def diagnose_deep_plane_gradient(
    found: Array, parts: Any, without_norm: Array, own_jump: Array | None, tolerance: Array
) -> str:
    """The same of two inputs.

    Args:
        found: the wrong gradient, (P,).
        parts: the exact one: `bulk`, `dirac`, `total` and `first_layer`, `Tensors` each.
        without_norm: the Dirac part with ds in place of ds/|∇z|, (P,).
        own_jump: what ∇u on the active side of each kink line adds to the exact gradient, (P,); None: not known.
        tolerance: absolute, (P,).
    """
    total, bulk, dirac, first = (t.ravel() for t in (parts.total, parts.bulk, parts.dirac, parts.first_layer))
    models = list(_dirac_models(total, bulk, dirac, first, tolerance))
    lines_move = bool(models)
    if lines_move and own_jump is not None:
        sides = (("active", own_jump), ("inactive", -own_jump))
        models += [
            (f"∇u on a kink line is taken on the {n} side, not as the mean of both", total + v) for n, v in sides
        ]
    models.append(("sign flipped", -total))
    how = "axes swapped: ∂/∂w of the first layer is (y, x) instead of (x, y)"
    models.append((how, _axes_swapped(parts.total)))
    if lines_move:
        models.append((f"{how}, and Dirac terms missing", _axes_swapped(parts.bulk)))
        models.append(("axes swapped in the Dirac terms of the first layer", bulk + _axes_swapped(parts.dirac)))
        models.append(("the Dirac terms lack the factor 1/|∇z| of a line's delta", bulk + without_norm))
    models += list(_layouts(parts.total))
    return comparison.best(found, total, models, tolerance)


def _dirac_models(
    whole: Array, held: Array, moved: Array, shallow: Array, tolerance: Array
) -> Iterator[tuple[str, Array]]:
    """What may be wrong with the Dirac terms of one input and of two; nothing where there are none."""
    if not np.any(np.abs(moved) > tolerance):
        return
    yield "equals the bulk: Dirac terms missing, as in automatic differentiation on a fixed grid", held
    if np.any(np.abs(moved - shallow) > tolerance) and np.any(np.abs(shallow) > tolerance):
        yield "the Dirac terms of the kinks of the second and later layers are missing", held + shallow
        yield "the Dirac terms of the kinks of the first layer are missing", whole - shallow
    yield "the Dirac terms have the wrong sign", held - moved
    yield "the Dirac terms are twice what they should be", held + 2 * moved
    yield "the Dirac terms are half of what they should be", held + moved / 2


def _axes_swapped(tensors: Tensors) -> Array:
    """(P,), the two columns of the first layer's weights exchanged."""
    weights = (tensors.hidden_weights[0][:, ::-1], *tensors.hidden_weights[1:])
    return Tensors(weights, tensors.hidden_biases, tensors.output_weights, tensors.output_bias).ravel()


def _layouts(total: Tensors) -> Iterator[tuple[str, Array]]:
    """The right numbers in a wrong order."""
    if any(min(w.shape) > 1 for w in total.hidden_weights):
        turned = [np.ascontiguousarray(w.T).reshape(w.shape) for w in total.hidden_weights]
        transposed = Tensors(tuple(turned), total.hidden_biases, total.output_weights, total.output_bias)
        yield "transposed: weight matrices column by column instead of row by row", transposed.ravel()
    named = total.named()
    orders: dict[str, Callable[[str], Any]] = {
        "tensors swapped: all weights come first, then all biases": lambda n: "bias" in n,
        "tensors swapped: the layers come in the opposite order": lambda n: -list(named).index(n),
    }
    for sentence, key in orders.items():
        yield sentence, np.concatenate([np.ravel(named[n]) for n in sorted(named, key=key)])


def diagnose_deep_hessian(found: Array, total: Array, bulk: Array | None, tolerance: Array) -> str:
    """The same for a Hessian, all (P, P), or its products with directions, (K, P), where `bulk` is None."""
    models = [("sign flipped", -total)]
    if bulk is not None:
        models.insert(0, ("equals the bulk: all terms from the motion of the kinks are missing", bulk))
        models += [("one triangle is empty: a Hessian is symmetric", t) for t in (np.triu(total), np.tril(total))]
    flat = [(sentence, model.ravel()) for sentence, model in models]
    return comparison.best(found.ravel(), total.ravel(), flat, np.broadcast_to(tolerance, total.shape).ravel())
