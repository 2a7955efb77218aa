"""Nodes and weights that belong together: a gradient that reaches the weights alone has lost the nodes on the way."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor


def tied(nodes: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The same two tensors, with a warning at the backward pass where the nodes were detached and the weights not."""
    tie: Any = _Tied.apply
    found: tuple[Tensor, Tensor] = tie(nodes, weights)
    return found


class _Tied(torch.autograd.Function):
    @staticmethod
    def forward(nodes: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        return nodes.view_as(nodes), weights.view_as(weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        # So that what no gradient has reached is told from what a gradient of nought has.
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        at_nodes, at_weights = grad_outputs
        if at_nodes is None and at_weights is not None:
            warnings.warn(
                "the gradient reaches the weights of the conforming rule but not its nodes, which x.detach() cuts off "
                "from the parameters: the Dirac terms are lost again; the nodes as they are would be right",
                UserWarning,
                stacklevel=2,
            )
        return at_nodes, at_weights

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Tensor) -> tuple[Tensor, Tensor]:
        nodes, weights = grad_inputs
        return nodes.view_as(nodes), weights.view_as(weights)
