"""Findings as JUnit's XML: read back by the standard library, as build servers read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from kinkproof.reports.command.junit import suite
from kinkproof.reports.command.root import app
from kinkproof.verify import audit
from torch import nn
from typer.testing import CliRunner

from .test_model_command import CONTRACT

RUNNER = CliRunner()


@pytest.mark.parametrize(("activation", "code"), [("ReLU", 1), ("Tanh", 0)])
def test_the_file_says_what_the_exit_code_says(
    activation: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Where its kinks lie.
    text = CONTRACT.replace("(0, 1)", "(-2, 2)").replace("ReLU", activation)
    Path("bar.py").write_text(text, encoding="utf-8")
    done = RUNNER.invoke(app, ["audit", "bar.py:loss", "--junit", "found.xml"])
    assert done.exit_code == code, done.output
    assert "written: found.xml" in done.output
    found = ElementTree.parse("found.xml").getroot()
    cases = found.findall("testcase")
    assert (found.tag, found.get("tests"), found.get("errors")) == ("testsuite", str(len(cases)), "0")
    assert {c.get("classname") for c in cases} == {"bar.loss"}
    names = [c.get("name") for c in cases]
    assert len(set(names)) == len(names)
    failed = {c.get("name"): c for c in cases if c.find("failure") is not None}
    assert int(str(found.get("failures"))) == len(failed)
    assert ("the whole gradient" in failed) == bool(code)
    if code:
        weight = failed["gradient of 0.weight"].find("failure")
        assert weight is not None
        assert "relu “1”, neuron" in str(weight.text)


def test_no_verdict_is_an_error_and_no_failure() -> None:
    fine = audit(nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)).double(), lambda x, u, du: du**2)
    broken = replace(fine, verdict="none", reason="no verdict: a route is off", tensors=())
    broken = replace(broken, routes=(replace(fine.routes[0], error=float("nan")), *fine.routes[1:]))
    found = suite(broken, "bar.py:loss")
    assert (found.get("failures"), found.get("errors")) == ("0", "2")


def test_what_is_no_xml_and_where_it_says_nothing_is_refused() -> None:
    done = RUNNER.invoke(app, ["audit", "bar.py:loss", "--junit", "found.json"])
    assert done.exit_code == 2
    assert "junit: found.json does not end in .xml; found.xml would be right" in " ".join(done.output.split())
    done = RUNNER.invoke(app, ["audit", "--junit", "found.xml"])
    assert "junit: it is for a model of yours" in " ".join(done.output.split())
