from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, audit
from kinkproof.verify.systems.audit_record import read_audit
from kinkproof.verify.systems.findings import Audit


def test_an_audit_comes_back_from_its_json(paper_audit: Audit) -> None:
    text = json.dumps(paper_audit.as_dict(), allow_nan=False)
    again = read_audit(text)
    assert again.as_dict() == paper_audit.as_dict()
    assert again.rows == paper_audit.rows
    assert again.problem == paper_audit.problem
    for part in fields(paper_audit.exact):
        if part.name in ("bulk", "dirac", "total"):
            ours, theirs = (getattr(a.exact, part.name).ravel() for a in (again, paper_audit))
            np.testing.assert_array_equal(ours, theirs)


def test_a_problem_without_solution_and_with_ends_comes_back() -> None:
    problem = RitzProblem(source="1", coefficient="1 + x", distance="x", fluxes={1: "1/3"}, name="mine")
    found = audit(problem, ShallowNetwork.random(3, seed=1), methods=(), points=(100, 200, 400))
    again = read_audit(json.dumps(found.as_dict()))
    assert again.problem == problem
    assert again.as_dict() == found.as_dict()


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"schema_version": 99}', '{"schema_version": 1}'])
def test_what_is_no_audit_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="would be right"):
        read_audit(text)
