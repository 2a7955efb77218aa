from __future__ import annotations

import pytest
from kinkproof.reports.layout.blocks import Code, Column, Table, Text, text_width, wrapped
from kinkproof.reports.layout.style import PAGE, look
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

WORDS = "What autodiff hands the optimiser is not the gradient of ∫ ½κu′² − f u dx, ✗ at xᵢ = −bᵢ/wᵢ."


@pytest.mark.parametrize("bold", [False, True])
def test_a_line_is_as_wide_as_it_is_drawn(bold: bool) -> None:
    with look():
        figure = Figure(PAGE, dpi=300)
        (line,) = Text(WORDS, 0.01, 0.9, 0.98, 11, bold).draw(figure)
        canvas = FigureCanvasAgg(figure)
        drawn = line.get_window_extent(canvas.get_renderer()).width * 72 / 300
    # Kerning, which is not counted, and the bearings of the first and the last letter.
    assert text_width(WORDS, 11, bold) == pytest.approx(drawn, rel=0.02)


def test_lines_break_between_words_and_lose_none() -> None:
    lines = wrapped(WORDS * 5, 200, 11)
    assert " ".join(lines) == WORDS * 5
    assert len(lines) > 5
    assert all(text_width(line, 11) <= 200 for line in lines)
    assert wrapped("", 200, 11) == [""]
    name = "ModelWithANameThatIsLongerThanMost"
    broken = wrapped(f"the {name} is", 60, 11)
    assert "".join(broken).replace(" ", "") == f"the{name}is"
    assert all(text_width(line, 11) <= 60 for line in broken)
    assert wrapped("m", 1, 11) == ["m"]


def test_code_goes_on_as_code_and_comments_as_comments() -> None:
    code = (
        "# " + "a word " * 20 + "\n    value = integrate(energy, model, (0, 1), order=8, interfaces=[0.25, 0.5, 0.75])"
    )
    lines = Code(code, 0.05, 0.9, 0.3).lines
    assert max(map(len, lines)) <= 45
    assert all(line.startswith("#") for line in lines if "word" in line)
    assert [line for line in lines if "word" not in line][1].startswith("        ")
    trailing = Code("field = partial(model, parameters)  # a function of x alone", 0.05, 0.9, 0.3).lines
    assert trailing[1].startswith("# ")


def test_blocks_of_a_column_do_not_overlap() -> None:
    column = Column(0.05, 0.9, 0.4)
    column.text(WORDS * 3, 12)
    column.code("x = 1\ny = 2")
    column.quiet(WORDS)
    for above, below in zip(column.blocks, column.blocks[1:], strict=False):
        assert below.y < above.bottom  # type: ignore[attr-defined]
    assert column.y < column.blocks[-1].bottom


def test_heads_stand_over_their_numbers() -> None:
    table = Table(
        ("name", "n = 100", "verdict"), [("a", "1.0", "exact"), ("b", "23.5", "–")], 0.05, 0.9, (0.3, 0.2, 0.2), "lrl"
    )
    with look():
        figure = Figure(PAGE, dpi=300)
        texts = [t for t in table.draw(figure) if hasattr(t, "get_text")]
        renderer = FigureCanvasAgg(figure).get_renderer()
        place = {t.get_text(): t.get_window_extent(renderer) for t in texts}
    # A letter's bearing, a pixel or two.
    assert place["n = 100"].x1 == pytest.approx(place["1.0"].x1, abs=3)
    assert place["1.0"].x1 == pytest.approx(place["23.5"].x1, abs=3)
    assert place["name"].x0 == pytest.approx(place["a"].x0, abs=3)
    assert place["verdict"].x0 == pytest.approx(place["exact"].x0, abs=3)


def test_html_of_blocks_is_escaped() -> None:
    assert "a &lt; b" in Text("a < b", 0, 1, 1).html()
    assert "a &lt; b" in Code("a < b", 0, 1, 1).html()
    assert "a &lt; b" in Table(("<x>",), [("a < b",)], 0, 1, (1,), "l").html()
