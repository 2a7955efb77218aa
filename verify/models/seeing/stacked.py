"""Breaks of a model at parameters of its own or handed over, or of many at once at stacked ones; with their motion."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ...errors import InputError
from .breaks import jumping_breaks, own_and_slope
from .integrand import Integrand
from .search import Zeros, zeros
from .trace import Function, Trace, trace

Parameters = Mapping[str, Tensor]
# (x, u, u′, parameters by name) → L, elementwise.
Density = Callable[[Tensor, Tensor, Tensor, Parameters], Tensor]


@dataclass(frozen=True, eq=False)
class Stacked:
    """A model, and the parameters it is evaluated at.

    Attributes:
        model: a module, or any function of x.
        parameters: instead of the module's own, by name; stacked ones have one dimension more, which runs over models.
        stacked: which of them are.
        batch: number of models; None without stacked parameters.
        trace: how the model is called.
        density: L of (x, u, u′, parameters by name) whose own breaks are wanted too; None if it has none.
        along: how L along the model is called, if it has breaks of its own.
    """

    model: Function
    parameters: Parameters | None
    stacked: dict[str, int | None]
    batch: int | None
    trace: Trace
    density: Density | None = None
    along: Trace | None = None

    @property
    def searched(self) -> Trace:
        """How what is searched for breaks is called."""
        return self.along or self.trace

    def single(self, parameters: Parameters | None) -> Function:
        """One model as a function of x."""
        if parameters is None:
            return self.model
        # Parameters were only accepted for a module.
        module: Any = self.model
        return lambda x: torch.func.functional_call(module, dict(parameters), (x,))

    def integrand(self, parameters: Parameters | None) -> Function:
        """What is searched for breaks: one model, or L along it, as a function of x."""
        model = self.single(parameters)
        if self.along is None or self.density is None:
            return model
        named, density = self.named(parameters), self.density
        return Integrand(lambda x: self.trace.value(model, x), lambda x, u, du: density(x, u, du, named), self.model)

    def named(self, parameters: Parameters | None) -> Parameters:
        """The parameters of one model by name."""
        if parameters is not None:
            return parameters
        return dict(self.model.named_parameters()) if isinstance(self.model, torch.nn.Module) else {}

    def over(self, function: Any, *arguments: Tensor, integrand: bool = False) -> Any:
        """A function of (one model, its row of each argument), for all models: (B, …) → (B, …)."""
        of = self.integrand if integrand else self.single
        if self.batch is None:
            found = function(of(self.parameters), *(a[0] for a in arguments))
            return found[None]

        def one(parameters: Any, *rows: Tensor) -> Any:
            return function(of(parameters), *rows)

        over_all: Any = torch.vmap(one, in_dims=(self.stacked, *(0 for _ in arguments)))
        return over_all(self.parameters, *arguments)

    def value(self, x: Tensor) -> Tensor:
        """All models at points (B, n) → (B, n)."""
        found: Tensor = self.over(self.trace.value, x)
        return found


def stack(
    model: Function,
    domain: tuple[float, float],
    parameters: Parameters | None = None,
    density: Density | None = None,
) -> Stacked:
    """Look at a model once; what was seen is remembered as long as the module lives and stays what it is.

    Args:
        model: see `Stacked`.
        domain: its points are taken from here.
        parameters: see `Stacked`.
        density: see `Stacked`; it is looked at as well.

    Raises:
        InputError: parameters for what is no module, or of the wrong names or shapes, or stacked differently; or see
            `trace`.
    """
    stacked: dict[str, int | None] = {}
    batch: int | None = None
    if parameters is not None:
        if not isinstance(model, torch.nn.Module):
            raise InputError(
                "parameters: the model is no torch.nn.Module, and its parameters have no names; one is right"
            )
        own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        for name, tensor in parameters.items():
            if name not in own:
                raise InputError(
                    f"parameters: the model has none called {name!r}; one of {', '.join(own)} would be right"
                )
            more = tensor.ndim - own[name].ndim
            if more not in (0, 1) or tensor.shape[more:] != own[name].shape:
                raise InputError(
                    f"parameters: {name} has shape {tuple(tensor.shape)}; {tuple(own[name].shape)}, or stacked with "
                    "one dimension in front, would be right"
                )
            stacked[name] = 0 if more else None
            if more:
                if batch is not None and batch != len(tensor):
                    raise InputError(f"parameters: {name} is stacked {len(tensor)} times, others {batch}; one is right")
                batch = len(tensor)
    models = Stacked(model, parameters, stacked, batch, _seen(model, domain, parameters, stacked))
    return models if density is None else _with_density(models, domain, density)


# Looking costs as much as some steps of training, and shows the same every time.
_REMEMBERED: WeakKeyDictionary[Any, tuple[Any, Trace]] = WeakKeyDictionary()


def _seen(
    model: Function, domain: tuple[float, float], parameters: Parameters | None, stacked: dict[str, int | None]
) -> Trace:
    if not isinstance(model, torch.nn.Module):
        return trace(model, domain)
    tensors = (parameters or {}).values() if parameters else model.parameters()
    first = next((t for t in tensors if t.is_floating_point()), None)
    kind = (None, None) if first is None else (first.dtype, first.device)
    # Whatever makes it another model: a module replaced, another mode, another type of numbers.
    key = (*kind, *((type(m), m.training) for m in model.modules()))
    remembered = _REMEMBERED.get(model)
    if remembered is not None and remembered[0] == key:
        return remembered[1]
    if parameters is None:
        seen = trace(model, domain, *kind)
    else:
        one = {name: (t[0] if stacked[name] == 0 else t).detach() for name, t in parameters.items()}
        seen = trace(lambda x: torch.func.functional_call(model, one, (x,)), domain, *kind)
    _REMEMBERED[model] = (key, seen)
    return seen


# A density is looked at once, however often it is written down anew.
_DENSITIES: WeakKeyDictionary[Any, dict[Any, Trace | None]] = WeakKeyDictionary()
# Lambdas that close over what is new at each step would fill the memory.
_MOST_DENSITIES = 64


def _with_density(models: Stacked, domain: tuple[float, float], density: Density) -> Stacked:
    """The same models, searched together with the density if that breaks anywhere by itself."""
    known: dict[Any, Trace | None] = {}
    if isinstance(models.model, torch.nn.Module):
        known = _DENSITIES.setdefault(models.model, {})
    code = getattr(density, "written", density)
    cells = [c.cell_contents for c in getattr(code, "__closure__", None) or ()]
    key = (getattr(code, "__code__", id(code)), *((type(c), id(c)) for c in cells), domain, models.trace.dtype)
    if key not in known:
        if len(known) >= _MOST_DENSITIES:
            known.clear()
        known[key] = _along(replace(models, density=density, along=models.trace), domain)
    along = known[key]
    return models if along is None else replace(models, density=density, along=along)


def _along(models: Stacked, domain: tuple[float, float]) -> Trace | None:
    """How L along the first of the models is called, or None if it has no breaks of its own."""
    parameters = models.parameters
    if parameters is not None:
        parameters = {n: (t[0] if models.stacked[n] == 0 else t).detach() for n, t in parameters.items()}
    try:
        seen = trace(models.integrand(parameters), domain, models.trace.dtype, models.trace.device)
    except InputError as error:
        raise InputError(str(error).replace("model:", "density:", 1)) from None
    own = len(models.trace.calls)
    return replace(seen, slopes_from=own, unknown=models.trace.unknown) if len(seen.calls) > own else None


def moving_breaks(models: Stacked, domain: tuple[float, float], still: Sequence[float] = ()) -> Tensor:
    """Breaks of all models, (B, K) in the models' type, as functions of their parameters; padded with the right end.

    Args:
        models: which.
        domain: its two ends.
        still: places inside where something breaks that does not move; unknown operations are not searched there.

    Raises:
        InputError: see `find_breaks` and `attach`.
    """
    found = _zeros(models, domain)
    moving = found.places.to(models.trace.dtype)
    if moving.shape[1]:
        own, slope = own_and_slope(lambda x: models.over(_own(models, found), x, found.columns, integrand=True), moving)
        moving = _moved(moving, found, own, slope)
    return _with_jumps(models, domain, found, moving, still) if models.trace.unknown else moving


def straight_pieces(
    models: Stacked, domain: tuple[float, float], fixed: Callable[[int], Sequence[float]]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Models that are piecewise linear in x: their pieces, and the straight line on each.

    One evaluation at all breaks and at a point of each piece gives the motion of the breaks and the lines. The points
    hold still: the line through them is the same wherever on the piece it is asked for. Second derivatives are exact
    too: those of a zero of a straight line are in its Newton step.

    Args:
        models: with `trace.straight`.
        domain: its two ends.
        fixed: the number of breaks → ends of pieces that do not move, those of the domain among them.

    Returns:
        ends of the pieces (B, p + 1), moving with the parameters; points on the pieces without graph, values and slopes
        there, all (B, p).
    """
    found = _zeros(models, domain)
    places = found.places.to(models.trace.dtype)
    still = places.new_tensor(fixed(places.shape[1])).expand(len(places), -1)
    marks = torch.cat([still, places], 1).sort(1).values
    middle = (marks[:, 1:] + marks[:, :-1]) / 2
    count = places.shape[1]
    x = torch.cat([places, middle], 1).requires_grad_()
    with torch.enable_grad():
        value = models.over(_own(models, found), x, found.columns)
        (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True, materialize_grads=True)
    moving = _moved(places, found, value[:, :count], slope[:, :count])
    return torch.cat([still, moving], 1).sort(1).values, middle, value[:, count:], slope[:, count:]


def _zeros(models: Stacked, domain: tuple[float, float]) -> Zeros:
    seen = models.searched
    found = zeros(
        lambda x, layer: models.over(lambda f, points: seen.preactivations(f, points, layer), x, integrand=True),
        [c.columns for c in seen.calls],
        domain,
        models.batch or 1,
        seen.dtype,
        seen.device,
        seen.straight,
        seen.torn,
    )
    if not found.settled:
        warn_unsettled()
    return found


def warn_unsettled() -> None:
    """Say that searches for zeros did not agree."""
    warnings.warn(
        "pre-activations of the model oscillate so fast that searches for their zeros do not agree: kinks may be "
        "missing, and with them parts of the gradient; a shorter domain, or features of lower frequency, would be "
        "right",
        UserWarning,
        stacklevel=3,
    )


def _own(models: Stacked, found: Zeros) -> Any:
    return lambda f, x, columns: models.searched.own(f, x, columns, found.counts)


def _moved(places: Tensor, found: Zeros, own: Tensor, slope: Tensor) -> Tensor:
    """A Newton step of nil value; padding has nothing that vanishes there, and stays where it is.

    So does a break whose pre-activation has no slope there: it coincides with an earlier one, as all breaks of a
    network without biases do at x = 0.
    """
    real = found.real & (slope != 0)
    return places - torch.where(real, own - own.detach(), 0) / torch.where(real, slope, 1)


def _with_jumps(
    models: Stacked, domain: tuple[float, float], found: Zeros, moving: Tensor, still: Sequence[float]
) -> Tensor:
    """Breaks of unknown operations as well, which are looked for one model after the other."""
    if models.batch is None:
        function = models.single(models.parameters)
        known = torch.cat([found.places[0], found.places.new_tensor(still)]).sort().values
        more = jumping_breaks(lambda x: models.trace.value(function, x), known, domain, models.trace.dtype)
        return torch.cat([moving, more[None]], 1)
    raise InputError(
        f"model: {models.trace.unknown[0]} may break smoothness in ways that are not known, and stacked models are "
        "searched together; one model at a time would be right"
    )
