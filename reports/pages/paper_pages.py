"""The paper report: figures 1 to 8 from real runs, each claim with its verdict, and what the paper did not show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...solver.training.checks import Check
from ..data.paper import PaperStudy
from ..layout.page import Page, Report
from ..layout.settings_page import settings_page
from ..layout.style import look
from ..layout.writing import require_report_path, write_report
from .discrepancy import errors_page
from .gap_page import gap_page
from .landscape_pages import NAMES, noise_page, spectrum_page
from .neuron_page import NeuronComparison, compare_neuron, neuron_figure
from .paper_finding import Finding, claims_page, finding_of
from .surfaces import surface_page
from .training_figures import claim_blocks, training_page

# A surface is called noisy if its roughness is this many times that of a parabola at the same resolution, and the
# noise is called gone if it is not.
_NOISY = 10.0
# Of what is shown, not of what comes out: that is the verdict's.
_TITLES = {
    1: "ReLU against tanh",
    2: "The same at a higher frequency",
    3: "One neuron, as derived and by autodiff",
    4: "ReLU² against tanh",
    5: "Started at the fit to the solution",
    6: "Finite differences in place of autodiff",
    7: "The landscape of ReLU on the fixed grid",
    8: "The landscape of ReLU² on the fixed grid",
}
_CLAIMS = {
    3: "Only the mixed gradient contains the second derivative of ReLU, and autodiff neglects its delta function.",
    7: "The energy of ReLU around the solution is highly noisy, and the noise comes from ReLU.",
    8: "With ReLU² in place of ReLU the noise vanishes.",
}
_SEEN = {
    1: "The dashed line is what the width can do when it is fitted to the solution instead.",
    2: "Six half waves leave 20 neurons little to spare.",
    4: "ReLU² has one more order of continuity: its second derivative is a step, which autodiff has.",
    5: "All but the first run start at the fit to the solution, the dashed line.",
    6: "Differences with a step of several grid cells see the kinks move.",
}


def findings(study: PaperStudy) -> tuple[Finding, ...]:
    """Figures 1 to 8 with their checks, all computed from the study; judged unless it is a first look."""
    judged = not study.first_look
    out = {3: Finding(3, _CLAIMS[3], tuple(_neuron(study).checks), judged)}
    for name, outcome in study.outcomes.items():
        number = int(name.removeprefix("figure-"))
        out[number] = Finding(number, outcome.claim, outcome.checks, judged)
    out[7] = Finding(7, _CLAIMS[7], tuple(_noise_of_relu(study)), judged)
    out[8] = Finding(8, _CLAIMS[8], tuple(_noise_of_relu_squared(study)), judged)
    return tuple(out[k] for k in sorted(out))


def paper_report(study: PaperStudy, path: str | Path) -> Path:
    """Write the report of one study.

    Args:
        study: what `paper_study` returned; all numbers shown come from it.
        path: the file to write, .pdf or .html.

    Raises:
        InputError: the path cannot be written, or ends in something else.
    """
    path = require_report_path(path)
    with look():
        found = findings(study)
        pages = [
            finding_of(study),
            claims_page(study, found),
            *_figures(study, found),
            *_beyond(study),
            _settings(study),
        ]
    title = "On the failure of ReLU activation: the paper's figures from real runs"
    shown = "with verdicts" if not study.first_look else "at a first look"
    subject = f"arXiv 2512.11184, figures 1 to 8 {shown}, and what the paper did not show"
    given = study.settings
    about = (
        f"problem {study.audit.problem.name}, {given['width']} neurons, {given['points']} midpoints, {given['seeds']} "
        f"seeds, {given['steps']:,} epochs of ADAM"
    )
    write_report(path, Report(title, subject, pages, about, study.first_look))
    return path


def _neuron(study: PaperStudy) -> NeuronComparison:
    return compare_neuron(study.audit.problem, study.audit.judged_systems)


def _roughness(study: PaperStudy, activation: str, energy: str) -> tuple[float, float]:
    """Median over the planes, and the same in parabolas."""
    rough = study.landscape.roughness[activation, energy]
    return rough, rough / study.landscape.scans[activation, energy].parabola_roughness


def _noise_of_relu(study: PaperStudy) -> Iterable[Check]:
    (grid, of_grid), (exact, of_exact) = (_roughness(study, "relu", e) for e in ("quadrature", "exact"))
    yield Check(
        f"On {study.landscape.settings['points']} fixed nodes the energy is highly noisy: median roughness of nine "
        f"planes {grid:.2g}, {of_grid:.3g} times that of a parabola.",
        of_grid > _NOISY,
    )
    yield Check(
        "The noise comes from ReLU: it remains when the integral is exact. Median roughness of the same planes "
        f"{exact:.2g}, {of_exact:.3g} times that of a parabola.",
        of_exact > _NOISY,
    )
    yield Check(
        f"The noise (roughness without curvature) is the fixed grid's: {study.landscape.grid_share:.1%} of it go with "
        "the grid.",
        of_exact <= _NOISY < of_grid,
        papers=False,
    )


def _noise_of_relu_squared(study: PaperStudy) -> Iterable[Check]:
    grid, of_grid = _roughness(study, "relu2", "quadrature")
    relu, _ = _roughness(study, "relu", "quadrature")
    yield Check(
        f"On the same nodes the energy of ReLU² is smooth: median roughness {grid:.2g}, {of_grid:.3g} times that of a "
        f"parabola; ReLU has {relu / grid:.3g} times as much.",
        of_grid <= _NOISY,
    )


def _figures(study: PaperStudy, found: Iterable[Finding]) -> list[Page]:
    pages = []
    for finding in found:
        title = f"Figure {finding.figure}: {_TITLES[finding.figure]}"
        outcome = study.outcomes.get(f"figure-{finding.figure}")
        if outcome is not None:
            seen = _SEEN[finding.figure]
            pages.append(training_page(title, finding.claim, finding.checks, outcome.runs, seen, finding.judged))
        elif finding.figure == 3:
            figure = neuron_figure(_neuron(study), bottom=0.38)
            blocks = claim_blocks(finding.claim, finding.checks, top=0.31, judged=finding.judged)
            said = "One neuron times D on 50 midpoints; its parameters are this project's."
            pages.append(Page(title, said, figure, blocks))
        else:
            activation = "relu" if finding.figure == 7 else "relu2"
            scape = study.landscape.scans[activation, "quadrature"]
            caption = (
                "Nine planes of eigenvectors of the Hessian around the fit to the solution; noisy is what is more than "
                f"{_NOISY:.0f} times as rough as a parabola at this resolution. Heights: energy above "
                "the least of each plane."
            )
            page = surface_page(scape, title, caption, 0.345, study.landscape.scans[activation, "exact"])
            blocks = claim_blocks(finding.claim, finding.checks, top=0.33, judged=finding.judged)
            pages.append(replace(page, blocks=blocks))
    return pages


def _beyond(study: PaperStudy) -> list[Page]:
    """What the paper did not show."""
    grid, exact = (study.landscape.scans["relu", energy] for energy in ("quadrature", "exact"))
    rough, parabolas = _roughness(study, "relu", "exact")
    caption = (
        f"The planes of figure 7 with the integral in place of the sum: median roughness {rough:.2g}, {parabolas:.3g} "
        "times that of a parabola."
    )
    nearest = {r.total.verdict for r in study.audit.rows if r.delta == "nearest" and r.total is not None}
    refuted = nearest == {"inconsistent"} and not study.first_look
    title = "its nearest-node delta does not converge either" if refuted else "error against grid"
    return [
        replace(errors_page(study.audit), title=f"Beyond the paper: {title}"),
        _gradients(study),
        surface_page(exact, f"Beyond the paper: figure 7 for {NAMES['relu', 'exact']}", caption, beside=grid),
        noise_page(study.landscape),
        spectrum_page(study.landscape),
        gap_page(study.gaps, judged=not study.first_look),
    ]


def _gradients(study: PaperStudy) -> Page:
    medians = {label: float(np.median(run.energy_gap)) for label, run in study.gradients.items()}
    wrong, nearest, mean, exact = (medians[f"relu-{g}"] for g in ("autodiff", "dirac-nearest", "dirac-mean", "exact"))
    checks = [
        Check(
            f"With the exact gradient the median gap is lower: {exact:.3g} against autodiff's {wrong:.3g}, which is "
            f"{wrong / exact:.3g} times that.",
            exact < wrong,
            papers=False,
        ),
        Check(
            f"The paper's nearest-node delta ends between them, at {nearest:.3g}; with the mean of the one-sided "
            f"limits it is {mean:.3g}.",
            exact < nearest < wrong,
            papers=False,
        ),
    ]
    stuck = {label: int(run.stuck.sum()) for label, run in study.gradients.items()}
    caption = (
        "Five gradients from the same starts, w and b uniform in (−1, 1). What is left with the exact one is the "
        "start's, the optimiser's and ReLU's own: "
        f"{stuck['relu-exact']} of {len(study.gradients['relu-exact'].stops)} networks are stuck in a local minimum."
    )
    title = "Beyond the paper: training with each gradient"
    return training_page(title, "", checks, study.gradients, caption, judged=not study.first_look)


def _settings(study: PaperStudy) -> Page:
    lines = [*study.settings.items(), ("radius of the planes", study.landscape.settings["radius"])]
    rates: Mapping[str, float] = {label: r.settings.learning_rate for label, r in study.gradients.items()}
    lines += [("learning rate of ADAM", rates["relu-autodiff"]), ("figure 2", "problem sine-6, all else as above")]
    caption = "The paper's own distance function, width, points, epochs and learning rate are not legible."
    return settings_page(study.landscape.problem, lines, caption)
