"""The landscape report: what the energy around θ* looks like, and whose the noise is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...solver.landscapes.spectra import Spectrum, plane_angles
from ...verify.files import require_writable
from ..data.landscape import SCANS, LandscapeStudy
from .settings_page import settings_page
from .style import BLACK, BLUE, GREEN, ORANGE, RED, Page, look, write_pdf
from .surfaces import contour_page, cuts_page, path_page, roughness_page, surface_page

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
    """Write the report of one study as a PDF.

    Args:
        study: what `landscape_study` returned; all its numbers are shown, none is computed anew.
        path: the file to write.

    Raises:
        InputError: the path cannot be written.
    """
    path = Path(path)
    require_writable(path)
    with look():
        pages = [noise_page(study)]
        pages += [_surfaces(study, scan) for scan in SCANS[:3]]
        pages += [_contours(study, scan) for scan in SCANS[:3]]
        pages += [_cuts(study), _path(study), spectrum_page(study), angle_page(study), _settings(study)]
    title = f"Energy landscapes: {study.problem.name}"
    write_pdf(path, pages, title, "The Ritz energy of ReLU and ReLU² networks around the fit to the solution")
    return path


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
        f"{medians['relu2', 'quadrature'] / smooth:.3g}. Medians over nine planes."
    )
    return roughness_page(shown, "How much of the noise is ReLU's, how much the fixed grid's", caption)


def _surfaces(study: LandscapeStudy, scan: tuple[str, str]) -> Page:
    caption = f"{_what(study, scan)}\nHeight: energy above the least of the plane; nine planes of Hessian eigenvectors."
    return surface_page(study.scans[scan], f"{NAMES[scan]}: surfaces", caption)


def _contours(study: LandscapeStudy, scan: tuple[str, str]) -> Page:
    caption = f"{_what(study, scan)}\nThe same planes as contours; the cross is θ*. Levels lie closer at the bottom."
    return contour_page(study.scans[scan], f"{NAMES[scan]}: contours", caption)


def _what(study: LandscapeStudy, scan: tuple[str, str]) -> str:
    roughness = study.roughness[scan]
    smooth = study.scans[scan].parabola_roughness
    said = {
        ("relu", "quadrature"): "Where a kink crosses a node the sum jumps, the integral does not",
        (
            "relu",
            "exact",
        ): "The same network, planes and radius with the integral in place of the sum",
        ("relu2", "quadrature"): "ReLU² on the same nodes: û′ is continuous, so that no node sees a jump",
        ("relu2", "exact"): "ReLU² with the integral in place of the sum",
    }
    return f"{said[scan]}. Median roughness {roughness:.1e}, {roughness / smooth:.3g} times a parabola's."


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
        "Training with autodiff, started at θ* (cross), in the plane of its main components; contours are of the exact "
        f"energy.\nThe path ends (dot) {np.linalg.norm(path[-1]):.2g} away from where it began; the energy gap went "
        f"from {study.path_gaps[0]:.3g} to {study.path_gaps[1]:.3g}."
    )
    return path_page(study.path, "The way of autodiff, on the exact energy", caption)


def spectrum_page(study: LandscapeStudy) -> Page:
    """Eigenvalues of the three Hessians, for ReLU and ReLU²."""
    figure = Figure()
    axes = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.075, right=0.975, top=0.86, bottom=0.27, wspace=0.18)
    for ax, (activation, spectra) in zip(axes, study.spectra.items(), strict=True):
        for kind, (colour, marker) in _SPECTRA.items():
            values = spectra[kind].eigenvalues
            ax.plot(np.arange(1, len(values) + 1), values, marker, color=colour, markersize=6, label=kind)
        ax.set_yscale("symlog", linthresh=1e-3)
        ax.set_xlabel("index of the eigenvalue")
        ax.set_title("ReLU" if activation == "relu" else "ReLU²")
    axes[0].set_ylabel("eigenvalue of the Hessian at θ*")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.52, 0.19), ncols=3)
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
    figure.subplots_adjust(left=0.075, right=0.975, top=0.86, bottom=0.27, wspace=0.1)
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
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.52, 0.19), ncols=2)
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
