"""Networks of one output, batched over seeds: x ↦ c·σ(W … σ(w x + b) … + b), Eq. (3) and deeper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...verify.errors import InputError
from .activations import Activation, activation

# torch.Generator takes seeds up to 2⁶⁴ − 1; beyond 2⁶³ − 1 it no longer tells them apart from negative ones.
_LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Layer:
    """One hidden layer's parameters: weights (B, N_out, N_in) and biases (B, N_out)."""

    weights: Tensor
    biases: Tensor


@dataclass(frozen=True)
class Architecture:
    """Widths of the hidden layers and the activation between them.

    The parameters of one network are a vector of P numbers: for one hidden layer hidden weights, hidden biases,
    output weights, as `ShallowNetwork.ravel` has them; for more, each layer's weights (row by row) and biases in turn,
    then the output weights. As in Eq. (3) there is no output bias.

    Attributes:
        widths: neurons of each hidden layer.
        activation: between the layers.
        inputs: how many, d.
    """

    widths: tuple[int, ...]
    activation: Activation
    inputs: int = 1

    @classmethod
    def of(cls, width: int | Sequence[int], name: str, inputs: int = 1) -> Architecture:
        """From what a user writes: 20 or (20, 20), and the name of an activation.

        Raises:
            InputError: no positive whole numbers, or an unknown activation.
        """
        listed = list(width) if isinstance(width, Sequence) and not isinstance(width, str) else [width]
        widths = tuple(n for n in listed if isinstance(n, int) and not isinstance(n, bool) and n > 0)
        if not widths or len(widths) < len(listed):
            raise InputError(f"width: {width!r} is no layer; a whole number from 1 on, or several, would be right")
        return cls(widths, activation(name), inputs)

    @property
    def shallow(self) -> bool:
        """One hidden layer."""
        return len(self.widths) == 1

    @property
    def parameters(self) -> int:
        """P, their number."""
        inputs = (self.inputs, *self.widths[:-1])
        return sum(n * (m + 1) for n, m in zip(self.widths, inputs, strict=True)) + self.widths[-1]

    def split(self, theta: Tensor) -> tuple[list[Layer], Tensor]:
        """Parameter vectors (B, P) → the hidden layers and the output weights (B, N)."""
        layers, start, inputs = [], 0, self.inputs
        for n in self.widths:
            weights = theta[..., start : start + n * inputs].reshape(*theta.shape[:-1], n, inputs)
            start += n * inputs
            layers.append(Layer(weights, theta[..., start : start + n]))
            start, inputs = start + n, n
        return layers, theta[..., start:]

    def initial(self, seeds: Sequence[int], dtype: torch.dtype = torch.float64) -> Tensor:
        """Starting parameters (B, P), one row a seed and independent of the other rows.

        The first layer's weights and all biases are uniform in (−1, 1), all other weights in ±1/√(inputs).

        Raises:
            InputError: no seeds, or one that is no whole number from 0 on.
        """
        if not len(seeds):
            raise InputError("seeds: there are none; range(4), say, would be right")
        ranges = []
        for n, inputs in zip(self.widths, (self.inputs, *self.widths[:-1]), strict=True):
            ranges += [torch.full((n * inputs,), inputs**-0.5, dtype=torch.float64), torch.ones(n, dtype=torch.float64)]
        ranges.append(torch.full((self.widths[-1],), self.widths[-1] ** -0.5, dtype=torch.float64))
        scale = torch.cat(ranges)
        rows = []
        for seed in seeds:
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _LARGEST_SEED:
                raise InputError(f"seeds: {seed!r} is no seed; whole numbers from 0 on would be right")
            generator = torch.Generator().manual_seed(seed)
            uniform = torch.rand(self.parameters, generator=generator, dtype=torch.float64) * 2 - 1
            rows.append(scale * uniform)
        return torch.stack(rows).to(dtype)

    def value_and_slope(self, theta: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The network and its derivative in x, Eqs. (3) and (6) without D, both (B, n).

        Args:
            theta: (B, P).
            x: (n,) for all, or (B, n).
        """
        layers, output = self.split(theta)
        z = x[..., :, None] * layers[0].weights.mT + layers[0].biases[..., None, :]
        h, gate = self.activation.jet(z)
        if self.shallow:
            # The slope of z is w: a product with c first, and one matrix product instead of two passes over (n, N).
            return _dot(h, output), _dot(gate, output * layers[0].weights[..., 0])
        slope = gate * layers[0].weights.mT
        for layer in layers[1:]:
            h, gate = self.activation.jet(h @ layer.weights.mT + layer.biases[..., None, :])
            slope = gate * (slope @ layer.weights.mT)
        return _dot(h, output), _dot(slope, output)

    def value_and_gradient(self, theta: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The network (B, n) and its gradient in x (B, n, d), for any number of inputs.

        Args:
            theta: (B, P).
            x: (n, d) for all, or (B, n, d).
        """
        layers, output = self.split(theta)
        h, gate = self.activation.jet(x @ layers[0].weights.mT + layers[0].biases[..., None, :])
        if self.shallow:
            return _dot(h, output), (gate * output[..., None, :]) @ layers[0].weights
        slope = gate[..., None, :] * layers[0].weights.mT[..., None, :, :]
        for layer in layers[1:]:
            h, gate = self.activation.jet(h @ layer.weights.mT + layer.biases[..., None, :])
            slope = gate[..., None, :] * (slope @ layer.weights.mT[..., None, :, :])
        return _dot(h, output), (slope @ output[..., None, :, None])[..., 0]

    def curvature(self, theta: Tensor, x: Tensor) -> Tensor:
        """The network's second derivative in x as its activation has it pointwise, (B, n)."""
        layers, output = self.split(theta)
        h, slope, bend = x[..., :, None], torch.ones_like(x)[..., :, None], torch.zeros_like(x)[..., :, None]
        for layer in layers:
            turned = layer.weights.mT
            z, z_slope, z_bend = h @ turned + layer.biases[..., None, :], slope @ turned, bend @ turned
            h, gate = self.activation.jet(z)
            bend = self.activation.curvature(z) * z_slope * z_slope + gate * z_bend
            slope = gate * z_slope
        return _dot(bend, output)


def _dot(h: Tensor, output: Tensor) -> Tensor:
    """(B, n, N) times (B, N) → (B, n)."""
    return (h @ output[..., :, None])[..., 0]
