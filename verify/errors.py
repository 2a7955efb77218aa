"""The two ways of saying no: input that makes no sense, and a place where the energy has no derivative."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .line.kinks import Degeneracy
    from .statement.blocks import Blocks


class InputError(ValueError):
    """Input that cannot be used; the message is one sentence naming the value and what would be right."""


class NondifferentiableError(ArithmeticError):
    """The energy has no derivative at these parameters, only one-sided ones.

    Attributes:
        degeneracies: what coincides, with neurons and position (an empty tuple never occurs).
        left: derivative of the energy in each parameter from below, `None` where a Hessian was asked for.
        right: the same from above.
    """

    def __init__(
        self,
        message: str,
        degeneracies: tuple[Degeneracy, ...],
        left: Blocks | None = None,
        right: Blocks | None = None,
    ) -> None:
        super().__init__(message)
        self.degeneracies = degeneracies
        self.left = left
        self.right = right
