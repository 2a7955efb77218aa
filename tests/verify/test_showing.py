from __future__ import annotations

import pickle
import re
import sys
from dataclasses import fields
from importlib import metadata
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import sympy
import torch
from kinkproof.solver import Landscape, Run, Spectrum, autodiff_limit, convergence, fit, landscape, solve, spectrum
from kinkproof.verify import (
    DeepNetwork,
    InputError,
    PlaneNetwork,
    RitzProblem,
    ShallowNetwork,
    audit,
    derive,
    exact_gradient,
    plane_problems,
    problems,
)
from kinkproof.verify.models.telling.model_findings import ModelAudit
from kinkproof.verify.showing import GROUP, html_table
from kinkproof.verify.systems.findings import Audit

mpl.use("Agg")
SINE = problems["sine-2"]
NETWORK = ShallowNetwork.random(20)


@pytest.fixture(scope="module")
def run() -> Run:
    return fit(SINE, width=3, steps=4, seeds=range(3), record=2)


@pytest.fixture(scope="module")
def model_audit() -> ModelAudit:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)).double()
    return audit(model, lambda x, u, du: du**2 / 2 - x * u, points=(20, 40, 80))


@pytest.fixture(scope="module")
def of_systems() -> Audit:
    return audit(SINE, ShallowNetwork.random(3), methods=(), points=(20, 200, 2000))


@pytest.fixture(scope="module")
def scanned() -> Landscape:
    return landscape(SINE, ShallowNetwork.random(3), resolution=5)


@pytest.fixture(scope="module")
def hessian() -> Spectrum:
    return spectrum(SINE, ShallowNetwork.random(3))


def test_what_a_prompt_shows_is_a_line_or_two(
    run: Run, model_audit: ModelAudit, of_systems: Audit, scanned: Landscape, hessian: Spectrum
) -> None:
    shown: list[Any] = [
        SINE, NETWORK, DeepNetwork.random((20, 20)), exact_gradient(SINE, NETWORK), exact_gradient(SINE, NETWORK).total,
        derive(SINE), run, run.history, model_audit, of_systems, scanned, scanned.planes[0], hessian,
        solve(SINE, width=3), convergence(SINE, [2, 3]), problems,
    ]  # fmt: skip
    lengths = {type(one).__name__: len(repr(one)) for one in shown}
    assert not {name: length for name, length in lengths.items() if length > 400}
    assert all("\n" not in repr(one) for one in shown)
    assert repr(run).startswith("<Run of sine-2: 3 networks of 3 neurons, relu, autodiff, 4 steps, median energy gap ")
    small = ShallowNetwork([1, -2], ["-1/4", 1], [1, "1/3"])
    assert repr(small) == "ShallowNetwork(hidden_weights=[1, -2], hidden_biases=[-1/4, 1], output_weights=[1, 1/3])"
    assert "20 float64" in repr(NETWORK)
    assert pickle.loads(pickle.dumps(run)) == run


def test_a_notebook_shows_tables_with_every_number_of_a_row(
    run: Run, model_audit: ModelAudit, of_systems: Audit, scanned: Landscape, hessian: Spectrum
) -> None:
    for one in (run, model_audit, of_systems, scanned, hessian):
        text = one._repr_html_()
        assert text.startswith("<table><caption>")
        assert text.count("<tr>") == text.count("</tr>") > 1
    assert f"{run.energy_gap[1]:.6g}" in run._repr_html_()
    judged = [row.total.verdict for row in of_systems.rows if row.total is not None]
    assert of_systems._repr_html_().count("inconsistent</td>") == judged.count("inconsistent") > 0
    assert all(t.name in model_audit._repr_html_() for t in model_audit.tensors)
    assert html_table("<b>", ["a&b"], [["<i>", float("nan")]]).count("&lt;") == 2


def test_every_result_has_a_table() -> None:
    best, table = solve(SINE, width=3), convergence(SINE, [2, 3])
    assert f'<td style="text-align: right">{best.energy_gap:.6g}</td>' in best._repr_html_()
    assert best._repr_html_().count("<tr>") == len(fields(best.certificate)) + 2
    assert [f"{b.energy_gap:.6g}" in table._repr_html_() for b in table.networks] == [True, True]
    assert f"order {table.order:.6g}" in table._repr_html_()
    plane = PlaneNetwork.random(3, 0)
    gradients: list[Any] = [
        exact_gradient(SINE, NETWORK), exact_gradient(SINE, ShallowNetwork.random(3), digits=30),
        exact_gradient(SINE, DeepNetwork.random((3, 3))), exact_gradient(plane_problems["plane-polynomial"], plane),
    ]  # fmt: skip
    for gradient in gradients:
        text = gradient._repr_html_()
        shares = [float(s) for s in re.findall(r"<td[^>]*>([-+.e\d]+)</td></tr>", text)]
        assert text.count("<tr>") > len(shares) > 2
        assert max(shares) > 0
    found = exact_gradient(SINE, NETWORK)
    assert f"{np.linalg.norm(found.dirac.hidden_biases):.6g}</td>" in found._repr_html_()
    limit = autodiff_limit(SINE)
    assert limit._repr_html_().count("<tr>") == 1 + len(limit.states)
    # Whatever else holds values is at least a table of its parts.
    assert exact_gradient(SINE, NETWORK).total._repr_html_().count("20 float64") == 3


def test_derivations_are_latex_in_a_notebook_and_text_that_sympy_reads() -> None:
    derivation = derive(SINE)
    assert derivation._repr_latex_().startswith("\\begin{align}")
    for equation in derivation.equations():
        assert equation._repr_latex_().startswith(r"$\displaystyle ")
        read = sympy.sympify(equation.text(), locals={str(s): s for s in equation.right.free_symbols})
        assert str(read) == equation.text()
    first = sympy.sympify(derivation.equations()[0].text())
    assert isinstance(first, sympy.Integral)
    assert {str(f.func) for f in first.atoms(sympy.core.function.AppliedUndef)} == {"kappa", "f", "D", "ell", "r"}


def test_plots_draw_on_new_axes_or_on_ones_own(
    run: Run, model_audit: ModelAudit, of_systems: Audit, scanned: Landscape, hessian: Spectrum
) -> None:
    from matplotlib import pyplot

    results: list[Any] = [run, model_audit, of_systems, scanned, hessian]
    for one in results:
        axes = one.plot()
        assert axes.lines or axes.collections
        assert axes.get_title() or axes.get_legend()
        axes.figure.canvas.draw()
        pyplot.close(axes.figure)
    own = pyplot.figure().subplots()
    assert run.plot(own) is own
    # The median's last point is the run's.
    assert own.lines[0].get_ydata()[-1] == sorted(run.energy_gap)[1]
    pyplot.close(own.figure)
    assert scanned.plot(plane=1).get_title().startswith(scanned.planes[1].label)
    pyplot.close("all")
    with pytest.raises(InputError, match="plane: 99 is not there"):
        scanned.plot(plane=99)
    pyplot.close("all")


def test_matplotlib_is_imported_when_a_plot_is_asked_for_and_missed_with_one_command(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kinkproof\[reports\]' would be right"):
        run.plot()


def test_every_class_that_can_be_shown_has_a_drawing() -> None:
    from kinkproof.solver import BoxRun

    drawn = {entry.name for entry in metadata.entry_points(group=GROUP)}
    assert drawn == {c.__name__ for c in (Run, BoxRun, Landscape, Spectrum, Audit, ModelAudit)}
    assert all(callable(entry.load()) for entry in metadata.entry_points(group=GROUP))


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda m: exact_gradient(SINE, m), r"a Sequential is none; DeepNetwork.from_parameters\(list\(model.param"),
        (lambda m: audit(SINE, m), r"a Sequential is none of one hidden layer; DeepNetwork.from_parameters"),
        (lambda m: DeepNetwork.random((2, 2), seed=-1), "seed: -1 is none"),
        (lambda m: ShallowNetwork.random((3,)), r"width: \(3,\) is no number of neurons"),
        (lambda m: exact_gradient(SINE, NETWORK, digits=5), "digits: 5 are too few; a whole number from 15 on"),
        (lambda m: exact_gradient(SINE, NETWORK, digits="a"), "digits: 'a' are too few"),
        (lambda m: derive("sine-2"), "problem: .sine-2. is no RitzProblem"),
    ],
)
def test_what_went_wrong_raw_is_said_in_a_sentence(ask: Any, said: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(1, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)).double()
    with pytest.raises(InputError, match=said):
        ask(model)


def test_one_number_is_one_layer_and_seed_0_is_taken() -> None:
    assert DeepNetwork.random(20).widths == (20,)
    assert DeepNetwork.random(20) == DeepNetwork.random((20,), 0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)).double()
    assert DeepNetwork.from_parameters(list(model.parameters())).widths == (3,)
    assert isinstance(SINE, RitzProblem)
