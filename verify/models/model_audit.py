"""The audit of a user's own model and energy: is autodiff's gradient of the loss the gradient of the integral?"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .assessment import Assessment, rounding_floor
from .each_integral import of_each
from .judging.composition import stated
from .judging.density import bind, borrow, check
from .judging.exact_side import ExactSide, Located, by_differences, degenerate, exact_side, locate, weighed
from .judging.gradcheck import gradcheck
from .judging.integral import Ends, Integral, compose, state
from .judging.preparation import prepare, probes
from .judging.singular import graded
from .judging.trained import trained
from .seeing.model import Model
from .seeing.operations import ROOTS
from .seeing.pieces import RoughError
from .seeing.source_lines import at, line_of_error, sentence
from .space.audit import audit_in_space, in_several_inputs, inputs_of
from .space.domains import as_domain
from .space.terms import stated_in_space
from .telling.model_findings import ModelAudit, Route

# Agreement of the two routes: rounding of sums over thousands of terms that cancel, and no more.
ROUTES = 1e-9
# Extrapolated from both sides and divided by bends down to a millionth of the slope, six digits fewer.
_CONTINUITY = 1e-5
# Differences of the energy, between which kinks cross, catch what is missing altogether.
_DIFFERENCES = 1e-3
# Where the energy has no derivative, one is taken beside: parameters displaced by this share of their size.
DISPLACEMENT = 1e-2
# Kinks up to which an audit is about as fast as its grids, of a model that is straight between them and of others; it
# goes on beyond.
MANY_STRAIGHT, MANY_KINKS = 10_000, 1_000


@torch.enable_grad()  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def audit_model(
    model: Callable[..., Any],
    density: Callable[..., Any] | None = None,
    domain: tuple[float, float] = (0.0, 1.0),
    *,
    terms: Sequence[Any] = (),
    loss_of: Callable[..., Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    rule: str = "midpoint",
    quadrature: Callable[[int], Any] | None = None,
    loss: Callable[[Any, int], Any] | None = None,
    ends: Ends | None = None,
    points: int | tuple[int, ...] = 100,
    progress: Callable[[str], None] = lambda what: None,
) -> ModelAudit:
    """Compare autodiff's gradient of a loss with the gradient of the integral that the loss approximates.

    The exact gradient comes from the jump formula, dE/dθ = bulk − Σ ⟦L⟧ dξ/dθ, and independently from quadrature nodes
    that move with the kinks; the speeds of the kinks are checked against the continuity of u, and all of it against
    differences of the energy. Only if these agree, the user's own sum is judged, in the user's own precision.

    Args:
        model: a `torch.nn.Module` of x, a function of x such as `lambda x: x * (1 - x) * net(x)` whose network is
            found in what it holds, or with `parameters` a function of (parameters, x); piecewise smooth in x. It
            is given x of shape (n, 1), or (n,) if it does not take that, and returns one number a point, or m of them,
            (n, m). In JAX a function of (parameters, x), or a pytree such as an equinox module; of all points, or of
            one.
        density: L(x, u, du), elementwise in torch, all of shape (n,), of m outputs u and du (n, m); it may also take
            `ddu` and `parameters` (name → tensor), by these names. Trainable tensors that it takes from elsewhere, a
            stiffness of the script for instance, are judged like the model's parameters.
        domain: the interval.
        terms: further pairs of a density and a piece of the domain: an interval (a, b), None for all of it, a point or
            a list of points, of which the mean is taken (with data in its closure, a mean-square misfit). In several
            inputs a number or a pair for each, ((0, 1), 0) for a side of a square, a `Segment`, "boundary", a domain
            within, or points.
        loss_of: what is made of ∫ density dx and the terms, in this order, each a number: a Rayleigh quotient, a
            penalty of an integral, a logarithm. By default their sum.
        parameters: name → tensor, for a function; in JAX any pytree of arrays, as flax has them.
        rule: the named rule that is trained on, see `quadrature.grid`.
        quadrature: instead of a rule: n → nodes and weights; where they differ from call to call (Monte Carlo), the
            mean over draws is judged.
        loss: instead of both: the whole loss of (model, n). Its value has to tend to the integral of the density.
        ends: u, or u and u′, at both ends, each (2,) or (2, m) → a number that is added to the integral: a penalty, or
            what Nitsche's method adds.
        points: n that is trained with; the study goes on to 10 n and 100 n. Or all numbers, ascending.
        progress: called with the name of each step before it starts.

    Raises:
        InputError: a model, density or sum that cannot be judged; the message names the line to look at. Nothing else
            is raised, whatever the user's own code does.
    """
    with _refusing():
        several = in_several_inputs(domain)
        interval = (0.0, 1.0) if several else _interval(domain)
        under_audit, advise, told = trained(rule, quadrature, loss, points), None, None
        if several and ends is not None:
            raise InputError("ends: in several inputs there are none; a density alone would be right")
        progress("the model")
        if "jax" in sys.modules:
            from .jax import functions

            if functions.in_jax(model, parameters):
                from .jax.advice import advice
                from .jax.sums import Sums, made_of

                told = functions.read(model, parameters, density, ends, inputs_of(domain) if several else 1)
                model, parameters, density, ends = told.model, told.tensors, told.density, told.ends
                under_audit, advise = Sums(told).trained(under_audit), partial(advice, told)
                terms = [_told(told, pair) for pair in terms] if isinstance(terms, list | tuple) else terms
                loss_of = made_of(loss_of) if callable(loss_of) else loss_of
        if several:
            parts = stated_in_space(density, terms, loss_of, as_domain(domain), domain)
            return audit_in_space(model, parts, domain, parameters, under_audit, progress, told, advise)
        composed = stated(density, terms, loss_of, interval) if terms or loss_of is not None else None
        prepared = prepare(model, interval, parameters)
        if told is not None:
            told.check(prepared, probes(interval))
        if composed is None:
            ((density_of,), prepared) = borrow([(bind(density), probes(interval))], prepared)
            integral = state(check(density_of, prepared, probes(interval)), prepared, interval, ends)
        else:
            integral, prepared = compose(composed, prepared, interval, ends)
        progress("kinks")
        notes = _notes_on_precision(prepared)
        prepared, located, moving, said = _differentiable(prepared, integral)
        # Refused before anything that takes time.
        under_audit.of(prepared, integral)
        progress("exact gradient by two routes")
        located, exact = _exact(prepared, located, moving)
        integral = located.integral
        notes += [*said, *_notes_on_breaks(located)]
        judged_sum = under_audit.of(prepared, integral)
        # gradcheck needs float64; where the user's sum does not take that, it says so.
        double = partial(under_audit.of, prepared.double(), integral)
        if len(exact.ranked) < int((exact.heights != 0).sum()):
            notes.append(
                f"of {len(located.places):,} kinks the {len(exact.ranked):,} with the largest jumps of L were ranked"
            )
        progress("differences of the energy")
        routes = _routes(prepared, exact)
        study = Assessment(prepared, integral, exact, judged_sum, under_audit.sizes, tuple(routes), advise)
        if not all(r.passed for r in routes):
            return study.without_verdict(tuple(notes))
        progress(f"autodiff of {judged_sum.name}")
        judged, autodiff, draws = study.judge()
        # Before gradcheck, which moves parameters in place, so that graphs made before are of no use after it.
        integrals = () if composed is None else of_each(prepared, located, moving, under_audit)
        progress("torch.autograd.gradcheck")
        found = study.findings(judged, autodiff, draws, tuple(notes), gradcheck(double, under_audit.sizes[0]))
        return replace(found, integrals=integrals)


def _exact(model: Model, located: Located, moving: Tensor) -> tuple[Located, ExactSide]:
    """Both routes, with the weights of several integrals, and with nodes for where L grows without bound.

    Raises:
        InputError: see `exact_side`; or L grows so that its integral is infinite, or cannot be had to rounding.
    """
    while True:
        try:
            found = weighed(model, located)
            return found, exact_side(model, found, moving)
        except RoughError as rough:
            located = graded(model, located, rough)
            moving = located.moving(model)


@contextmanager
def _refusing() -> Iterator[None]:
    """Whatever is raised is a refusal in a sentence, with the user's line.

    Raises:
        InputError: in place of any exception.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"audit: {sentence(error)}{at(line_of_error(error))}; it cannot be judged where this is raised, and a "
            "model, density and loss that do not raise it would be right"
        ) from error


def _told(functions: Any, pair: Any) -> Any:
    """A density in JAX and its piece, the density told in torch; what is no such pair is handed on, to be refused."""
    if isinstance(pair, list | tuple) and len(pair) == 2 and callable(pair[0]):
        return replace(functions, written=pair[0]).density, pair[1]
    return pair


def _interval(domain: Any) -> tuple[float, float]:
    try:
        left, right = (float(e) for e in domain)
    except (TypeError, ValueError):
        raise InputError(f"domain: {domain!r} is no pair of numbers; (0, 1), for instance, would be right") from None
    if not (math.isfinite(left) and math.isfinite(right) and left < right):
        raise InputError(f"domain: ({left:g}, {right:g}) is no interval; finite ends in ascending order are right")
    return left, right


def _notes_on_precision(model: Model) -> list[str]:
    if model.dtype == torch.float64:
        return []
    name = str(model.dtype).removeprefix("torch.")
    return [f"the model is {name}: the exact side uses a copy in float64, autodiff is judged in {model.precision}"]


def _notes_on_breaks(located: Located) -> list[str]:
    notes = []
    inside = located.inside
    bracketed = int((~located.breaks.exact[inside]).sum())
    count = len(located.places)
    if bracketed:
        notes.append(f"{bracketed} of {count} kinks were bracketed and refined, the others solved for exactly")
    # Roots of what never reaches the edge of what they take are smooth, and there is nothing to say.
    silent = set(located.breaks.unknown) <= ROOTS and not (located.breaks.layers < 0).any()
    if located.breaks.unknown and not silent:
        names = ", ".join(sorted(set(located.breaks.unknown)))
        notes.append(f"{names}: not known to be smooth or how they break, so that jumps of u′ were searched for")
    if not located.breaks.settled:
        notes.append("the model oscillates so fast that searches for its kinks do not agree: some may be missing")
    many = MANY_STRAIGHT if located.integral.straight else MANY_KINKS
    if count > many:
        notes.append(f"{count:,} kinks are more than the {many:,} that this is fast for; it takes its time")
    return notes


def _differentiable(model: Model, integral: Integral) -> tuple[Model, Located, Tensor, list[str]]:
    """The model, or if its energy has no derivative a displaced one, which then is judged, and said to be."""
    located = locate(model, integral)
    moving = located.moving(model)
    why = degenerate(model, located)
    if not why:
        return model, located, moving, []
    generator = torch.Generator().manual_seed(0)
    vector = model.vector()
    size = float(vector.square().mean().sqrt()) or 1.0
    noise = torch.randn(len(vector), generator=generator, dtype=vector.dtype)
    # The user's type holds the displaced parameters too, so that both sides are at the same.
    moved = model.at(model.split((vector + DISPLACEMENT * size * noise).to(model.dtype).double()))
    found = locate(moved, integral)
    speeds = found.moving(moved)
    still = degenerate(moved, found)
    if still:
        raise InputError(
            f"model: its energy has no derivative, only one-sided ones: {still}, even with all parameters displaced; "
            "kinks that are apart from each other and from the ends would be right"
        )
    start = ", as biases that start at zero make it" if any(not p.any() for p in model.tensors) else ""
    note = (
        f"at these parameters the energy has only one-sided derivatives: {why}{start}. Judged beside them, all "
        f"parameters displaced by {DISPLACEMENT:.0%} of their size (normal, seed 0)"
    )
    return moved, found, speeds, [note]


def _routes(model: Model, exact: ExactSide) -> list[Route]:
    formula = exact.formula
    energy, conforming = exact.conforming
    scale = max(float(formula.bulk.norm()), float(formula.jump.norm()), rounding_floor(model, exact))
    names = ("jump formula", "nodes that follow the kinks")
    error = max(float((formula.total - conforming).norm()) / scale, abs(energy - formula.energy) / formula.magnitude)
    routes = [Route(*names, error, ROUTES)]
    if len(exact.located.places):
        off = float((formula.continued - formula.comparable).norm()) / scale
        routes.append(Route("speeds of the kinks by layer", "by continuity of u", off, _CONTINUITY))
    off = by_differences(model, exact.located.integral, formula.total, _DIFFERENCES * scale / 10) / scale
    routes.append(Route("exact gradient", "differences of the energy", off, _DIFFERENCES))
    return routes
