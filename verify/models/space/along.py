"""What breaks in a model of several inputs: shown by one line through its domain."""

from __future__ import annotations

import torch
from torch import Tensor

from ..seeing.trace import Function, Trace, trace


def seen_along(model: Function, box: Tensor, dtype: torch.dtype, device: torch.device, outputs: int) -> Trace:
    """What a model shows along one line through a box, as one number a point.

    Args:
        model: of points (n, d), in one input of (n,).
        box: the domain's, (d, 2).
        dtype: of the points.
        device: of the points.
        outputs: numbers that it gives a point.
    """
    weights = torch.arange(2, outputs + 2, dtype=dtype, device=device).sqrt()[None]
    low, length = float(box[0, 0]), float(box[0, 1] - box[0, 0])
    # Not a diagonal: nothing of the model is symmetric on it.
    start = torch.lerp(box[:, 0], box[:, 1], torch.linspace(0.13, 0.31, len(box), dtype=box.dtype)).to(device, dtype)
    ends = torch.lerp(box[:, 0], box[:, 1], torch.linspace(0.93, 0.71, len(box), dtype=box.dtype)).to(device, dtype)

    def along(t: Tensor) -> Tensor:
        if len(box) == 1:
            found = model(low + t * length)
        elif t.ndim == 1:
            found = model(torch.nn.functional.linear(t[:, None], (ends - start)[:, None], start))
        else:
            raise NotImplementedError
        return torch.nn.functional.linear(found.reshape(len(t), outputs), weights)[:, 0]

    return trace(along, (0.0, 1.0), dtype, device)
