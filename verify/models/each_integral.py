"""Of a loss that is a function of several integrals: what autodiff makes of each of them."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .assessment import Assessment
from .judging.exact_side import Located, exact_side
from .judging.trained import Trained
from .seeing.model import Model
from .telling.model_findings import NO_VERDICT, IntegralFinding


def of_each(model: Model, located: Located, moving: Tensor, under_audit: Trained) -> tuple[IntegralFinding, ...]:
    """The value of each term, how much it counts, and the verdict on autodiff's gradient of it alone.

    A mean over points has nothing that moves. Inside a loss of the user's own the sums of its terms cannot be seen: how
    much of their gradients autodiff misses is known, and no verdict given.

    Args:
        model: as prepared.
        located: its breaks; whose integral has the weights.
        moving: the breaks inside as functions of the parameters, (K,).
        under_audit: what is trained.
    """
    whole = located.integral
    assert whole.composed is not None
    found = []
    for k, (term, weight) in enumerate(zip(whole.composed.terms, whole.weights, strict=True)):
        if term.points is not None:
            value = float(term.mean(model, model.vector().dtype).detach())
            found.append(IntegralFinding(term.name, term.piece, value, weight, 0.0, "exact"))
            continue
        # The others stay, with no weight, since the breaks were found among the operations of all.
        only = whole.composed.only(k)
        integral = replace(whole, composed=only, ends=None).weighed(
            tuple(float(j == k) for j in range(len(only.terms)))
        )
        exact = exact_side(model, replace(located, integral=integral), moving)
        judged = Assessment(model, integral, exact, under_audit.of(model, integral), under_audit.sizes, ())
        norm, dirac = float(exact.formula.total.norm()), float(exact.formula.jump.norm())
        verdict = NO_VERDICT if under_audit.loss is not None else judged.judge()[0][-1].verdict
        missing = dirac / norm if norm else 0.0
        found.append(IntegralFinding(term.name, term.piece, exact.formula.energy, weight, missing, verdict))
    return tuple(found)
