"""`audit`: asked of AD systems for a problem of ours, or of a user's own model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, overload

from .choices import Rule
from .errors import InputError
from .statement.network import ShallowNetwork
from .statement.plane import PlaneProblem
from .statement.plane_network import PlaneNetwork
from .statement.problem import RitzProblem
from .systems.findings import Audit
from .systems.method import Method
from .systems.plane_findings import PlaneAudit
from .systems.plane_refinement import PLANE_POINTS, audit_plane
from .systems.refinement import POINTS, audit_systems

if TYPE_CHECKING:
    from .models.telling.model_findings import ModelAudit


@overload
def audit(
    problem: RitzProblem,
    network: ShallowNetwork | None = None,
    methods: Iterable[Method] | None = None,
    points: tuple[int, ...] = POINTS,
    rule: Rule = "midpoint",
    progress: Callable[[str], None] = ...,
    executor: Executor | None = ...,
) -> Audit: ...


@overload
def audit(
    problem: PlaneProblem,
    network: PlaneNetwork | None = None,
    methods: Iterable[Method] | None = None,
    points: tuple[int, ...] = PLANE_POINTS,
    progress: Callable[[str], None] = ...,
    executor: Executor | None = ...,
) -> PlaneAudit: ...


@overload
def audit(
    model: Callable[..., Any],
    density: Callable[..., Any] | None = None,
    domain: tuple[float, float] = (0.0, 1.0),
    *,
    terms: Sequence[Any] = (),
    loss_of: Callable[..., Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    rule: Rule = "midpoint",
    quadrature: Callable[[int], Any] | None = None,
    loss: Callable[[Any, int], Any] | None = None,
    ends: Callable[[Any], Any] | None = None,
    points: int | tuple[int, ...] = 100,
    progress: Callable[[str], None] = ...,
) -> ModelAudit: ...


def audit(*subject: Any, **options: Any) -> Audit | PlaneAudit | ModelAudit:
    """Is autodiff's gradient that of the integral? Asked of AD systems for a problem of ours, or of a user's own model.

    `audit(problem, network, …)` judges AD systems, see `audit_systems`, and `audit_plane` for a `PlaneProblem`;
    `audit(model, density, domain, …)` judges a model in torch, see `models.model_audit.audit_model`.

    Args:
        subject: a `RitzProblem` or a `PlaneProblem` and what goes with it, or a `torch.nn.Module` (or a function of
            parameters and x) and its density.
        options: see there.

    Raises:
        InputError: see there.
        NondifferentiableError: the energy has no gradient at the network of ours.
    """
    first = subject[0] if subject else options.get("problem", options.get("model"))
    if isinstance(first, RitzProblem):
        return audit_systems(*subject, **options)
    if isinstance(first, PlaneProblem):
        return audit_plane(*subject, **options)
    if not callable(first):
        raise InputError(
            f"audit: it was given {type(first).__name__}; a RitzProblem, or a torch model and its density, is right"
        )
    # torch is imported only for those who bring a model.
    from .models.model_audit import audit_model

    return audit_model(*subject, **options)
