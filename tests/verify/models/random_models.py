"""Random models of all kinds for the audit, and what `verify.deep` knows of the ReLU ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from kinkproof.verify.deep import DeepNetwork
from kinkproof.verify.deep.gradient import deep_gradient
from kinkproof.verify.statement.density import Density
from numpy.typing import NDArray
from torch import Tensor, nn

# The density of MATH 1, in torch and as text.
TEXT = "du**2/2 + du**4/10 + 3*u**3/10 - sin(3*x)*u"
SMOOTH = {"tanh": nn.Tanh, "softplus": nn.Softplus, "gelu": nn.GELU}


def density(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return du**2 / 2 + 0.1 * du**4 + 0.3 * u**3 - torch.sin(3 * x) * u


class Ritz(nn.Module):
    """x(1 − x) times a network."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        product: Tensor = x * (1 - x) * self.net(x)
        return product


def network(seed: int, activation: Callable[[], nn.Module] = nn.ReLU, dtype: torch.dtype = torch.float64) -> nn.Module:
    """One to four hidden layers of 1 to 32 neurons."""
    draw = torch.Generator().manual_seed(seed)
    widths = [int(torch.randint(1, 33, (1,), generator=draw)) for _ in range(1 + seed % 4)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, outputs in zip([1, *widths[:-1]], widths, strict=True):
            layers += [nn.Linear(inputs, outputs), activation()]
        return nn.Sequential(*layers, nn.Linear(widths[-1], 1)).to(dtype)


def reference(model: nn.Sequential, digits: int = 50) -> tuple[float, NDArray[Any], int]:
    """Energy, gradient in torch's order of the parameters, and number of kinks, at so many digits."""
    linear = [m for m in model if isinstance(m, nn.Linear)]
    weights, biases = ([getattr(m, n).detach().numpy() for m in linear] for n in ("weight", "bias"))
    exact = DeepNetwork(weights[:-1], biases[:-1], weights[-1], biases[-1].item())
    found = deep_gradient(Density(TEXT), exact, digits=digits)
    total = found.total
    pairs = [*zip(total.hidden_weights, total.hidden_biases, strict=True), (total.output_weights, [total.output_bias])]
    rows = [np.asarray(part, dtype=float).ravel() for pair in pairs for part in pair]
    return float(found.energy), np.concatenate(rows), len(found.kinks)


def bar(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return du**2 / 2 - torch.cos(x) * u


def kinked(width: int = 8, seed: int = 0) -> nn.Sequential:
    """One hidden layer, all of whose kinks lie inside (0, 1)."""
    draw = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 1)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.randn(width, 1, generator=draw, dtype=torch.float64))
        places = (torch.arange(width) + torch.rand(width, generator=draw, dtype=torch.float64)) / width
        net[0].bias.copy_(-net[0].weight[:, 0] * places)
        net[2].weight.copy_(torch.randn(1, width, generator=draw, dtype=torch.float64))
        net[2].bias.zero_()
    return net


def wrapped(seed: int, activation: Callable[[], nn.Module] = nn.ReLU, dtype: torch.dtype = torch.float64) -> nn.Module:
    net = network(seed, activation, dtype)
    return Ritz(net) if seed % 2 else net
