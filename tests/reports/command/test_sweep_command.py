from __future__ import annotations

import json
from pathlib import Path

import pytest
from kinkproof.reports.command.root import app
from typer.testing import CliRunner

RUNNER = CliRunner()
SWEEP = "steps = 5\nseeds = 2\nwidth = [3, 4]\ngradient = 'exact'\n"


def run(folder: Path, *more: str, text: str = SWEEP) -> tuple[int, str]:
    (folder / "sweep.toml").write_text(text)
    done = RUNNER.invoke(app, ["sweep", str(folder / "sweep.toml"), *more])
    return done.exit_code, done.output


def test_a_table_is_written_and_the_second_time_nothing_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = run(tmp_path)
    assert code == 0, said
    assert "4 networks, 2 combinations of settings" in said
    first = (tmp_path / "sweep.csv").read_bytes()
    assert first.count(b"\n") == 5
    monkeypatch.setattr("kinkproof.solver.studies.sweeps._rows_of", None)
    assert run(tmp_path)[0] == 0
    assert (tmp_path / "sweep.csv").read_bytes() == first


def test_a_damaged_file_of_the_cache_is_made_anew(tmp_path: Path) -> None:
    assert run(tmp_path)[0] == 0
    first = (tmp_path / "sweep.csv").read_bytes()
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(file.read_bytes()[:-9])
    assert run(tmp_path)[0] == 0
    assert (tmp_path / "sweep.csv").read_bytes() == first


def test_rows_as_json(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--json", "-o", str(tmp_path / "t.csv"), text="steps = 2\nseeds = 1\nwidth = 3")
    assert code == 0
    (row,) = json.loads(said[: said.rindex("]") + 1])
    assert (row["steps"], row["width"], row["seed"]) == (2, "3", 0)


@pytest.mark.parametrize(
    ("options", "text", "named"),
    [
        (["--processes", "0"], SWEEP, "--processes: 0"),
        (["--processes", "2", "--scheduler", "tcp://h:1"], SWEEP, "--processes: it does nothing beside --scheduler"),
        (["--scheduler", "here"], SWEEP, "--scheduler: here does not answer"),
        (["-o", "table.txt"], SWEEP, "a name that ends in .csv or .parquet"),
        ([], "widht = 3", "did you mean 'width'"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_sentence(
    options: list[str], text: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinkproof.reports.command.processes._WAIT", "1s")
    pytest.importorskip("distributed")
    code, said = run(tmp_path, *options, text=text)
    assert code == 2
    assert named in " ".join(said.split())
    assert "Traceback" not in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sweep.toml"]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["sweep", str(tmp_path / "none.toml")])
    assert done.exit_code == 2
    assert "none.toml cannot be read" in done.output
