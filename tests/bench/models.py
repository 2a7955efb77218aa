"""A user's model, energy and step of training, as the rows about them share it."""

from __future__ import annotations

import torch


def user_model(widths: tuple[int, ...]) -> torch.nn.Sequential:
    """A network as a user writes it, with torch's own initial parameters but kinks spread over the domain."""
    torch.manual_seed(0)
    modules: list[torch.nn.Module] = []
    for inputs, width in zip((1, *widths), widths, strict=False):
        modules += [torch.nn.Linear(inputs, width), torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules, torch.nn.Linear(widths[-1], 1)).double()
    with torch.no_grad():
        model[0].bias.copy_(-model[0].weight[:, 0] * torch.rand(widths[0]))
    return model


def ritz_density(x: torch.Tensor, u: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """½u′² − 4π² sin(2πx) u."""
    return slope**2 / 2 - 4 * torch.pi**2 * torch.sin(2 * torch.pi * x) * u


def ritz_step(model: torch.nn.Module, x: torch.Tensor, weights: torch.Tensor) -> None:
    """Energy and gradient as a Deep Ritz loss is written, u′ by autograd."""
    u = model(x[:, None])[:, 0]
    slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    (weights * ritz_density(x, u, slope)).sum().backward()
