"""Activations with their derivatives by hand, as torch functions that autograd can differentiate once more."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...verify.choices import require_known
from .choices import Activation as ActivationName

# σ′ at a kink is taken from the left, as torch takes relu′(0) = 0.
LEAK = 0.01


@dataclass(frozen=True)
class Activation:
    """σ with what a Ritz or strong-form energy needs of it.

    Attributes:
        name: as users write it.
        jet: z (...) → (σ, σ′), each (...).
        curvature: z (...) → σ″ (...), the pointwise derivative: 0 for the piecewise linear ones.
        negative_slope: slope left of the kink for the piecewise linear activations, None for all others.
        breakpoint: is σ only piecewise smooth, with a break at z = 0?
    """

    name: ActivationName
    jet: Callable[[Tensor], tuple[Tensor, Tensor]]
    curvature: Callable[[Tensor], Tensor]
    negative_slope: float | None = None
    breakpoint: bool = False

    @property
    def kinked(self) -> bool:
        """Piecewise linear, so that its kinks carry Dirac terms."""
        return self.negative_slope is not None


def activation(name: str) -> Activation:
    """The activation of that name.

    Raises:
        InputError: unknown; the message lists the known ones.
    """
    name = _ALIASES.get(name, name)
    require_known("activation", name, _ACTIVATIONS)
    return _ACTIVATIONS[name]


def _relu(z: Tensor) -> tuple[Tensor, Tensor]:
    # relu′ has derivative 0 wherever it has one; this is where autodiff loses the Dirac terms.
    return torch.relu(z), (z > 0).to(z.dtype)


def _leaky_relu(z: Tensor) -> tuple[Tensor, Tensor]:
    slope = LEAK + (1 - LEAK) * (z > 0).to(z.dtype)
    return slope * z, slope


def _relu_squared(z: Tensor) -> tuple[Tensor, Tensor]:
    positive = torch.relu(z)
    return positive * positive, 2 * positive


def _relu_cubed(z: Tensor) -> tuple[Tensor, Tensor]:
    positive = torch.relu(z)
    return positive**3, 3 * positive * positive


def _tanh(z: Tensor) -> tuple[Tensor, Tensor]:
    value = torch.tanh(z)
    return value, 1 - value * value


def _sigmoid(z: Tensor) -> tuple[Tensor, Tensor]:
    value = torch.sigmoid(z)
    return value, value * (1 - value)


def _softplus(z: Tensor) -> tuple[Tensor, Tensor]:
    return -torch.nn.functional.logsigmoid(-z), torch.sigmoid(z)


def _swish(z: Tensor) -> tuple[Tensor, Tensor]:
    gate = torch.sigmoid(z)
    value = z * gate
    return value, gate + value * (1 - gate)


def _gelu(z: Tensor) -> tuple[Tensor, Tensor]:
    gate = (1 + torch.erf(z / math.sqrt(2))) / 2
    return z * gate, gate + z * _normal_density(z)


def _sin(z: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sin(z), torch.cos(z)


def _normal_density(z: Tensor) -> Tensor:
    return torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _tanh_curvature(z: Tensor) -> Tensor:
    value = torch.tanh(z)
    return -2 * value * (1 - value * value)


def _sigmoid_curvature(z: Tensor) -> Tensor:
    value = torch.sigmoid(z)
    return value * (1 - value) * (1 - 2 * value)


def _softplus_curvature(z: Tensor) -> Tensor:
    slope = torch.sigmoid(z)
    return slope * (1 - slope)


def _swish_curvature(z: Tensor) -> Tensor:
    gate = torch.sigmoid(z)
    return gate * (1 - gate) * (2 + z * (1 - 2 * gate))


_ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("relu", _relu, torch.zeros_like, negative_slope=0.0, breakpoint=True),
        Activation("leaky-relu", _leaky_relu, torch.zeros_like, negative_slope=LEAK, breakpoint=True),
        Activation("relu2", _relu_squared, lambda z: 2 * (z > 0).to(z.dtype), breakpoint=True),
        # Smooth enough for an energy in u′, and in u″: nothing of it jumps.
        Activation("relu3", _relu_cubed, lambda z: 6 * torch.relu(z)),
        Activation("tanh", _tanh, _tanh_curvature),
        Activation("sigmoid", _sigmoid, _sigmoid_curvature),
        Activation("softplus", _softplus, _softplus_curvature),
        Activation("swish", _swish, _swish_curvature),
        Activation("gelu", _gelu, lambda z: (2 - z * z) * _normal_density(z)),
        Activation("sin", _sin, lambda z: -torch.sin(z)),
    )
}
_ALIASES = {"silu": "swish"}
ACTIVATIONS = tuple(_ACTIVATIONS)
