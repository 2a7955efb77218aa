from __future__ import annotations

import pytest
from kinkproof.verify import BoxProblem, InputError, RitzProblem, box_problems, problems


def test_named_problems_are_a_mapping_that_says_what_it_has() -> None:
    assert repr(problems).startswith("<9 named problems: sine-2, sine-6, ")
    assert repr(box_problems).startswith("<6 named box problems: sine-line, ")
    assert isinstance(problems["natural"], RitzProblem)
    assert isinstance(box_problems["sine-square"], BoxProblem)
    assert problems["natural"] is problems["natural"]
    # What a notebook completes after problems[.
    assert problems._ipython_key_completions_() == list(problems)
    assert len(problems) == 9


def test_a_name_that_is_not_there_is_none_by_get_and_refused_by_brackets() -> None:
    assert problems.get("nope") is None
    assert problems.get("nope", 3) == 3
    assert problems.get("sine-2") is problems["sine-2"]
    assert "nope" not in problems
    assert [] not in problems
    with pytest.raises(InputError, match="'sine2' is not a named problem; did you mean 'sine-2'"):
        problems["sine2"]
    with pytest.raises(InputError, match="'nope' is not a named box problem; one of sine-line, sine-square"):
        box_problems["nope"]
