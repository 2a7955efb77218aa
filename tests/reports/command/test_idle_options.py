"""Every option of every subcommand is at work, or refused by name where it would do nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kinkproof.reports.command.root import app
from typer.main import get_command
from typer.testing import CliRunner

RUNNER = CliRunner()
STATEMENT = (
    "--problem --source --coefficient --reaction --distance --lift --solution --flux --essential --robin --load "
    "--periodic --penalty --domain"
)
OUTPUT = "--output --html --cache --quiet"
SAMPLES = {
    "--problem": "sine-6", "--source": "1", "--coefficient": "2", "--distance": "x*(1-x)", "--lift": "0",
    "--solution": "0", "--flux": "1=0", "--essential": "0=0", "--robin": "1=2,0", "--penalty": "7", "--domain": "0 2",
    "--preset": "figure-1", "--width": "3", "--activation": "tanh", "--gradient": "exact", "--energy": "strong",
    "--steps": "2", "--learning-rate": "1e-2", "--schedule": "cosine", "--optimizer": "varpro", "--lbfgs-steps": "1",
    "--rule": "trapezoid", "--points": "50", "--difference-step": "1e-4", "--seeds": "2", "--start": "regression",
    "--initial": "torch", "--patience": "5", "--record": "10", "--checkpoint": "kept.npz", "--checkpoint-every": "5",
    "--save": "saved", "--dtype": "float32", "--device": "cpu", "--threads": "1", "--kinks": "3", "--tolerance": "1e-3",
    "--widths": "3,4", "--seed": "1", "--max-iterations": "5", "--chart": "chart.pdf", "--backend": "torch",
    "--picture": "a.svg", "--pdf": "a.pdf", "--output": "a.html", "--cache": "cache", "--processes": "2",
    "--scheduler": "tcp://127.0.0.1:1", "--standalone": "a.py", "--pack": "a.json", "--language": "c",
    "--resolution": "11", "--radius": "0.1", "--load": "1/2=3", "--reaction": "1", "--junit": "a.xml",
    "--plane": "plane-l-shape",
}  # fmt: skip
PENALISED = "--source 1 --distance 1 --essential 0=0 --essential 1=0"
FIT_STATES = "--activation --gradient --energy --schedule --optimizer --lbfgs-steps --rule --difference-step --start"
FIT_STATES += " --initial --patience --record --checkpoint --checkpoint-every --resume --dtype --device"
AUDIT_STATES = f"{STATEMENT} --width --seed --backend --plane --save --picture --processes"
# Subcommand, what else stands on the line, and the options that do nothing there.
MODES = [
    ("audit", "", "--points --pdf --junit"),
    ("audit", "own.py:energy", AUDIT_STATES),
    ("audit", "sums.py:energy", "--rule"),
    ("audit", "losses.py:energy", "--rule"),
    ("audit", "--source 1", "--problem --penalty"),
    ("verify", "", "--points --pdf --junit"),
    ("verify", "sums.py:energy", "--rule"),
    ("derive", "--source 1", "--problem --penalty"),
    ("derive", "", "--penalty"),
    ("fit", "--preset figure-1", f"{STATEMENT} {FIT_STATES}"),
    ("fit", "--source 1", "--problem --penalty"),
    ("fit", "", "--checkpoint-every --resume --lbfgs-steps --difference-step"),
    ("fit", "--steps 2 --seeds 2", "--quick"),
    ("fit", "--steps 2 --start run.npz", "--quick --seeds --initial"),
    ("fit", "--start regression", "--initial"),
    ("fit", "--gradient exact", "--rule --points --difference-step"),
    ("fit", "--gradient bulk", "--rule --points --difference-step"),
    ("fit", "--optimizer lbfgs", "--learning-rate --schedule --lbfgs-steps"),
    ("fit", "--optimizer varpro", "--learning-rate --schedule --lbfgs-steps"),
    ("fit", "--optimizer block-newton --gradient exact", "--learning-rate --schedule --rule --points"),
    ("fit", "--optimizer newton --gradient exact", "--learning-rate --schedule --lbfgs-steps --rule --points"),
    ("solve", "", "--steps --seeds --penalty"),
    ("solve", PENALISED, "--penalty --chart"),
    ("solve", "--source 1", "--problem"),
    ("solve", "--width 3", "--kinks --tolerance --widths"),
    ("solve", "--widths 3,4", "--width --kinks --tolerance --seed --max-iterations --chart"),
    ("sweep study.toml", "--scheduler tcp://127.0.0.1:1", "--processes"),
    ("report discrepancy", "--output a.html", "--html"),
    ("report discrepancy", "--source 1", "--problem --penalty"),
    ("report landscape", "--output a.html", "--html"),
    ("report landscape", "--resolution 11", "--quick"),
    ("report landscape", "--source 1", "--problem --penalty"),
    ("report paper", "--output a.html", "--html"),
    ("report beyond", "--output a.html", "--html"),
    ("report beyond", "--steps 2 --seeds 2", "--quick"),
    ("report dimensions", "--output a.html", "--html"),
    ("report dimensions", "--steps 2 --seeds 2", "--quick"),
    ("oracles generate", "--pack a.json", "--language --standalone"),
    ("oracles generate", "--source 1 --pack a.json", "--problem --penalty"),
]
# Those that are at work in every mode, or in every mode that is listed above for the others.
AT_WORK = {
    "audit": "--json --quiet", "verify": f"{AUDIT_STATES} --json --quiet", "derive": f"{STATEMENT} --json",
    "fit": "--preset --width --steps --save --threads --json --quiet", "solve": f"{STATEMENT} --save --json --quiet",
    "sweep": "--output --scheduler --cache --json --quiet",
    "report discrepancy": f"{STATEMENT} --width --seed --rule --backend --quick {OUTPUT}",
    "report landscape": f"{STATEMENT} --width --seed --points --rule --radius --resolution {OUTPUT}",
    # Quick chooses the resolution of planes, too.
    "report paper": f"--steps --seeds --quick {OUTPUT}", "report beyond": f"--steps --seeds --processes {OUTPUT}",
    "report dimensions": f"--steps --seeds {OUTPUT}", "oracles list": "--json", "oracles show": "--json",
    "oracles generate": f"{STATEMENT} --pack --check --quiet", "oracles shipped": "--check --quiet",
    "problems": "--json",
}  # fmt: skip
CASES = [(command, words, option) for command, words, idle in MODES for option in idle.split()]


def options() -> Iterator[tuple[str, set[str]]]:
    """Subcommand → its options, as the command itself has them."""
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        for inner, sub in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), {max(p.opts, key=len) for p in sub.params if p.opts[0].startswith("-")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the files that the modes name."""
    own = "import torch\nmodel, domain = torch.nn.Linear(1, 1).double(), (0, 1)\ndef energy(x, u, du): return du**2\n"
    sums = {"own": "", "sums": "def quadrature(n): ...\n", "losses": "def training_loss(model, n): ...\n"}
    for name, more in sums.items():
        (tmp_path / f"{name}.py").write_text(own + more, encoding="utf-8")
    (tmp_path / "run.npz").touch()
    (tmp_path / "study.toml").write_text("width = 2\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(command: str, words: str, option: str) -> list[str]:
    """A line with the option, after what it would be idle beside."""
    value = SAMPLES.get(option, "")
    return [*command.split(), *words.split(), option, *value.split()]


def test_no_option_is_forgotten() -> None:
    for command, there in options():
        listed = {o for c, _, idle in MODES if c.partition(" study")[0] == command for o in idle.split()}
        assert listed | set(AT_WORK[command].split()) == there, command


@pytest.mark.parametrize(("command", "words", "option"), CASES)
def test_an_option_that_would_do_nothing_is_refused_by_name(
    command: str, words: str, option: str, folder: Path
) -> None:
    before = sorted(folder.iterdir())
    done = RUNNER.invoke(app, typed(command, words, option))
    assert (done.exit_code, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert option in sentence
    assert sorted(folder.iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize(("command", "words"), [(c, w) for c, w, _ in MODES if c == "fit"])
def test_what_is_at_work_is_not_refused(
    command: str, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All that is refused for being idle is refused before torch is asked for.
    monkeypatch.setitem(sys.modules, "torch", None)
    idle = {o for c, w, os in MODES if c == command and w in ("", words) for o in os.split()}
    # A preset makes of most others something idle.
    beside = {"--preset", *words.split(), *STATEMENT.split()}
    for option in sorted(dict(options())[command] - idle - beside):
        said = RUNNER.invoke(app, typed(command, words, option)).stderr
        assert "does nothing" not in said, said
