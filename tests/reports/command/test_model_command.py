"""`kinkproof audit FILE.py:DENSITY` as a user runs it: on the examples, and on files that cannot be used."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from kinkproof.reports.command.root import app
from kinkproof.verify import audit
from pypdf import PdfReader
from typer.testing import CliRunner

EXAMPLES = Path(__file__).parents[3] / "examples"
RUNNER = CliRunner()
COMMAND = [sys.executable, "-c", "from kinkproof.reports.command import main; main()", "audit"]
CONTRACT = """
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).double()
domain = (0, 1)
def loss(x, u, du):
    return du**2 / 2 - u
"""
VERDICTS = {
    "deep_ritz.py:energy": ("inconsistent", "your loss", "relu “net.1”, neuron"),
    "monte_carlo.py:energy": ("inconsistent", "your quadrature", "mean of"),
    "two_layers.py:energy": ("inconsistent", "midpoint rule", "relu call 2, neuron"),
    "hyperelastic_bar.py:energy": ("inconsistent", "midpoint rule", "leaky_relu “net.3”, neuron"),
    "tanh.py:energy": ("consistent", "midpoint rule", "u is smooth in x"),
}


def test_every_example_has_a_verdict_to_be_checked() -> None:
    # Those that train are run as scripts, by the tests of the term and of the gallery.
    audited = {p.name for p in EXAMPLES.glob("*.py") if "STEPS" not in p.read_text(encoding="utf-8")}
    assert audited == {name.partition(":")[0] for name in VERDICTS}


@pytest.mark.slow
@pytest.mark.parametrize(
    "subject",
    VERDICTS,
)
def test_the_examples_get_the_right_verdict_as_a_user_runs_them(subject: str) -> None:
    verdict, trained, said = VERDICTS[subject]
    done = subprocess.run([*COMMAND, subject], cwd=EXAMPLES, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if verdict == "consistent" else 1), done.stderr
    assert done.stdout.startswith(f"verdict: {verdict} ({trained}")
    assert said in done.stdout
    assert "gradcheck passes" in done.stdout
    assert ("integrate(" in done.stdout) == (verdict == "inconsistent")


@pytest.mark.slow
@pytest.mark.parametrize("subject", [s for s, v in VERDICTS.items() if v[0] == "inconsistent"])
def test_the_remedy_pasted_into_the_example_makes_it_exact(subject: str) -> None:
    path, _, name = subject.partition(":")
    found = runpy.run_path(str(EXAMPLES / path))
    options = {k: found[n] for n, k in {"parameters": "parameters", "ends": "ends"}.items() if n in found}
    before = audit(found["model"], found[name], found["domain"], **options)
    lines = before.remedy.splitlines()
    assert lines[-1] == "value.backward()"

    # The loss is what the lines before it compute, with the user's own names.
    def mended(model: object, n: int) -> torch.Tensor:
        scope = dict(found) | {"torch": torch, "model": model}
        text = "\n".join(lines[:-1])
        if "parameters" in options:
            # The audit hands the model over at its parameters, as a function of x alone.
            text = text.replace("field = partial(model, parameters)", "field = model")
            scope["parameters"] = model.args[0]  # type: ignore[attr-defined]
        exec(text, scope)
        value: torch.Tensor = scope["value"]
        return value

    after = audit(found["model"], found[name], found["domain"], loss=mended, **options)
    assert after.verdict == "exact", str(after)


def test_json_and_pdf(tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    done = RUNNER.invoke(app, ["audit", f"{EXAMPLES / 'deep_ritz.py'}:energy", "--json", "--pdf", str(pdf)])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["verdict"] == "inconsistent"
    assert {t["name"] for t in found["tensors"]} == {"net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"}
    assert found["gradcheck"]["passed"] is None or found["gradcheck"]["passed"] is True
    assert len(PdfReader(pdf).pages) == 5


def test_the_file_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("STRENGTH = 3.0\n")
    (tmp_path / "mine.py").write_text(f"from beside_it import STRENGTH\n{CONTRACT}")
    done = RUNNER.invoke(app, ["audit", f"{tmp_path / 'mine.py'}:loss"])
    # All kinks of this one lie outside the domain.
    assert done.exit_code == 0, done.output
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("model = 1 / 0\n", "raises ZeroDivisionError: division by zero", 1),
        ("import torch\nmodel = (\n", "raises SyntaxError", 2),
        ("import sys\nsys.exit(3)\n", "raises SystemExit: 3", 2),
        ("import absent_library\n", "raises ModuleNotFoundError: No module named 'absent_library'", 1),
        (CONTRACT.replace("domain = (0, 1)\n", ""), "domain is not defined", 0),
        (CONTRACT.replace("model =", "mine =").replace("domain", "interval"), "model and domain are not defined", 0),
        (CONTRACT.replace("def loss", "def energy"), "loss is not defined", 0),
        (CONTRACT.replace("domain = (0, 1)", "domain = 5"), "domain: 5 is no pair of numbers", 5),
        (CONTRACT.replace("Linear(8, 1)", "Linear(8, 2)"), "returns shape (7, 2)", 6),
        (CONTRACT.replace("torch.nn.ReLU()", "torch.nn.ReLU(), torch.nn.Dropout()"), "dropout in training mode", 4),
        (CONTRACT.replace("du**2 / 2", "du.detach()**2 / 2"), "derivative in du is 0", 7),
        (CONTRACT.replace("return", "raise KeyError('E')\n    return"), "density: it raises KeyError", 7),
        (CONTRACT + "def training_loss(model, n):\n    return loss(1, 2, 3) * absent\n", "NameError", 9),
        (CONTRACT + "def quadrature(n):\n    return [0.5] * n\n", "quadrature: ", 8),
        (CONTRACT + "parameters = {}\n", "leaving parameters= out", 8),
        (CONTRACT + "quadrature = training_loss = print\n", "one of the two would be right", 8),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_one_sentence_its_line_and_code_2(
    text: str, said: str, line: int, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    done = RUNNER.invoke(app, ["audit", f"{file}:loss", "--pdf", str(tmp_path / "report.pdf")])
    assert done.exit_code == 2, done.output
    message = done.output.strip().splitlines()[-1]
    assert message.startswith("kinkproof: ")
    assert said in message
    assert f"{file}:{line})" in message if line else str(file) in message
    assert "Traceback" not in done.output
    assert [p.name for p in tmp_path.iterdir() if p.name != "__pycache__"] == ["mine.py"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mine.py"], "FILE.py:DENSITY"),
        (["mine.txt:loss"], "FILE.py:DENSITY"),
        (["absent.py:loss"], "there is no file absent.py"),
        (["absent.py:loss", "--width", "3"], "--width: it says nothing about a model in a file"),
        (["absent.py:loss", "--problem", "sine-2"], "--problem: it says nothing about a model in a file"),
        (["absent.py:loss", "--pdf", "report.txt"], "report.pdf would be right"),
        (["--pdf", "report.pdf"], "pdf: it is for a model of yours"),
        (["--points", "50"], "points: they are those of a model of yours"),
        (["absent.py:loss", "--save", "out"], "--save: it says nothing about a model in a file"),
    ],
)
def test_arguments_that_do_not_go_together(arguments: list[str], said: str) -> None:
    done = RUNNER.invoke(app, ["audit", *arguments])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_what_the_file_prints_is_not_in_the_json(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(CONTRACT.replace("    return", "    print('called')\n    return") + "print('loaded')\n")
    done = RUNNER.invoke(app, ["audit", f"{file}:loss", "--json"])
    assert json.loads(done.stdout)["verdict"] == "exact"


def test_points_and_rule_reach_the_audit(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(CONTRACT)
    done = RUNNER.invoke(app, ["audit", f"{file}:loss", "--points", "50", "--rule", "trapezoid", "--json"])
    found = json.loads(done.stdout)
    assert found["points"] == [50, 500, 5000]
    assert found["discretisation"] == "trapezoid rule"


def test_the_remedy_of_a_function_runs_with_parameters_that_are_plain_tensors() -> None:
    found = runpy.run_path(str(EXAMPLES / "two_layers.py"))
    assert not any(p.requires_grad for p in found["parameters"].values())
    said = audit(found["model"], found["energy"], found["domain"], parameters=found["parameters"])
    exec(said.remedy, found)
    gradient = torch.cat([p.grad.reshape(-1) for p in found["parameters"].values()])
    exact = torch.from_numpy(said.bulk + said.dirac)
    # Both are exact to rounding.
    torch.testing.assert_close(gradient, exact, rtol=0.0, atol=1e-11 * float(exact.norm()))


def written(folder: Path, text: str) -> str:
    """A file as a user has it, and its density."""
    file = folder / "mine.py"
    file.write_text("import torch\nfrom torch import nn\n\ntorch.manual_seed(0)\ndomain = (0.0, 1.0)\n" + text)
    return f"{file}:energy"


NET = "model = nn.Sequential(nn.Linear(1, 40), nn.{act}, nn.Linear(40, 1)).double()\n"
ENERGY = "def energy(x, u, du):\n    return du**2 / 2 - u\n"
SIMPSON = """points = 101
def training_loss(model, n):
    assert n % 2 == 1
    x = torch.linspace(0, 1, n, dtype=torch.float64)[:, None].requires_grad_()
    u = model(x)
    f = energy(x, u, torch.autograd.grad(u.sum(), x, create_graph=True)[0])[:, 0]
    return (f[0] + f[-1] + 4 * f[1:-1:2].sum() + 2 * f[2:-1:2].sum()) / (3 * (n - 1))
"""


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (NET.format(act="Tanh()") + ENERGY + SIMPSON, 0, "n = 101  n = 1,011  n = 10,101"),
        # Steeper than any grid: nobody was judged.
        (NET.format(act="Softplus(beta=1e6)") + ENERGY, 2, "points would be needed"),
        # What the user's own code raises, wherever it does, is a sentence with its line.
        (NET.format(act="ReLU()") + ENERGY + "def ends(u):\n    return u.missing\n", 2, "mine.py:10"),
        (NET.format(act="ReLU()") + "def energy(x, u, du):\n    raise KeyError('load')\n", 2, "KeyError: 'load' ("),
        ("class Odd(nn.ReLU):\n    def __deepcopy__(self, memo):\n        raise OSError('no')\n"
         "model = nn.Sequential(nn.Linear(1, 8), Odd(), nn.Linear(8, 1))\n" + ENERGY, 2, "copied (OSError: no)"),
    ],
)  # fmt: skip
def test_what_is_not_judged_ends_with_2_and_a_sentence(text: str, code: int, said: str, tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["audit", written(tmp_path, text)])
    assert done.exit_code == code, done.output
    assert said in done.output
    assert "Traceback" not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_whatever_the_audit_stumbles_over_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stumbles(*_: object) -> None:
        raise AttributeError("nobody thought of this")

    monkeypatch.setattr("kinkproof.verify.models.model_audit.locate", stumbles)
    done = RUNNER.invoke(app, ["audit", written(tmp_path, NET.format(act="ReLU()") + ENERGY)])
    assert done.exit_code == 2
    assert "audit: AttributeError: nobody thought of this" in done.output
