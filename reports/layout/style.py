"""One look for all figures and pages: colours, fonts, sizes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_hex, to_rgb

# Okabe and Ito (2008): colours that stay apart under all common colour-vision deficiencies.
BLACK, ORANGE, GREEN, BLUE, RED = "#000000", "#E69F00", "#009E73", "#0072B2", "#D55E00"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#777777"
# Of what is said beside the matter, and of lines that guide the eye.
QUIET, FAINT = "#555555", "#AAAAAA"
# Logarithmic axes show what is zero, or rounding of rounding, here.
LEAST = 1e-17
PAGE = (11.69, 8.27)  # A4, landscape, inches
# Text needs 4.5 : 1 (WCAG 2.1, 1.4.3); a little more, so that rounding to 256 steps a channel stays above it.
CONTRAST = 4.6
# A face made for print, with the symbols of mathematics; what it lacks (subscripts, ✗) comes from the second.
FONTS = ("STIXGeneral", "DejaVu Sans")
_STYLE: dict[Any, Any] = {
    "font.family": list(FONTS),
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType: text in the PDF can be searched and copied
    "mathtext.fontset": "stix",
    "figure.dpi": 100,
    "svg.hashsalt": "kinkproof",
}


@contextmanager
def look() -> Iterator[None]:
    """The project's settings, whatever the user's matplotlibrc says."""
    # fontTools remarks on the (correct, constant) dates inside the embedded fonts whenever it makes a subset.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def primed(formula: str) -> str:
    """Primes as letters: as superscripts STIX sets them too high."""
    return formula.replace("''", "″").replace("'", "′")


def luminance(colour: str) -> float:
    """Relative luminance of a colour, 0 for black to 1 for white (WCAG 2.1)."""
    linear = [_linear(c) for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str = "#FFFFFF") -> float:
    """(L₁ + 0.05) / (L₂ + 0.05) of the lighter and the darker colour's luminances, 1 to 21 (WCAG 2.1)."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def ink(colour: str) -> str:
    """The colour for text on white: the same hue, as much darker as a contrast of 4.6 : 1 needs."""
    most = 1.05 / CONTRAST - 0.05
    share = min(1.0, most / max(luminance(colour), 1e-9))
    if share == 1.0:
        return colour
    red, green, blue = (_coded(share * _linear(c)) for c in to_rgb(colour))
    return str(to_hex((red, green, blue))).upper()


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _coded(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * float(light ** (1 / 2.4)) - 0.055
