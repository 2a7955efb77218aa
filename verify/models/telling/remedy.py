"""What to change, as text to paste; tried on the very model before it is printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ..judging.composition import Term
from ..judging.density import Density
from ..judging.integral import Integral, takes_slopes
from ..seeing.model import Model
from ..seeing.source_lines import sentence

Array = NDArray[Any]
# (density, model, domain, Gauss points a piece, further ends of pieces) → the integral, whose gradient by autograd is
# exact.
Cure = Callable[[Callable[..., Tensor], Callable[[Tensor], Tensor], tuple[float, float], int, Sequence[float]], Tensor]

# Cures register themselves under this entry-point group: the reference imports nothing of what it tries.
GROUP = "kinkproof.cures"
# Gauss points a piece: exact for polynomials of degree 15, and more where that does not do.
_ORDERS = (8, 16, 32, 64)
# Further ends of pieces, where L changes fast: no more than a person would paste.
_MOST_INTERFACES = 12
# A remedy is printed if its gradient is off by no more than this of the exact one.
GOOD = 1e-9

_STRONG = """\
# No quadrature mends this: the loss squares a u″ that has its weight in the kinks, where no node sees it.
# An activation with a second derivative gives it one, for instance
#     torch.nn.ReLU()  →  torch.nn.Tanh()
# or keep ReLU and minimise an energy that needs u′ alone (Deep Ritz)."""
ADDED = """\
# Added to your loss, what the motion of the kinks does to it: nil in value, and autograd then gives the exact gradient,
# whatever points the loss uses."""
ADDED_TO_EACH = """\
# Added to each sum, what the motion of the kinks does to its integral: nil in value, and autograd then gives the exact
# gradient, whatever points the sums use."""
NONE = """\
# No remedy is known that was found right on this model: {why}."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a remedy has to reach.

    Attributes:
        gradient: the exact one, (P,).
        scale: by what errors are measured.
        dirac: what the motion of the kinks adds to it, (P,).
        cuts: where the exact side had to cut the domain further, besides at breaks, (C,).
        error: norm of the standard error of `dirac`, where it was sampled.
    """

    gradient: Array
    scale: float
    dirac: Array
    cuts: Array
    error: float = 0.0


def remedy(model: Model, integral: Integral, discretisation: str, wanted: Wanted) -> str:
    """Lines that the user can paste, with `model`, `parameters` and `ends` called so, and the density by its name.

    Args:
        model: the user's.
        integral: of the user's density.
        discretisation: what is to be replaced.
        wanted: by which the remedy is tried.
    """
    if integral.density.second:
        return _STRONG
    # Nodes that follow the kinks would have to crowd at poles too.
    if model.outputs > 1 or integral.composed is not None or integral.poles:
        return _summand(model, integral, wanted)
    settings, why = tried(model, integral, wanted)
    return _lines(model, integral, discretisation, *settings) if settings else NONE.format(why=why)


def tried(model: Model, integral: Integral, wanted: Wanted) -> tuple[tuple[int, tuple[float, ...]] | None, str]:
    """Order and interfaces with which the cure's gradient is the exact one; None and why not if there are none."""
    cures: list[Cure] = [e.load() for e in entry_points(group=GROUP, name="integrate")]
    if not cures:
        return None, "no package that brings a cure is installed"
    density, off = partial(_along, integral.density, model), np.inf
    cuts = tuple(float(f"{c:.6g}") for c in wanted.cuts)
    choices: list[tuple[int, tuple[float, ...]]] = [(order, ()) for order in _ORDERS]
    choices += [(order, cuts) for order in _ORDERS if 0 < len(cuts) <= _MOST_INTERFACES]
    for order, interfaces in choices:
        try:
            value = cures[0](density, model.function, integral.domain, order, interfaces)
            added = integral.at_ends(model)
            found = model.gradient(value if added is None else value + added).numpy()
        except (InputError, RuntimeError) as error:
            return None, f"integrate does not take it ({sentence(error)})"
        off = min(off, float(np.linalg.norm(found - wanted.gradient)) / wanted.scale)
        if off <= GOOD:
            return (order, interfaces), ""
    return None, f"on nodes that follow the kinks, up to {_ORDERS[-1]} a piece, the gradient is still {off:.1e} off"


def _summand(model: Model, integral: Integral, wanted: Wanted) -> str:
    """The Dirac term as a summand of the loss, which models of several outputs have too."""
    terms = integral.composed.terms if integral.composed else (Term(integral.density),)
    said, lines, total = Pasted(model), [], np.zeros(len(wanted.dirac))
    for k, (term, weight) in enumerate(zip(terms, integral.weights or (1.0,), strict=True)):
        if term.points is not None:
            continue
        piece = term.span or integral.domain
        found, why = dirac_term(term.density, model, piece)
        if found is None:
            return NONE.format(why=why)
        if not found.any():
            continue
        total += weight * found
        what = f"integrals[{k}]" if integral.composed else "loss"
        call = f"dirac_term({said.density(term.density)}, {said.u}, ({piece[0]:g}, {piece[1]:g}))"
        lines.append(f"{what} = {what} + {call}")
    off = float(np.linalg.norm(total - wanted.dirac)) / wanted.scale
    if off > GOOD:
        return NONE.format(why=f"with dirac_term added the gradient is still {off:.1e} off")
    if integral.composed is not None:
        made = "loss_of(*integrals)" if integral.composed.function else "sum(integrals)"
        lines = ["# integrals: the list of your sums, in the order of the terms", *lines, f"loss = {made}"]
    return said.text(ADDED if integral.composed is None else ADDED_TO_EACH, "dirac_term", [*lines, "loss.backward()"])


def dirac_term(density: Density, model: Model, domain: tuple[float, float]) -> tuple[Array | None, str]:
    """The gradient of what a cure adds to a loss, (P,); None and why not if there is no such cure."""
    cures: list[Callable[..., Tensor]] = [e.load() for e in entry_points(group=GROUP, name="dirac_term")]
    if not cures:
        return None, "no package that brings a cure is installed"
    try:
        return model.gradient(cures[0](partial(_along, density, model), model.function, domain)).numpy(), ""
    except (InputError, RuntimeError) as error:
        return None, f"dirac_term does not take it ({sentence(error)})"


def _along(density: Density, model: Model, x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return density.at(model, x, u, du)


def _lines(model: Model, integral: Integral, discretisation: str, order: int, interfaces: tuple[float, ...]) -> str:
    left, right = integral.domain
    said = Pasted(model)
    name = said.density(integral.density)
    also = f", interfaces={list(interfaces)}" if interfaces else ""
    lines = [f"value = integrate({name}, {said.u}, ({left:g}, {right:g}), order={order}{also})"]
    if integral.ends is not None:
        shape = f"[[{left!r}], [{right!r}]]" if model.column else f"[{left!r}, {right!r}]"
        lines.append(f"x = torch.tensor({shape}, dtype={model.dtype}, requires_grad=True)")
        lines.append(f"u = {said.u}(x).flatten()")
        given = "u"
        if takes_slopes(integral.ends):
            lines.append("du = torch.autograd.grad(u.sum(), x, create_graph=True)[0].flatten()")
            given = "u, du"
        lines.append(f"value = value + ends({given})")
    what = f"the {discretisation}" if discretisation.endswith("rule") else discretisation
    first = f"# In place of {what}, nodes that follow the kinks: autograd then gives the exact gradient."
    return said.text(first, "integrate", [*lines, "value.backward()"])


@dataclass(frozen=True, eq=False)
class Pasted:
    """How lines to paste name the user's model and densities."""

    model: Model

    @property
    def u(self) -> str:
        """The model as a function of x alone."""
        return "field" if self.model.takes_parameters else "model"

    def density(self, density: Density) -> str:
        """A density as a function of x, u and u′."""
        name = getattr(density.function, "__name__", "density").replace("<lambda>", "density")
        if self.model.takes_parameters and "parameters" in density.extra:
            return f"lambda x, u, du: {name}(x, u, du, parameters=parameters)"
        return name

    def text(self, first: str, imported: str, lines: Sequence[str]) -> str:
        """A sentence, what is imported, and the lines."""
        imports = [f"from kinkproof.solver import {imported}", ""]
        if self.model.takes_parameters:
            imports = ["from functools import partial", "", *imports]
            # A function's parameters are often plain tensors, handed to torch.func.grad.
            imports += ["for tensor in parameters.values():", "    tensor.requires_grad_()"]
            imports.append("field = partial(model, parameters)  # a function of x alone")
        return "\n".join([first, *imports, *lines])
