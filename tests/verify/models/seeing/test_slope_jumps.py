from __future__ import annotations

import pytest
import torch
from kinkproof.verify.models.seeing.breaks import find_breaks
from kinkproof.verify.models.seeing.slope_jumps import slope_jumps
from torch import Tensor, nn

ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.LeakyReLU, nn.Hardtanh, nn.GELU, nn.PReLU, nn.Softplus)


def mixed_model(seed: int) -> nn.Sequential:
    """Layers of 12 neurons with kinked and smooth activations in turn, as the seed has it."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    modules: list[nn.Module] = []
    for inputs in (1, 12, 12):
        which = int(torch.randint(len(ACTIVATIONS), (1,), generator=generator))
        modules += [nn.Linear(inputs, 12), ACTIVATIONS[which]()]
    return nn.Sequential(*modules, nn.Linear(12, 1)).double()


@pytest.mark.parametrize("seed", range(4))
def test_the_slopes_show_no_break_that_the_search_has_missed(seed: int) -> None:
    model = mixed_model(seed)

    def function(x: Tensor) -> Tensor:
        return x * (1.5 - x) * model(x)

    breaks = find_breaks(function, (-1, 1))

    def value(x: Tensor) -> Tensor:
        return breaks.trace.value(function, x)

    assert len(slope_jumps(value, breaks.places, (-1, 1), torch.float64)) == 0
    if len(breaks):
        # One that is left out is seen, if it shows in the output at all.
        left_out = slope_jumps(value, breaks.places[1:], (-1, 1), torch.float64)
        assert len(left_out) <= 1
        if len(left_out):
            assert float(left_out[0]) == pytest.approx(float(breaks.places[0]), abs=1e-12)


def test_one_that_is_left_out_is_seen() -> None:
    seen = 0
    for seed in range(4):
        model = mixed_model(seed)
        breaks = find_breaks(model, (-1, 1))
        seen += len(slope_jumps(lambda x, m=model: m(x[:, None])[:, 0], breaks.places[1:], (-1, 1), torch.float64))
    assert seen >= 2


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Softplus, nn.GELU])
def test_smooth_models_give_no_alarm(activation: type[nn.Module]) -> None:
    for seed in range(3):
        torch.manual_seed(seed)
        layers = [nn.Linear(1, 20), activation(), nn.Linear(20, 20), activation(), nn.Linear(20, 1)]
        model = nn.Sequential(*layers).double()
        with torch.no_grad():
            model[0].weight.mul_(10)
        nothing = torch.zeros(0, dtype=torch.float64)
        assert len(slope_jumps(lambda x, m=model: m(x[:, None])[:, 0], nothing, (0, 1), torch.float64)) == 0
