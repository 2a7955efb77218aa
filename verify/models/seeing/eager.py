"""Evaluation without torch.compile, which would not let operations be seen, nor a result be differentiated twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def eagerly(function: Callable[P, R]) -> Callable[P, R]:
    """The same function, left out of a compiled region, and calling what is compiled as if it were not."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        # Before torch 2.6 there is no such switch.
        stance: Any = getattr(torch.compiler, "set_stance", None)
        with stance("force_eager") if stance is not None else nullcontext():
            return function(*args, **kwargs)

    disabled: Callable[P, R] = torch.compiler.disable(run)  # type: ignore[no-untyped-call, unused-ignore]
    return disabled


def may_require_gradients() -> bool:
    """Inside the transforms of torch.func nothing may be made to."""
    try:
        torch.zeros(0).requires_grad_()
    except RuntimeError:
        return False
    return True
