from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.reports import landscape_report, landscape_study
from kinkproof.reports.data.cache import Cache
from kinkproof.reports.data.landscape import SCANS, LandscapeStudy
from kinkproof.reports.layout.page import Report
from kinkproof.reports.layout.pdf import CAPTION, write_pdf
from kinkproof.reports.layout.style import look
from kinkproof.reports.pages import landscape_pages
from kinkproof.reports.pages.landscape_pages import NAMES, angle_page, hessian_error, noise_page, spectrum_page
from kinkproof.reports.pages.surfaces import (
    compared_surfaces,
    contour_page,
    cuts_page,
    draw_contours,
    path_page,
    surface_page,
)
from kinkproof.verify import InputError, RitzProblem, exact_hessian, problems
from matplotlib.figure import Figure

from ..pdf import assert_pages_are_full_and_readable, assert_whole_report, lowest_label, report_of

PAGES = 14
SETTINGS = {"width": 8, "resolution": 13, "points": 100}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("landscape")


@pytest.fixture(scope="module")
def study(folder: Path) -> LandscapeStudy:
    return landscape_study(problems["sine-2"], **SETTINGS, cache=Cache(folder / "cache"))


@pytest.mark.slow
def test_the_report_is_whole_and_says_what_it_found(study: LandscapeStudy, folder: Path) -> None:
    texts = assert_whole_report(landscape_report(study, folder / "report.pdf"), PAGES)
    assert f"{hessian_error(study.spectra['relu'], 'autodiff'):.0%} off" in texts[11]
    assert f"{study.roughness['relu', 'quadrature']:.1e}" in texts[1]
    assert "4*pi**2*sin(2*pi*x)" in texts[-1]
    assert all("First look: 13 × 13 of 101 × 101 networks a plane" in text for text in texts)
    assert replace(study, settings={**study.settings, "resolution": 101}).first_look == ""


@pytest.mark.long
def test_the_same_study_gives_the_same_bytes_also_from_the_cache(study: LandscapeStudy, folder: Path) -> None:
    before = sorted((folder / "cache").iterdir())
    recalled = landscape_study(problems["sine-2"], **SETTINGS, cache=Cache(folder / "cache"))
    assert sorted((folder / "cache").iterdir()) == before
    first, second = landscape_report(study, folder / "a.pdf"), landscape_report(recalled, folder / "b.pdf")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_the_figures_show_the_data(study: LandscapeStudy) -> None:
    drawn = [list(np.asarray(line.get_ydata())) for line in noise_page(study).figure.axes[0].get_lines()]
    for scan in SCANS:
        assert list(study.scans[scan].roughness) in drawn
    scape = study.scans["relu", "quadrature"]
    cuts = cuts_page({"grid": (scape, "red")}, [4], "title", "caption").figure.axes[0].get_lines()[0]
    middle = len(scape.second) // 2
    np.testing.assert_array_equal(cuts.get_ydata(), scape.values[4][:, middle] - scape.values[4][middle, middle])
    for axes, spectra in zip(spectrum_page(study).figure.axes, study.spectra.values(), strict=True):
        shown = [list(np.asarray(line.get_ydata())) for line in axes.get_lines()]
        assert shown == [list(s.eigenvalues) for s in spectra.values()]
    page = path_page(study.path, 1.0, study.path_steps, study.path_gaps, "", "")
    np.testing.assert_array_equal(page.figure.axes[0].get_lines()[0].get_xydata(), study.path.planes[0].path)


def test_the_exact_hessian_of_the_report_is_that_of_verify(study: LandscapeStudy) -> None:
    from kinkproof.verify import ShallowNetwork

    network = ShallowNetwork.from_vector(study.scans["relu", "exact"].centre)
    reference = exact_hessian(problems["sine-2"], network)
    found = study.spectra["relu"]["exact"].hessian
    # Rounding of two evaluations; kinks a hundredth apart amplify it.
    assert np.linalg.norm(found - reference) <= 1e-9 * np.linalg.norm(reference)


def test_noise_of_the_grid_is_told_from_noise_of_relu(study: LandscapeStudy) -> None:
    rough = study.roughness
    assert rough["relu", "quadrature"] > 3 * rough["relu", "exact"]
    swapped = dict(study.scans) | {
        ("relu", "quadrature"): study.scans["relu", "exact"], ("relu", "exact"): study.scans["relu", "quadrature"],
    }  # fmt: skip
    assert replace(study, scans=swapped).roughness["relu", "exact"] == rough["relu", "quadrature"]


@pytest.mark.slow
def test_no_label_reaches_into_the_caption(study: LandscapeStudy) -> None:
    scape = study.scans["relu", "quadrature"]
    with look():
        pages = [
            noise_page(study), surface_page(scape, "", ""), contour_page(scape, "", ""), spectrum_page(study),
            cuts_page({"grid": (scape, "red")}, [0], "", ""), angle_page(study),
            path_page(study.path, 1.0, study.path_steps, study.path_gaps, "", ""),
        ]  # fmt: skip
        assert min(map(lowest_label, pages)) > CAPTION


def test_a_caption_says_no_more_than_the_data(study: LandscapeStudy) -> None:
    assert f"{study.grid_share:.1%} go with the grid" in noise_page(study).caption
    exact = study.scans["relu", "exact"]
    same = replace(study, scans=dict(study.scans) | {("relu", "quadrature"): exact})
    assert "1 times as rough as the integral: of its noise" in noise_page(same).caption
    assert "none goes with the grid" in noise_page(same).caption


def test_a_plane_without_relief_is_drawn(study: LandscapeStudy) -> None:
    axes = Figure().subplots()
    draw_contours(axes, study.path, 0, np.zeros_like(study.path.values[0]))
    assert len(axes.get_lines()) == 1
    flat = replace(study.path, values=np.zeros_like(study.path.values))
    with look():
        page = path_page(flat, 1.0, study.path_steps, study.path_gaps, "", "")
    assert len(page.figure.axes) == 3


def test_the_path_shows_how_the_energy_climbs(study: LandscapeStudy) -> None:
    page = path_page(study.path, study.gaps["relu"], study.path_steps, study.path_gaps, "", "")
    _, climb = page.figure.axes[0], page.figure.axes[2]
    line = climb.get_lines()[0]
    np.testing.assert_array_equal(np.asarray(line.get_xdata()), study.path_steps)
    np.testing.assert_array_equal(np.asarray(line.get_ydata()), study.path_gaps)
    assert climb.get_yscale() == "log"
    # It starts at θ*.
    assert study.path_gaps[0] == pytest.approx(study.gaps["relu"])


def test_grid_and_exact_surfaces_have_the_same_heights(study: LandscapeStudy) -> None:
    page = compared_surfaces({NAMES[s]: study.scans[s] for s in SCANS[:2]}, [6, 7, 8], "", "")
    axes: list[Any] = page.figure.axes
    for above, below in zip(axes[:3], axes[3:], strict=True):
        assert above.get_zlim() == below.get_zlim()
        assert all(a.get_xlabel() and a.get_ylabel() and a.get_zlabel() for a in (above, below))


def test_contours_are_square_and_have_a_colour_bar_each(study: LandscapeStudy) -> None:
    scape = study.scans["relu", "quadrature"]
    axes = contour_page(scape, "", "", study.scans["relu", "exact"]).figure.axes
    assert len(axes) == 18
    assert all(ax.get_aspect() == 1 for ax in axes[::2])


@pytest.mark.slow
def test_pages_are_full_and_readable(study: LandscapeStudy) -> None:
    assert_pages_are_full_and_readable(report_of(landscape_pages, landscape_report, study))


def test_what_memory_held_before_is_no_warning(
    study: LandscapeStudy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 54 points along a side make faces of different size, which mplot3d fills up to one size with `np.empty`.
    side = np.linspace(-0.1, 0.1, 54)
    scape = replace(
        study.path, first=side, second=side, values=np.tile(side**2, (1, 54, 1)), planes=study.path.planes[:1]
    )
    empty = np.empty

    def full(*arguments: Any, **named: Any) -> Any:
        out = empty(*arguments, **named)
        if out.ndim == 3 and out.dtype == np.float64:
            out[:] = 1e308
        return out

    monkeypatch.setattr(np, "empty", full)
    with look():
        pages = [surface_page(scape, "title", "caption")]
        write_pdf(folder / "faces.pdf", Report("title", "subject", pages))


@pytest.mark.long
@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_shows_nowhere(study: LandscapeStudy, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        again = landscape_study(problems["sine-2"], **SETTINGS)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for scan in SCANS:
        np.testing.assert_array_equal(again.scans[scan].values, study.scans[scan].values)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param(
            {"radius": 1e-14},
            "radius: within 1e-14 of θ. the energy is constant but for rounding",
            marks=pytest.mark.slow,
        ),
        pytest.param({"radius": 1e100}, "radius: 1e.100 from θ. the energy leaves the range", marks=pytest.mark.slow),
        ({"width": 1}, "width: 1 has 3 eigenvectors"),
        ({"resolution": 2}, "odd number from 3 on"),
        ({"resolution": 20}, "odd number from 3 on"),
    ],
)
def test_what_shows_nothing_is_refused(settings: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        landscape_study(problems["sine-2"], **{**SETTINGS, **settings})


def test_a_problem_without_solution_has_no_centre() -> None:
    with pytest.raises(InputError, match="none is known"):
        landscape_study(RitzProblem(source="1"))
