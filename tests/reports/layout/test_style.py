from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest
from kinkproof.reports.layout import style
from kinkproof.reports.layout.style import CONTRAST, FONTS, contrast, ink, look
from matplotlib.font_manager import FontProperties, findfont

COLOURS = {name: value for name, value in vars(style).items() if isinstance(value, str) and value.startswith("#")}


def test_contrast_is_that_of_the_guideline() -> None:
    # WCAG 2.1: black on white 21 : 1; #767676 is the palest grey with 4.5 : 1 on white.
    assert contrast("#000000") == pytest.approx(21.0)
    assert contrast("#FFFFFF") == 1.0
    assert contrast("#767676") >= 4.5 > contrast("#777777")
    assert contrast("#123456", "#FEDCBA") == contrast("#FEDCBA", "#123456")


@pytest.mark.parametrize("name", COLOURS)
def test_text_in_every_colour_of_the_style_can_be_read(name: str) -> None:
    assert contrast(ink(COLOURS[name])) >= 4.5
    # What is dark enough stays as it is, the rest is no darker than it must be.
    assert ink(COLOURS[name]) == COLOURS[name] or contrast(ink(COLOURS[name])) <= CONTRAST + 0.1


def test_the_faces_are_matplotlibs_own() -> None:
    own = Path(mpl.get_data_path())
    with look():
        for family in FONTS:
            assert own in Path(findfont(FontProperties(family=family), fallback_to_default=False)).parents
