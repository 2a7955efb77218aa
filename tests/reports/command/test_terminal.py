"""What stands in a terminal: a pseudo-terminal of 60, 80, 100 and 140 columns, of the operating system's own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
from kinkproof.reports.command.terminal import Column, show_table
from kinkproof.solver import Run, convergence, fit, solve
from kinkproof.verify import problems
from kinkproof.verify.oracles import packs
from kinkproof.verify.systems.findings import Audit
from rich.console import Console
from rich.text import Text

WIDTHS = (60, 80, 100, 140)
# One process tells its terminal how wide it is and prints everything, width by width: starting up takes seconds.
PROGRAM = """
import fcntl, struct, sys, termios
from pathlib import Path
from types import SimpleNamespace
from kinkproof.reports.command.model_tables import audit_lines
from kinkproof.reports.command.root import app
from kinkproof.reports.command.solve_tables import certificate_table, convergence_table
from kinkproof.reports.command.tables import audit_tables
from kinkproof.reports.command.training_tables import sweep_table
from kinkproof.reports.command.terminal import steps
from kinkproof.reports.command.training_tables import (
    answers_table, experiment_tables, findings_table, run_table, verdicts_table,
)
from kinkproof.reports.pages.paper_finding import Finding
from kinkproof.solver import Run, convergence, solve
from kinkproof.solver.studies.experiments import Outcome
from kinkproof.solver.studies.sweeps import SweepTable
from kinkproof.solver.training.checks import Check
from kinkproof.verify import audit as audit_model, problems
from kinkproof.verify.systems.audit_record import read_audit

folder, widths = Path(sys.argv[1]), [int(w) for w in sys.argv[2:]]
audit, run = read_audit((folder / "audit.json").read_text(encoding="utf-8")), Run.load(folder / "run.npz")
problem = problems["sine-2"]
best, table = solve(problem, width=3), convergence(problem, [3, 4])

scope = {}
exec((folder / "mine.py").read_text(encoding="utf-8"), scope)
own = audit_model(scope["model"], scope["energy"])
claim = "A claim of the paper's that is so long that it does not fit into a line of a terminal of sixty columns"
checks = (Check("One.", True), Check("Two.", False))
outcome = Outcome("figure-4", claim, {"relu": run, "relu-after-regression": run}, checks)
answer = SimpleNamespace(question=SimpleNamespace(claim=claim), checks=checks, verdict="borne out in part")
beyond = SimpleNamespace(first_look="", answers=[answer] * 2)
dimensions = SimpleNamespace(
    first_look="", runs={"l-shape, shallow": {}}, checks=lambda case: checks, verdict=lambda case: "borne out in part"
)
settings = {"rule": "gauss-legendre", "points": 100_000}
found = {"energy_gap": 0.123456, "kinks_inside": 17, "effective_kinks": 2, "diverged": False}
swept = SweepTable(tuple(
    settings | {"problem": p, "gradient": g, "seed": s} | found
    for p in problems for g in ("exact", "bulk") for s in (0, 1)
))

def command(*arguments):
    app(list(arguments), standalone_mode=False)

def progress():
    with steps(34) as step:
        for k in range(12):
            step("asking an AD system in a way that has a long name")

shown = {
    "audit": lambda: audit_tables(audit, None), "fit": lambda: run_table(run),
    "certificate": lambda: certificate_table(problem, best), "convergence": lambda: convergence_table(problem, table),
    "problems": lambda: command("problems"), "packs": lambda: command("oracles", "list"),
    "pack": lambda: command("oracles", "show", "paper"),
    "case": lambda: command("oracles", "show", "paper", "sine-2-width-3"), "progress": progress,
    "model": lambda: audit_lines(own), "experiment": lambda: experiment_tables(outcome, Path("figure-4.npz")),
    "findings": lambda: findings_table([Finding(k, claim, checks) for k in (1, 2)], ""),
    "answers": lambda: answers_table(beyond), "verdicts": lambda: verdicts_table(dimensions),
    "sweep": lambda: sweep_table(swept),
}
for width in widths:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    for name, show in shown.items():
        print(f"<<{width} {name}>>", flush=True)
        show()
        sys.stdout.flush()
"""


MINE = """
import torch

torch.manual_seed(3)
model = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).double()


def energy(x, u, du):
    return du**2 / 2 - u
"""


def in_a_terminal(*arguments: str) -> str:
    """What a program writes to a pseudo-terminal, stdout and stderr together, without its escape sequences."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    unset = ("COLUMNS", "LINES", "NO_COLOR", "TERM", "FORCE_COLOR", "TTY_COMPATIBLE")
    environment = {k: v for k, v in os.environ.items() if k not in unset} | {"TERM": "xterm-256color"}
    program = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            # At the end of a pseudo-terminal Linux says that it is broken.
            part = os.read(ours, 1 << 16)
        except OSError:
            break
        if not part:
            break
        written += part
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.decode())
    assert program.wait() == 0, text
    return text


@pytest.fixture(scope="module")
def run() -> Run:
    return fit(problems["sine-2"], width=3, steps=2, seeds=range(3))


@pytest.fixture(scope="module")
def printed(paper_audit: Audit, run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], str]:
    """(width, what) → what was printed."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "audit.json").write_text(json.dumps(paper_audit.as_dict()), encoding="utf-8")
    run.save(folder / "run.npz")
    (folder / "mine.py").write_text(MINE, encoding="utf-8")
    text = in_a_terminal(sys.executable, "-c", PROGRAM, str(folder), *map(str, WIDTHS))
    parts = re.split(r"<<(\d+) (\w+)>>", text)[1:]
    return {(int(w), name): part for w, name, part in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}


def broken(numbers_and_names: list[str], text: str) -> list[str]:
    """Which of them do not stand whole in a text?"""
    return [n for n in numbers_and_names if n not in text]


@pytest.mark.parametrize("width", [w if w == min(WIDTHS) else pytest.param(w, marks=pytest.mark.slow) for w in WIDTHS])
def test_no_number_and_no_name_is_cut(width: int, printed: dict[tuple[int, str], str], run: Run) -> None:
    tables = {name: text for (w, name), text in printed.items() if w == width and name != "progress"}
    assert not [name for name, text in tables.items() if "…" in text]
    wanted: dict[str, list[str]] = {
        "problems": [
            *problems,
            *(str(getattr(p, n)) for p in problems.values() for n in ("coefficient", "source", "distance")),
        ],
        "packs": list(packs),
        "pack": [case.id for case in packs["paper"]],
        "fit": [f"{v:.6g}" for v in run.energy] + [f"{v:.4g}" for v in run.energy_gap],
    }
    case = packs["paper"]["sine-2-width-3"]
    wanted["case"] = [
        *(case.component(k) for k in range(9)),
        *case.exact_parameters,
        *(repr(float(v)) for part in ("bulk", "dirac", "total") for v in getattr(case.gradient, part).ravel()),
    ]
    best = solve(problems["sine-2"], width=3)
    wanted["certificate"] = [f"{best.energy_gap:.6g}", f"{best.certificate.limit:.6g}", "stationary"]
    table = convergence(problems["sine-2"], [3, 4])
    wanted["convergence"] = ["gap ÷ limit", *(f"{b.energy_gap:.4e}" for b in table.networks)]
    wanted["model"] = ["0.weight", "2.bias", "inconsistent", "integrate(energy, model, (0, 1), order=8)", "n = 10,000"]
    wanted["experiment"] = [f"{v:.3g}" for v in (run.energy_gap.min(), run.energy_gap.max())]
    wanted["findings"] = wanted["answers"] = ["1 of 2", "borne out in part"]
    wanted["verdicts"] = ["l-shape, shallow", "1 of 2", "borne out in part"]
    wanted["sweep"] = [*problems, "0.1235", "exact", "bulk"]
    for name in ("model", "experiment", "findings", "answers", "verdicts", "sweep"):
        # A path, and lines to paste, are broken by the terminal alone.
        prose = [x for x in tables[name].splitlines() if not x.startswith(("Written", "#"))]
        assert max(map(len, prose)) <= width, name
    for name, whole in wanted.items():
        assert not broken(whole, tables[name]), name


@pytest.mark.parametrize("width", WIDTHS)
def test_the_main_table_has_every_way_with_its_finest_error_and_verdict(
    width: int, printed: dict[tuple[int, str], str], paper_audit: Audit
) -> None:
    text = printed[width, "audit"]
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= width
    for row in paper_audit.rows:
        assert row.total is not None
        assert row.system in text
        if width >= 140 or row.precision == "float64":
            said = [x for x in lines if row.method in x and row.total.verdict in x]
            assert any(f"{row.total.errors[-1]:.1e}" in x for x in said), row.label
    # Narrow: rows that say the same in float32 are folded, and what is left out is named.
    assert ("Not shown" in text) == (width < 100)
    assert ("float32 has a row of its own" in text) == (width < 140)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_progress_line_has_counts_and_times_whole(width: int, printed: dict[tuple[int, str], str]) -> None:
    frames = [f for f in re.split(r"[\r\n]+", printed[width, "progress"]) if "12/34" in f]
    assert frames
    for frame in frames:
        assert len(frame) <= width
        # Elapsed, then what remains.
        assert re.search(r"12/34 +\d+:\d\d:\d\d +(\d+:)?(\d\d:\d\d|--:--)", frame), frame


def test_a_float32_row_with_a_verdict_of_its_own_is_not_folded_away(paper_audit: Audit) -> None:
    from dataclasses import replace

    from kinkproof.reports.command.tables import _folded

    of_torch = [r for r in paper_audit.rows if r.system == "torch"]
    kept = _folded(of_torch)
    assert {r.method for r, _ in kept} == {r.method for r in of_torch}
    assert all(r.precision == "float64" for r, _ in kept)
    coarse = next(r for r in of_torch if r.precision == "float32" and r.total is not None)
    assert coarse.total is not None
    other = replace(coarse, total=replace(coarse.total, verdict="consistent"))
    found = _folded([other if r is coarse else r for r in of_torch])
    assert (other, ", float32") in found
    failed = replace(coarse, total=None, failed="out of memory")
    assert (failed, ", float32") in _folded([failed if r is coarse else r for r in of_torch])


@pytest.mark.parametrize("width", [20, 31, 32, 60])
def test_a_table_gives_up_frames_then_columns_then_its_form(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    columns = [
        Column("name", "left"),
        Column("energy"),
        Column("steps", dispensable=1),
        Column("why", "left", prose=True),
    ]
    left = show_table(Console(width=width), columns, [["a-long-name", "1.23456789", "17", "words to be broken"]])
    text = capsys.readouterr().out
    assert not broken(["a-long-name", "1.23456789"], text)
    assert all(Text(line).cell_len <= max(width, 31) for line in text.splitlines() if "Not shown" not in line)
    assert ("17" in text) == (not left)
