from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import BoxRun, fit, fit_box
from kinkproof.solver.boxes.energy import BoxObjective
from kinkproof.solver.boxes.points import SAMPLINGS
from kinkproof.solver.boxes.training import BoxObservation
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.verify import BoxProblem, InputError, box_problems, problems

SQUARE = box_problems["sine-square"]
SHORT: dict[str, Any] = {"steps": 30, "points": 100, "seeds": range(2)}


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(
    "name", ["sine-line", *(pytest.param(n, marks=pytest.mark.slow) for n in ("two-material-plate", "peak-cube"))]
)
def test_every_sampling_lowers_the_energy_in_any_number_of_inputs(name: str, sampling: str) -> None:
    # A hundred points are too few for a peak in a cube: the sum over them falls, the integral rises.
    many = {**SHORT, "points": 1000}
    run = fit_box(box_problems[name], (16, 12), gradient="exact", sampling=sampling, learning_rate=1e-2, **many)
    assert (run.energy[-1] < run.energy[0]).all()
    assert (run.energy_gap > 0).all()
    assert run.steps.tolist() == [0, 30]
    assert ((run.angle > 0) & (run.angle < 180)).all()


def test_the_same_seed_gives_the_same_numbers_in_any_company() -> None:
    once, again = (fit_box(SQUARE, 10, gradient="exact", **SHORT) for _ in range(2))
    assert once == again
    alone = fit_box(SQUARE, 10, gradient="exact", **{**SHORT, "seeds": [1]})
    # Sums run in another order in a batch of another size.
    np.testing.assert_allclose(once.parameters[1], alone.parameters[0], rtol=0, atol=1e-9)


def test_points_drawn_anew_differ_from_fixed_ones_and_lines_do_not_move_them() -> None:
    ends = {s: fit_box(SQUARE, 10, sampling=s, **SHORT).parameters for s in SAMPLINGS}
    assert not np.allclose(ends["anew"], ends["fixed"])
    assert not np.allclose(ends["anew"], ends["grid"])
    architecture = Architecture.of(10, "relu", 2)
    theta = architecture.initial([0, 1])
    wrong, right = (
        BoxObjective(SQUARE, architecture, g, 100, "anew", None, [0, 1], torch.float64) for g in ("autodiff", "exact")
    )
    sums = [(wrong.gradient(theta)[0], right.gradient(theta)[0]) for _ in range(3)]
    assert all(torch.equal(a, b) for a, b in sums)
    assert not torch.equal(sums[0][0], sums[1][0])


@pytest.mark.long
def test_in_one_input_points_drawn_anew_end_where_autodiff_must_and_the_term_leads_on() -> None:
    many: dict[str, Any] = {"steps": 3000, "points": 200, "seeds": range(4), "learning_rate": 5e-3}
    wrong, right = (fit_box(box_problems["sine-line"], 20, gradient=g, **many) for g in ("autodiff", "exact"))
    # MATH 12: the gap of autodiff is 0.00956 whatever the width; the noise of the points leaves it a little above.
    assert np.median(wrong.energy_gap) == pytest.approx(0.00956, rel=0.1)
    # A start may be caught in a minimum as high; measured with other starts: three of four at 0.0026.
    assert np.median(right.energy_gap) < np.median(wrong.energy_gap) / 2


def test_a_run_is_read_as_it_was_saved(tmp_path: Path) -> None:
    run = fit_box(SQUARE, 6, **SHORT)
    assert BoxRun.load(run.save(tmp_path / "run.npz")) == run
    x = np.array([[0.25, 0.5], [0.0, 0.5]])
    assert run.field(x).shape == (2, 2)
    assert (run.field(x)[:, 1] == 0).all()
    assert [z.shape for z in run.preactivations(x)] == [(2, 6)]
    with pytest.raises(InputError, match="no such file"):
        BoxRun.load(tmp_path / "none.npz")


def test_without_a_known_solution_there_is_an_energy_but_no_gap() -> None:
    run = fit_box(BoxProblem(source="1"), 6, **SHORT)
    assert (run.energy_error < 0.05 * np.abs(run.energy)).all()
    assert np.isnan(run.gradient_error).all()
    with pytest.raises(InputError, match="no known solution"):
        _ = run.energy_gap


def test_callbacks_see_the_gap_and_may_end_the_run() -> None:
    seen: list[BoxObservation] = []

    def enough(now: BoxObservation) -> bool:
        seen.append(now)
        return now.step >= 10

    run = fit_box(SQUARE, 6, record=10, callbacks=[enough], **SHORT)
    assert [s.step for s in seen] == [0, 10] == run.steps.tolist()
    assert seen[-1].gap is not None
    np.testing.assert_array_equal(seen[-1].gap, run.energy_gap)
    assert run.stops == ("step 10: a callback ended the run",) * 2


def test_a_network_that_diverges_keeps_its_last_finite_parameters() -> None:
    with pytest.warns(RuntimeWarning, match="diverged"):
        run = fit_box(SQUARE, 6, learning_rate=1e200, schedule=None, **SHORT)
    assert np.isfinite(run.parameters).all()
    assert all("not finite" in s for s in run.stops)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"gradient": "dirac-mean"}, "gradient: 'dirac-mean' is unknown"),
        ({"activation": "tanh", "gradient": "exact"}, "gradient: tanh has no kinks"),
        ({"sampling": "sobol"}, "sampling: 'sobol' is unknown; one of grid, fixed, anew"),
        ({"lines": 20}, "lines: 'autodiff' takes none"),
        ({"lines": 1, "gradient": "exact"}, "lines: 1 is not one along each of 2 axes"),
        ({"points": 0}, "points: 0 is too few"),
        ({"steps": True}, "steps: True is too few or no whole number"),
        ({"learning_rate": -1.0}, "learning_rate: -1.0 trains nothing"),
        ({"seeds": 3}, r"seeds: 3 is a number; several, such as range\(3\)"),
        ({"seeds": []}, "seeds: there are none"),
        ({"initial": "even"}, "initial: 'even' is unknown; one of torch, paper"),
        ({"dtype": "float16"}, "dtype: 'float16' is unknown"),
        ({"schedule": "linear"}, "schedule: 'linear' is unknown"),
        ({"width": 0}, "width: 0 is no layer"),
    ],
)
def test_bad_input_ends_in_one_sentence(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit_box(SQUARE, **{**SHORT, "width": 6, **wrong})
    with pytest.raises(InputError, match="is no BoxProblem"):
        fit_box(problems["sine-2"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"problem: sine-square is stated in a box of 2 inputs.* fit_box\(problem"):
        fit(SQUARE)  # type: ignore[arg-type]


@pytest.mark.long
def test_in_the_plane_the_term_brings_the_gap_down_to_a_quarter() -> None:
    """The setting of MATH 10: 40 units, 500 points drawn anew, ADAM 3e-3 with cosine decay, 4,000 steps.

    Measured: 0.01093 and 0.00273. The bound of a quarter is just met; a third tells whether the term works.
    """
    wrong, right = (fit_box(SQUARE, 40, gradient=g, seeds=range(8), record=4000) for g in ("autodiff", "exact"))
    assert np.median(right.energy_gap) < np.median(wrong.energy_gap) / 3
    assert (right.energy_gap < wrong.energy_gap / 2).all()
