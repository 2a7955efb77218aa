"""What to change, as text to paste."""

from __future__ import annotations

import torch

from ..judging.density import Density
from ..seeing.model import Model

# Gauss points a piece: exact for polynomials of degree 15.
_ORDER = 8

_STRONG = """\
# No quadrature mends this: the loss squares a u″ that has its weight in the kinks, where no node sees it.
# An activation with a second derivative gives it one, for instance
#     torch.nn.ReLU()  →  torch.nn.Tanh()
# or keep ReLU and minimise an energy that needs u′ alone (Deep Ritz), on nodes that follow the kinks:
#     from kinkproof.solver import integrate
#     value = integrate(energy_density, model, ({left:g}, {right:g}), order={order})"""


def remedy(model: Model, density: Density, discretisation: str, domain: tuple[float, float], has_ends: bool) -> str:
    """Lines that the user can paste, with `model`, `parameters` and `ends` called so, and the density by its name.

    Args:
        model: the user's.
        density: the user's.
        discretisation: what is to be replaced.
        domain: its two ends.
        has_ends: the loss has terms at the ends, too.
    """
    left, right = domain
    if density.second:
        return _STRONG.format(left=left, right=right, order=_ORDER)
    name = getattr(density.function, "__name__", "density").replace("<lambda>", "density")
    imports = ["from kinkproof.solver import ConformingQuadrature, integrate", ""]
    lines = [f"quadrature = ConformingQuadrature(order={_ORDER})"]
    u = "model"
    if not isinstance(model.original, torch.nn.Module):
        imports = ["from functools import partial", "", *imports]
        u = "field"
        # A function's parameters are often plain tensors, handed to torch.func.grad.
        lines.append("for tensor in parameters.values():")
        lines.append("    tensor.requires_grad_()")
        lines.append("field = partial(model, parameters)  # a function of x alone")
        if "parameters" in density.extra:
            name = f"lambda x, u, du: {name}(x, u, du, parameters=parameters)"
    lines.append(f"value = integrate({name}, {u}, ({left:g}, {right:g}), quadrature=quadrature)")
    if has_ends:
        shape = f"[[{left!r}], [{right!r}]]" if model.column else f"[{left!r}, {right!r}]"
        lines.append(f"value = value + ends({u}(torch.tensor({shape}, dtype={model.dtype})).flatten())")
    what = f"the {discretisation}" if discretisation.endswith("rule") else discretisation
    said = f"# In place of {what}, nodes that follow the kinks: autograd then gives the exact gradient."
    return "\n".join([said, *imports, *lines, "value.backward()"])
