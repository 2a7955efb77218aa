from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kinkproof.reports.data.beyond import Answer, Arm, BeyondStudy
from kinkproof.reports.data.gram import ARMS, REDUCED, GramStudy
from kinkproof.reports.data.questions import QUESTIONS as ALL
from kinkproof.reports.pages.beyond_pages import beyond_report
from kinkproof.solver.studies.plateaux import Plateau
from kinkproof.solver.training.checks import Check
from pypdf import PdfReader

# A short table, and one that takes two pages.
QUESTIONS = [q for q in ALL if q.name in ("Other points", "Frequency")]


@pytest.mark.slow
@pytest.mark.parametrize("steps", [10, 10_000])
def test_a_page_for_each_question_and_verdicts_only_of_whole_runs(steps: int, tmp_path: Path) -> None:
    epsilon = 10.0 ** -np.arange(1, 4)
    gram = GramStudy(9, epsilon, 1 / epsilon, 1.0, {n: np.array([0.1, 0.2]) for n in [*ARMS, REDUCED]})
    arm = Arm(
        "an arm", 16, 0.1234, (0.1, 0.2), 0.05, 0.9, (Plateau(0.25, 7),), 3, 10, 2, (0.2524, 0.7476), (0.05, 0.1, 0.9)
    )
    judged = steps >= 10_000
    answers = tuple(
        Answer(q, (arm,) * len(q.arms), (Check("A sentence.", True), Check("Another.", False)), judged)
        for q in QUESTIONS
    )
    settings = {"problem": "sine-2", "width": 20, "points": 200, "steps": steps, "seeds": 16}
    path = beyond_report(BeyondStudy(settings, answers, gram), tmp_path / "b.pdf")
    pages = [page.extract_text() for page in PdfReader(path).pages]
    assert [q.name for q in QUESTIONS] == ["Other points", "Frequency"]
    assert len(pages) == 1 + 1 + 2 + 2
    for question, its in zip(QUESTIONS, (pages[1:2], pages[2:4]), strict=True):
        page = "\n".join(its)
        assert question.name in page
        assert page.count("0.252 0.748") == len(question.arms)
        assert page.count("7 at 0.25") == len(question.arms)
        assert ("BORNE OUT IN PART" in page) == judged
        assert "w, b uniform in (−1, 1)" in " ".join(page.split())
    assert ("First look" in pages[3]) == (not judged)
    assert pages[0].count("borne out in part") == (len(QUESTIONS) if judged else 0)
