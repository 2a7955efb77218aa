from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver import fit
from kinkproof.solver.data.strong_solution import strong_solution
from kinkproof.solver.free_knots.density import kink_density
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.training.starts import initial_parameters
from kinkproof.verify import InputError, RitzProblem, problems

RELU = Architecture.of(20, "relu")
SEEDS = tuple(range(200))


def kinks(theta: torch.Tensor) -> np.ndarray:
    w, b, _ = theta.chunk(3, -1)
    return (-b / w).numpy()


def test_the_papers_start_puts_a_quarter_of_the_kinks_inside() -> None:
    place = kinks(initial_parameters(problems["sine-2"], RELU, "paper", SEEDS))
    # 4,000 kinks: four standard deviations are 0.027.
    assert ((place > 0) & (place < 1)).mean() == pytest.approx(0.25, abs=0.028)


@pytest.mark.parametrize("initial", ["even", "density"])
def test_spread_kinks_lie_one_in_each_cell_and_face_right_and_left_in_turn(initial: str) -> None:
    problem = RitzProblem(source="pi**2/36*sin(pi*(x + 5)/6)", domain=(-5, 7), solution="sin(pi*(x + 5)/6)", name="m")
    theta = initial_parameters(problem, RELU, initial, SEEDS)
    density = kink_density(strong_solution(problem))
    shares = np.arange(21) / 20
    edges = -5 + 12 * shares if initial == "even" else density.place(shares)
    place = kinks(theta)
    assert (place >= edges[:-1] - 1e-12).all()
    assert (place <= edges[1:] + 1e-12).all()
    assert (np.sign(theta[:, :20].numpy()) == np.where(np.arange(20) % 2, -1, 1)).all()
    assert np.unique(place, axis=0).shape == (200, 20)


def test_torchs_own_start_scales_the_biases_of_deeper_layers() -> None:
    deep = Architecture.of((5, 7), "relu")
    paper, own = (initial_parameters(problems["sine-2"], deep, n, SEEDS) for n in ("paper", "torch"))
    layers, output = deep.split(own)
    bound = float(torch.nn.Linear(5, 7).bias.detach().abs().max())
    assert float(layers[1].biases.abs().max()) <= 5**-0.5
    assert float(layers[1].biases.abs().max()) == pytest.approx(bound, rel=0.5)
    assert torch.equal(layers[0].biases, deep.split(paper)[0][0].biases)
    assert torch.equal(output, deep.split(paper)[1])
    assert torch.equal(
        initial_parameters(problems["sine-2"], RELU, "torch", (1, 2)),
        initial_parameters(problems["sine-2"], RELU, "paper", (1, 2)),
    )


def test_what_has_no_kinks_to_spread_is_refused() -> None:
    for more, named in (
        ({"initial": "xavier"}, "one of paper, torch, even, density"),
        ({"initial": "even", "width": (5, 5)}, "one hidden layer"),
        ({"initial": "density", "activation": "tanh"}, "tanh"),
        ({"initial": "even", "start": np.zeros((1, 60))}, "beside a start"),
    ):
        with pytest.raises(InputError, match=named):
            fit(problems["sine-2"], steps=1, **more)  # type: ignore[arg-type]


def test_a_run_may_be_the_start() -> None:
    run = fit(problems["sine-2"], 5, gradient="exact", steps=3, seeds=range(2))
    on = fit(problems["sine-2"], 5, gradient="exact", steps=1, record=1, initial=run)
    np.testing.assert_array_equal(on.history.parameters[0], run.parameters)
    assert on.settings.initial == "given"
    with pytest.raises(InputError, match="beside a start"):
        fit(problems["sine-2"], 5, steps=1, initial=run, start=run)
