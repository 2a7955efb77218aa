from __future__ import annotations

import json
from pathlib import Path

import pytest
from kinkproof.reports.command.root import app
from kinkproof.verify import ShallowNetwork
from kinkproof.verify.oracles import load, packs
from kinkproof.verify.oracles.making import shipped
from kinkproof.verify.oracles.standalone import generation
from typer.testing import CliRunner

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """One neuron, so that 50 digits take a second; the command is that of the full file."""
    monkeypatch.setattr(generation, "default_networks", lambda problem: {"one": ShallowNetwork([1], ["-1/3"], [1])})


def test_list_and_show_print_what_the_packs_hold() -> None:
    done = RUNNER.invoke(app, ["oracles", "list"])
    assert done.exit_code == 0
    assert all(name in done.output and packs[name].about in done.output for name in packs)
    assert set(json.loads(RUNNER.invoke(app, ["oracles", "list", "--json"]).stdout)) == set(packs)
    done = RUNNER.invoke(app, ["oracles", "show", "degenerate"])
    assert all(case.id in done.output for case in packs["degenerate"])
    done = RUNNER.invoke(app, ["oracles", "show", "paper", "sine-2-width-3"])
    case = packs["paper"]["sine-2-width-3"]
    assert repr(float(case.gradient.dirac.hidden_biases[2])) in done.output
    assert "1/3" in done.output
    done = RUNNER.invoke(app, ["oracles", "show", "degenerate", "dead-neuron", "--json"])
    assert json.loads(done.stdout)["degenerate/dead-neuron"]["degeneracies"] == ["dead neuron: neuron 0"]
    assert "from below" in RUNNER.invoke(app, ["oracles", "show", "degenerate", "dead-neuron"]).output


def test_networks_of_several_layers_are_shown_tensor_by_tensor() -> None:
    done = RUNNER.invoke(app, ["oracles", "show", "deep"])
    assert done.exit_code == 0, done.output
    assert "16-16" in done.output
    assert all(case.id in done.output for case in packs["deep"])
    case = packs["deep"]["quartic-widths-4-3"]
    done = RUNNER.invoke(app, ["oracles", "show", "deep", "quartic-widths-4-3"])
    assert done.exit_code == 0, done.output
    assert "density = du**4/10" in done.output
    assert "source" not in done.output
    row = next(line for line in done.output.splitlines() if "hidden_weights.1[2, 3]" in line)
    assert case.exact_parameters[4 + 4 + 11] in row
    assert repr(float(case.gradient.total.hidden_weights[1][2, 3])) in row
    assert "output_bias" in RUNNER.invoke(app, ["oracles", "show", "deep", "penalised-ends-widths-3-2"]).output
    done = RUNNER.invoke(app, ["oracles", "show", "deep", "sine-2-widths-1-1", "--json"])
    assert len(json.loads(done.stdout)["deep/sine-2-widths-1-1"]["network"]["layers"]) == 2


def test_generate_writes_and_check_tells_stale_files(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "relu_oracles.py"
    stated = ["--source", "1 + x", "--standalone", str(path)]
    done = RUNNER.invoke(app, ["oracles", "generate", *stated])
    assert done.exit_code == 0, done.output
    assert f"written: {path}" in done.output
    assert RUNNER.invoke(app, ["oracles", "generate", *stated, "--language", "python", "--check"]).exit_code == 0
    before = path.read_bytes()
    other = RUNNER.invoke(app, ["oracles", "generate", "--source", "2", "--standalone", str(path), "--check"])
    assert other.exit_code == 1
    assert f"stale: {path}" in other.output
    assert path.read_bytes() == before


def test_generate_writes_a_pack(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    done = RUNNER.invoke(app, ["oracles", "generate", "--source", "1", "--pack", str(path)])
    assert done.exit_code == 0, done.output
    assert [case.id for case in load(path)] == ["mine/one"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate"], "--standalone FILE.py"),
        (["generate", "--standalone", "a.py", "--pack", "b.json"], "--standalone FILE.py"),
        (["generate", "--standalone", "a.txt"], "a.py would be right"),
        (["generate", "--standalone", "a.json"], "a.py would be right"),
        (["generate", "--pack", "a.py"], "a.json would be right"),
        (["generate", "--standalone", "a.py", "--language", "c"], "a.c would be right"),
        (["generate", "--standalone", "a.py", "--language", "julia"], "one of python, c"),
        (["generate", "--standalone", "folder"], "folder is a directory"),
        (["generate", "--standalone", "file/a.py"], "cannot be written"),
        (["generate", "--source", "y", "--standalone", "a.py"], "unknown symbol y"),
        (["show", "papers"], "did you mean 'paper'?"),
        (["show", "paper", "sine-2-width-4"], "did you mean"),
        (["show", "absent.json"], "cannot be read"),
        (["shipped", "new", "papers"], "did you mean 'paper'?"),
    ],
)
def test_bad_input_ends_with_code_2_one_sentence_and_no_file(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    done = RUNNER.invoke(app, ["oracles", *arguments])
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert "Traceback" not in done.output
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


def test_ctrl_c_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kinkproof.verify.files.os.replace", interrupt)
    done = RUNNER.invoke(app, ["oracles", "generate", "--source", "1", "--standalone", str(tmp_path / "a.py")])
    assert done.exit_code == 130
    assert not list(tmp_path.iterdir())


def test_shipped_writes_the_packs_and_tells_stale_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shipped.SHIPPED, "degenerate", ("as a trial", lambda: iter([])))
    arguments = ["oracles", "shipped", str(tmp_path), "degenerate"]
    assert RUNNER.invoke(app, [*arguments, "--check"]).exit_code == 1
    assert RUNNER.invoke(app, arguments).exit_code == 0
    assert load(tmp_path / "degenerate.json").about == "as a trial"
    assert RUNNER.invoke(app, [*arguments, "--check"]).exit_code == 0
