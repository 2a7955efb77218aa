"""The README stays true: its commands are those of CI, its Python example runs, its table is the audit's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kinkproof.reports.command.root import app
from kinkproof.solver import solve
from kinkproof.verify import problems
from kinkproof.verify.oracles import load, packs
from kinkproof.verify.systems.findings import Audit
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_ci_runs_the_readmes_own_test_command() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    (test_command,) = [c for c in commands if c.endswith("nox -s tests")]
    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "pip install nox && nox -s verify" in commands


def test_the_examples_run_and_print_what_they_say() -> None:
    # Each goes on from the ones before it.
    example = "\n".join(blocks("python"))
    # Lines that end in "# value" claim what the expression on them is.
    scope: dict[str, object] = {}
    exec(example, scope)
    claims = re.findall(r"^print\((.*)\)  # (.*)$", example, re.MULTILINE)
    assert claims
    for expression, value in claims:
        assert str(eval(expression, scope)) == value


def test_the_table_is_the_audits(paper_audit: Audit) -> None:
    rows = {(r.system, r.method, r.precision): r for r in paper_audit.rows}
    lines = [line for line in README.splitlines() if line.startswith("| ") and "| float64 |" in line]
    assert len(lines) == 8
    for line in lines:
        system, method, precision, first, last, missing, verdict = (cell.strip() for cell in line.strip("|").split("|"))
        found = rows[system, method, precision].total
        assert found is not None
        assert verdict == found.verdict
        for shown, measured in ((first, found.errors[0]), (last, found.errors[-1])):
            # Rounding differs between processors; where an error is not mere rounding, its digits must not.
            assert float(shown) < 1e-12 if measured < 1e-12 else shown == f"{measured:.1e}"

        attribution = rows[system, method, precision].attribution
        assert missing == ("–" if attribution is None else f"{attribution:.1e}")
    fixed = [r for r in paper_audit.rows if r.system != "kinkproof" and r.precision == "float64" and not r.conforming]
    errors = [r.total.errors[-1] for r in fixed if r.total]
    # torch.compile, which `nox -s verify` runs, is the eleventh.
    assert f"All {len(errors) + 1} ways of asking" in README
    assert max(errors) - min(errors) <= 1e-12 * max(errors)


def test_the_oracles_report_is_the_one_that_is_printed() -> None:
    case = load("paper")["sine-2-width-3"]
    with pytest.raises(AssertionError) as caught:
        case.check(case.gradient.bulk)
    printed = str(caught.value).splitlines()
    (shown,) = (block for block in blocks("text") if block.startswith("AssertionError"))
    lines = shown.removeprefix("AssertionError: ").splitlines()
    assert [line for line in lines if line.strip() != "…"] == [printed[0], printed[1], printed[-1]]
    assert all(f"`{name}`" in README for name in packs)


def test_every_named_problem_is_listed() -> None:
    for name in problems:
        assert f"`{name}`" in README


def test_what_solve_reaches_is_what_it_says() -> None:
    best = solve(problems["sine-2"], width=20)
    assert f"energy gap {best.energy_gap:.3g} in {best.iterations} Newton steps" in README
    for command in re.findall(r"`kinkproof (solve[^`]*)`", README):
        # The chart trains for minutes; its command has a test of its own.
        if "--chart" in command:
            continue
        assert CliRunner().invoke(app, command.split()).exit_code == 0
