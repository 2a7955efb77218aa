"""Two hidden layers, as a function of a dict of parameters and x. `kinkproof audit two_layers.py:energy`"""

import torch
from torch import Tensor

random = torch.Generator().manual_seed(1)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=random, dtype=torch.float64)


parameters = {
    "w1": drawn(16, 1), "b1": drawn(16), "w2": drawn(16, 16) / 4, "b2": drawn(16) / 4, "w3": drawn(1, 16) / 4,
}  # fmt: skip
domain = (0.0, 1.0)


def model(p: dict[str, Tensor], x: Tensor) -> Tensor:
    h = torch.relu(x @ p["w1"].T + p["b1"])
    h = torch.relu(h @ p["w2"].T + p["b2"])
    return x * (h @ p["w3"].T)


def energy(x: Tensor, u: Tensor, du: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    """−((1 + x) u′)′ = 1 with u(0) = 0, and a little weight decay."""
    decay = sum(p.square().sum() for p in parameters.values())
    return (1 + x) * du**2 / 2 - u + 1e-4 * decay
