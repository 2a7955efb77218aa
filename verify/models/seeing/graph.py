"""What autograd's graph of a tensor ends in."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def leaves(*tensors: Tensor) -> list[Tensor]:
    """The leaf tensors that a gradient of these tensors would reach, each once, in the order they are met."""
    found: dict[int, Tensor] = {id(t): t for t in tensors if t.requires_grad and t.grad_fn is None}
    waiting: list[Any] = [t.grad_fn for t in tensors if t.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            found.setdefault(id(variable), variable)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return list(found.values())
