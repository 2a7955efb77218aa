"""The same term in DeepXDE, on its geometry. `DDE_BACKEND=pytorch python missing_term_deepxde.py [STEPS]`"""

import math
import sys
from typing import Any

import deepxde as dde
import torch
from kinkproof.solver import dirac_term
from torch import Tensor

dde.config.set_default_float("float64")
geometry = dde.geometry.Rectangle([0, 0], [1, 1])


def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    """−Δu = 2π² sin πx sin πy."""
    return (du**2).sum(1) / 2 - 2 * math.pi**2 * torch.sin(math.pi * x).prod(1) * u


def on_points(x: Tensor, u: Tensor) -> Tensor:
    density = energy(x, u[:, 0], dde.grad.jacobian(u, x, i=0))
    return density[:, None]


def train(steps: int, with_term: bool) -> float:
    """Relative error of ∇u at the end, in L²."""
    dde.config.set_random_seed(0)
    net = dde.nn.FNN([2, 40, 1], "relu", "Glorot uniform")
    with torch.no_grad():  # DeepXDE starts with biases of zero, all kinks through one corner: spread them
        net.linears[0].bias.uniform_(-0.7, 0.7)
    net.apply_output_transform(lambda x, y: 16 * (x * (1 - x)).prod(1, keepdim=True) * y)

    def loss(target: Tensor, value: Tensor) -> Tensor:
        mean = value.mean()
        return mean + dirac_term(energy, net, geometry) if with_term and torch.is_grad_enabled() else mean

    data = dde.data.PDE(geometry, on_points, [], num_domain=500)
    model = dde.Model(data, net)
    model.compile("adam", lr=3e-3, loss=loss, decay=("cosine", steps, 0))
    anew: Any = dde.callbacks.PDEPointResampler(period=1)
    model.train(iterations=steps, callbacks=[anew], display_every=steps, verbose=0)
    x = torch.rand(20_000, 2, dtype=torch.float64, requires_grad=True)
    (du,) = torch.autograd.grad(net(x).sum(), x)
    angle = math.pi * x.detach()
    wanted = math.pi * torch.cos(angle) * torch.sin(angle).flip(1)
    return float((du - wanted).norm() / wanted.norm())


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    for with_term in (False, True):
        print(f"{'with' if with_term else 'without'} the term: error of the gradient {train(steps, with_term):.4f}")
