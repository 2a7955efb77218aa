from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kinkproof.reports import landscape_report, landscape_study
from kinkproof.reports.cache import Cache
from kinkproof.reports.landscape_data import SCANS, LandscapeStudy
from kinkproof.reports.landscape_pages import hessian_error, noise_page, spectrum_page
from kinkproof.reports.surfaces import cuts_page, draw_contours
from kinkproof.verify import InputError, RitzProblem, exact_hessian, problems
from matplotlib.figure import Figure

from .pdf import assert_whole_report

PAGES = 12
SETTINGS = {"width": 8, "resolution": 13, "points": 100}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("landscape")


@pytest.fixture(scope="module")
def study(folder: Path) -> LandscapeStudy:
    return landscape_study(problems["sine-2"], **SETTINGS, cache=Cache(folder / "cache"))


def test_the_report_is_whole_and_says_what_it_found(study: LandscapeStudy, folder: Path) -> None:
    texts = assert_whole_report(landscape_report(study, folder / "report.pdf"), PAGES)
    assert f"{hessian_error(study.spectra['relu'], 'autodiff'):.0%} off" in texts[9]
    assert f"{study.roughness['relu', 'quadrature']:.1e}" in texts[0]
    assert "4*pi**2*sin(2*pi*x)" in texts[-1]


def test_the_same_study_gives_the_same_bytes_also_from_the_cache(study: LandscapeStudy, folder: Path) -> None:
    before = sorted((folder / "cache").iterdir())
    recalled = landscape_study(problems["sine-2"], **SETTINGS, cache=Cache(folder / "cache"))
    assert sorted((folder / "cache").iterdir()) == before
    first, second = landscape_report(study, folder / "a.pdf"), landscape_report(recalled, folder / "b.pdf")
    assert first.read_bytes() == second.read_bytes()


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
    axes = Figure().subplots()
    draw_contours(axes, study.path, 0, study.path.values[0] - study.path.values[0].min())
    np.testing.assert_array_equal(axes.get_lines()[1].get_xydata(), study.path.planes[0].path)


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


def test_a_problem_without_solution_has_no_centre() -> None:
    with pytest.raises(InputError, match="none is known"):
        landscape_study(RitzProblem(source="1"))
