"""The landscape report: what the energy around θ* looks like, and whose the noise is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...solver.landscapes.landscapes import Landscape
from ...solver.landscapes.spectra import Spectrum, plane_angles
from ..data.landscape import SCANS, LandscapeStudy
from ..layout.finding import FIGURE_BOX, finding_page
from ..layout.page import Page, Report
from ..layout.settings_page import settings_page
from ..layout.style import BLACK, BLUE, GREEN, ORANGE, RED, look
from ..layout.writing import require_report_path, write_report
from .surfaces import ABREAST, compared_surfaces, contour_page, cuts_page, path_page, roughness_page, surface_page

NAMES = {
    ("relu", "quadrature"): "ReLU on the grid",
    ("relu", "exact"): "ReLU, exact energy",
    ("relu2", "quadrature"): "ReLU² on the grid",
    ("relu2", "exact"): "ReLU², exact energy",
}
_LOOKS = dict(zip(SCANS, ((RED, "o"), (BLUE, "D"), (ORANGE, "s"), (GREEN, "^")), strict=True))
_SPECTRA = {"exact": (BLACK, "o"), "autodiff": (RED, "x"), "finite-difference": (ORANGE, "+")}
# Leading eigenspaces whose angles are shown, by their dimension.
_SPACES = range(1, 11)


def landscape_report(study: LandscapeStudy, path: str | Path) -> Path:
    """Write the report of one study.

    Args:
        study: what `landscape_study` returned; all its numbers are shown, none is computed anew.
        path: the file to write, .pdf or .html.

    Raises:
        InputError: the path cannot be written, or ends in something else.
    """
    path = require_report_path(path)
    with look():
        pages = [_finding(study), noise_page(study)]
        pages += [*_surfaces(study), _surfaces_of_squared(study)]
        pages += [_contours(study, scan) for scan in SCANS[:3]]
        pages += [_cuts(study), _path(study), spectrum_page(study), angle_page(study), _settings(study)]
    title = f"Energy landscapes: {study.problem.name}"
    subject = "The Ritz energy of ReLU and ReLU² networks around the fit to the solution"
    given = study.settings
    about = (
        f"problem {study.problem.name}, {given['width']} neurons, {given['points']} nodes ({given['rule']}), planes of "
        f"half side {given['radius']:g}, {given['resolution']} × {given['resolution']} networks each"
    )
    write_report(path, Report(title, subject, pages, about, study.first_look))
    return path


def _finding(study: LandscapeStudy) -> Page:
    """What the noise is, on the plane where the grid makes most of it."""
    pair = {NAMES[s]: study.scans[s] for s in SCANS[:2]}
    grid, exact = (study.roughness[s] for s in SCANS[:2])
    smooth = study.scans[SCANS[0]].parabola_roughness
    worst = int(np.argmax(study.scans[SCANS[0]].roughness))
    left, bottom, width, height = FIGURE_BOX
    drawn = compared_surfaces(pair, [worst], "", "", (left - 0.04, bottom - 0.06, width + 0.03, height + 0.1))
    share = study.grid_share
    if grid > exact and share > 0:
        sentence = (
            f"The energy of ReLU is {grid / exact:.3g} times as rough on {study.settings['points']} fixed nodes as the "
            "integral that the nodes stand for: its noise is the grid's, not ReLU's."
            if share > 0.5
            else f"Of the noise in the energy of ReLU on {study.settings['points']} fixed nodes {share:.1%} go with "
            "the grid; the rest is in the integral, too."
        )
    else:
        sentence = "On these planes the energy of ReLU is no rougher on fixed nodes than the integral is."
    relu = study.spectra["relu"]
    numbers = [
        (f"{share:.1%}", "of the noise (roughness without curvature) go with the fixed grid; median of nine planes"),
        (f"× {grid / smooth:.3g}", f"as rough as a parabola on the grid; {exact / smooth:.3g} with the exact integral"),
        (
            f"{hessian_error(relu, 'autodiff'):.0%}",
            "is autodiff's Hessian off the exact one at the fit to the solution, where the Dirac terms matter most",
        ),
    ]
    cure = (
        "Let the nodes follow the kinks, as the lower picture does: the integral has no jumps. In a training loop of "
        'your own that is one line; gradient="exact" does it in fit.'
    )
    code = "from kinkproof.solver import integrate\n\nloss = integrate(energy, model, domain)" if share > 0 else ""
    caption = (
        f"The plane with the roughest grid ({study.scans[SCANS[0]].planes[worst].label}), around the fit to the "
        "solution θ*: energy above the least of the plane, on the fixed nodes and exactly, to the same height."
    )
    return finding_page(
        f"The energy landscape of “{study.problem.name}” around the solution", sentence, drawn.figure, numbers,
        cure if code else "", code, caption,
    )  # fmt: skip


def noise_page(study: LandscapeStudy) -> Page:
    """Roughness of every plane, and how much of it goes with the grid."""
    shown = {NAMES[s]: (study.scans[s], *_LOOKS[s]) for s in SCANS}
    medians = study.roughness
    grid, exact = medians["relu", "quadrature"], medians["relu", "exact"]
    smooth = study.scans[SCANS[0]].parabola_roughness
    share = study.grid_share
    gone = f"{share:.1%} go with the grid" if share > 0 else "none goes with the grid"
    caption = (
        f"On {study.settings['points']} nodes the energy of ReLU is {grid / exact:.3g} times as rough as the integral: "
        f"of its noise (roughness without curvature) {gone}.\nIn parabolas: "
        f"ReLU on the grid {grid / smooth:.3g}, ReLU's integral {exact / smooth:.3g}, ReLU² on the grid "
        f"{medians['relu2', 'quadrature'] / smooth:.3g}. Medians over nine planes.\n"
        "Total variation ÷ range on 100 random lines through θ*, mean (deviation), of which the roughness index of Wu "
        f"and others (arXiv 2103.11069) is made: {_of_lines(study)}; a parabola has 2."
    )
    return roughness_page(shown, "How much of the noise is ReLU's, how much the fixed grid's", caption)


def _of_lines(study: LandscapeStudy) -> str:
    return ", ".join(f"{NAMES[s]} {study.lines[s][0]:.3g} ({study.lines[s][1]:.2g})" for s in SCANS)


def _surfaces(study: LandscapeStudy) -> list[Page]:
    """ReLU on the grid above, exactly below, three planes a page."""
    pair: dict[str, Landscape] = {NAMES[s]: study.scans[s] for s in SCANS[:2]}
    every = range(min(9, len(study.scans[SCANS[0]].planes)))
    parts = [every[k : k + ABREAST] for k in range(0, len(every), ABREAST)]
    caption = (
        f"{_what(study, SCANS[0])} Above: on {study.settings['points']} nodes; below: with the integral in place of "
        f"the sum, {_times(study, SCANS[1])}. Energy above the least of the plane; what stands below each other has "
        "the same height."
    )
    return [
        compared_surfaces(pair, part, f"ReLU: on the grid and exactly, {k} of {len(parts)}", caption)
        for k, part in enumerate(parts, 1)
    ]


def _surfaces_of_squared(study: LandscapeStudy) -> Page:
    scan = SCANS[2]
    caption = (
        f"{_what(study, scan)} With the integral in place of the sum: {_times(study, SCANS[3])}. Energy above the "
        "least of the plane."
    )
    return surface_page(study.scans[scan], f"{NAMES[scan]}: surfaces", caption, beside=study.scans[SCANS[3]])


def _contours(study: LandscapeStudy, scan: tuple[str, str]) -> Page:
    other = "exact" if scan[1] == "quadrature" else "quadrature"
    shared = f"Levels and colours are those of {NAMES[scan[0], other]}, too."
    caption = f"{_what(study, scan)}\n{shared}"
    return contour_page(study.scans[scan], f"{NAMES[scan]}: contours", caption, study.scans[scan[0], other])


def _what(study: LandscapeStudy, scan: tuple[str, str]) -> str:
    said = {
        ("relu", "quadrature"): "Where a kink crosses a node the sum jumps, the integral does not",
        ("relu", "exact"): "The same network, planes and radius with the integral in place of the sum",
        ("relu2", "quadrature"): "ReLU² on the nodes: û′ is continuous, so that no node sees a jump",
        ("relu2", "exact"): "ReLU² with the integral in place of the sum",
    }
    return f"{said[scan]}: {_times(study, scan)}."


def _times(study: LandscapeStudy, scan: tuple[str, str]) -> str:
    roughness = study.roughness[scan]
    return (
        f"median roughness {roughness:.1e}, {roughness / study.scans[scan].parabola_roughness:.3g} times a parabola's"
    )


def _cuts(study: LandscapeStudy) -> Page:
    shown = {NAMES[s]: (study.scans[s], _LOOKS[s][0]) for s in SCANS[:2]}
    planes = [k for k in (0, 5, 8) if k < len(study.scans[SCANS[0]].planes)]
    caption = (
        "Cuts through θ*. The sum's slope between two of its jumps is what autodiff returns; the jumps, which carry "
        "the motion of the kinks, are what it leaves out."
    )
    return cuts_page(shown, planes, "The same cuts, on the grid and exactly", caption)


def _path(study: LandscapeStudy) -> Page:
    path = study.path.planes[0].path
    assert path is not None
    caption = (
        "Training with autodiff, started at θ* (cross), in the plane of its main components; colours: the exact energy "
        "above the minimum, levels a constant factor apart. "
        f"The path ends (dot) {np.linalg.norm(path[-1]):.2g} away from where it began, and went "
        f"{'up' if study.path_gaps[-1] > study.path_gaps[0] else 'down'}: the energy gap from {study.path_gaps[0]:.3g} "
        f"to {study.path_gaps[-1]:.3g}. Right: the gap of the networks themselves, not of their shadows in the plane."
    )
    title = "The way of autodiff, on the exact energy"
    return path_page(study.path, study.gaps["relu"], study.path_steps, study.path_gaps, title, caption)


def spectrum_page(study: LandscapeStudy) -> Page:
    """Eigenvalues of the three Hessians, for ReLU and ReLU²."""
    figure = Figure()
    axes = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.075, right=0.975, top=0.87, bottom=0.28, wspace=0.18)
    for ax, (activation, spectra) in zip(axes, study.spectra.items(), strict=True):
        for kind, (colour, marker) in _SPECTRA.items():
            values = spectra[kind].eigenvalues
            ax.plot(np.arange(1, len(values) + 1), values, marker, color=colour, markersize=6, label=kind)
        ax.set_yscale("symlog", linthresh=1e-3)
        ax.set_xlabel("index of the eigenvalue")
        ax.set_title("ReLU" if activation == "relu" else "ReLU²")
    axes[0].set_ylabel("eigenvalue of the Hessian at θ*")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.52, 0.2), ncols=3)
    relu, squared = study.spectra["relu"], study.spectra["relu2"]
    caption = (
        f"Autodiff's Hessian is {hessian_error(relu, 'autodiff'):.0%} off the exact one for ReLU (Frobenius norm; "
        f"largest eigenvalue {relu['autodiff'].eigenvalues[0]:.3g} against {relu['exact'].eigenvalues[0]:.3g}), "
        f"{100 * hessian_error(squared, 'autodiff'):.2g}% for ReLU².\nSecond differences of ReLU on the grid, step "
        f"{relu['finite-difference'].step or 0:.2g}, are {hessian_error(relu, 'finite-difference'):.0%} off. Between "
        "−0.001 and 0.001 the scale is linear.\nReLU² has a right gradient on a grid, but its second derivatives lack "
        "a Dirac term again."
    )
    return Page("Hessians: exact, by autodiff, by finite differences", caption, figure)


def angle_page(study: LandscapeStudy) -> Page:
    """Largest principal angle between the leading eigenspaces of the exact and the other Hessians."""
    figure = Figure()
    axes = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.075, right=0.975, top=0.87, bottom=0.28, wspace=0.1)
    for ax, (activation, spectra) in zip(axes, study.spectra.items(), strict=True):
        for kind, (colour, marker) in list(_SPECTRA.items())[1:]:
            sizes = [k for k in _SPACES if k <= len(spectra["exact"].eigenvalues)]
            angles = [np.degrees(plane_angles(spectra["exact"], spectra[kind], k)[0]) for k in sizes]
            ax.plot(sizes, angles, marker=marker, color=colour, label=f"{kind} against exact")
        ax.set_xlabel("dimension of the leading eigenspace")
        ax.set_title("ReLU" if activation == "relu" else "ReLU²")
        ax.set_xticks(list(_SPACES))
    axes[0].set_ylim(-2, 92)
    axes[0].set_ylabel("largest principal angle, degrees")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.52, 0.2), ncols=2)
    leading = {a: np.degrees(plane_angles(s["exact"], s["autodiff"]))[0] for a, s in study.spectra.items()}
    caption = (
        f"The plane of the two leading eigenvectors: autodiff's stands at {leading['relu']:.1f}° to the exact one "
        f"for ReLU, {leading['relu2']:.2g}° for ReLU².\nWhere an angle nears 90°, one of the leading directions is "
        "missed; so it is too where eigenvalues lie so close together that their order changes."
    )
    return Page("Angles between the leading eigenplanes", caption, figure)


def hessian_error(spectra: Mapping[str, Spectrum], kind: str) -> float:
    """|H − H_exact| ÷ |H_exact| in the Frobenius norm."""
    exact = spectra["exact"].hessian
    return float(np.linalg.norm(spectra[kind].hessian - exact) / np.linalg.norm(exact))


def _settings(study: LandscapeStudy) -> Page:
    lines = [(k, v) for k, v in study.settings.items() if k != "problem"]
    lines += [(f"energy gap at θ*, {a}", f"{gap:.3g}") for a, gap in study.gaps.items()]
    return settings_page(study.problem, lines, "θ* is the fit to the known solution, not the minimum of the energy.")
