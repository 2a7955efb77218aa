"""For the test suites of others: fail where autodiff's gradient of a loss is not that of its integral."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .models.telling.model_findings import ModelAudit


def assert_gradient_consistent(
    model: Callable[..., Any],
    density: Callable[..., Any] | None = None,
    domain: tuple[float, float] = (0.0, 1.0),
    tolerance: float = 0.0,
    **options: Any,
) -> ModelAudit:
    """Audit a model and its energy; fail with the report and the remedy if autodiff's gradient is not the integral's.

    Args:
        model: a `torch.nn.Module`, or a function of (parameters, x) with `parameters=`.
        density: L(x, u, du), see `kinkproof.verify.audit`; it may be left out where `terms=` says what is integrated.
        domain: the interval.
        tolerance: relative error of the whole gradient, on the finest grid, that is let pass although it does not
            vanish; by default none is.
        options: `quadrature=`, `loss=`, `terms=`, `loss_of=`, … of `kinkproof.verify.audit`.

    Returns:
        The audit, for further assertions.

    Raises:
        AssertionError: inconsistent beyond the tolerance, or no verdict; with the readable report and the remedy.
        InputError: what the audit cannot judge.

    Examples:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> model = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
        >>> assert_gradient_consistent(model, lambda x, u, du: du**2 / 2 - u).verdict
        'consistent'
    """
    from .models.model_audit import audit_model

    found = audit_model(model, density, domain, **options)
    total = found.total
    small = total is not None and max(total.missing, total.study.errors[-1]) <= tolerance
    if not (found.passed or (small and not found.blind)):
        raise AssertionError(f"autodiff's gradient of this loss is not that of its integral\n{found}")
    return found
