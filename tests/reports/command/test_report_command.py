from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kinkproof.reports.command.root import app
from kinkproof.verify.systems.findings import Audit
from pypdf import PdfReader
from typer.testing import CliRunner

RUNNER = CliRunner()
SMALL = ["--width", "6", "--resolution", "7"]


def landscape(folder: Path, *more: str) -> tuple[int, str]:
    done = RUNNER.invoke(app, ["report", "landscape", *SMALL, "-o", str(folder / "l.pdf"), *more])
    return done.exit_code, done.output


@pytest.mark.slow
def test_a_landscape_report_is_written_and_the_second_is_the_same(tmp_path: Path) -> None:
    code, said = landscape(tmp_path)
    assert code == 0, said
    assert "Written" in said
    first = (tmp_path / "l.pdf").read_bytes()
    (tmp_path / "l.pdf").unlink()
    assert landscape(tmp_path)[0] == 0
    assert (tmp_path / "l.pdf").read_bytes() == first
    assert len(PdfReader(tmp_path / "l.pdf").pages) == 14


@pytest.mark.long
def test_an_html_report_lies_beside_the_pdf_or_alone(tmp_path: Path) -> None:
    code, said = landscape(tmp_path, "--html")
    assert code == 0, said
    assert "l.html" in said
    page = (tmp_path / "l.html").read_text(encoding="utf-8")
    assert page.count("<section") == 14
    assert (tmp_path / "l.pdf").exists()
    done = RUNNER.invoke(app, ["report", "landscape", *SMALL, "-o", str(tmp_path / "alone.html"), "--cache",
                               str(tmp_path / "cache")])  # fmt: skip
    assert done.exit_code == 0, done.output
    # The same page, from the same settings.
    assert (tmp_path / "alone.html").read_text(encoding="utf-8") == page
    assert not (tmp_path / "alone.pdf").exists()


@pytest.mark.slow
def test_a_discrepancy_report_is_written(tmp_path: Path, paper_audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinkproof.reports.data.audit.audit_systems", lambda *_: paper_audit)
    command = ["report", "discrepancy", "-o", str(tmp_path / "d.pdf")]
    done = RUNNER.invoke(app, command)
    assert done.exit_code == 0, done.output
    first = (tmp_path / "d.pdf").read_bytes()
    # Without an audit at hand it is read from the cache.
    monkeypatch.setattr("kinkproof.reports.data.audit.audit_systems", None)
    assert RUNNER.invoke(app, command).exit_code == 0
    assert (tmp_path / "d.pdf").read_bytes() == first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["landscape", "--radius", "0"], "radius"),
        (["landscape", "--radius", "nan"], "radius"),
        (["landscape", "--resolution", "0"], "--resolution: 0"),
        (["landscape", "--quick", "--resolution", "7"], "--quick: it does nothing beside --resolution"),
        (["landscape", "--width", "0"], "width"),
        (["landscape", "--source", "1"], "none is known"),
        (["landscape", "--seed", "-1"], "seeds"),
        (["discrepancy", "--width", "0"], "width"),
        (["discrepancy", "--seed", "-1"], "seed"),
        (["discrepancy", "--backend", "tensorflux"], "backend"),
        (["landscape", "-o", "report.png"], "a report ends in .pdf or .html; report.pdf would be right"),
        (["landscape", "--html", "-o", "report.html"], "--html: it does nothing beside --output report.html"),
        (["paper", "--seeds", "0"], "--seeds: 0"),
        (["paper", "--steps", "0"], "--steps: 0"),
        (["dimensions", "--seeds", "0"], "--seeds: 0"),
        (["beyond", "--seeds", "0"], "--seeds: 0"),
        (["beyond", "--steps", "0"], "--steps: 0"),
        (["beyond", "--processes", "0"], "--processes: 0"),
        (["dimensions", "--steps", "0"], "--steps: 0"),
    ],
)
def test_bad_input_is_one_sentence_and_no_file(
    tmp_path: Path, options: list[str], named: str, monkeypatch: pytest.MonkeyPatch, paper_audit: Audit
) -> None:
    monkeypatch.setattr("kinkproof.reports.data.paper.audit_study", lambda *_, **__: paper_audit)
    options = options if "-o" in options else [*options, "-o", str(tmp_path / "out.pdf")]
    done = RUNNER.invoke(app, ["report", *options])
    assert done.exit_code == 2, done.output
    assert named in done.output
    assert done.output.count("kinkproof:") == 1
    assert not (tmp_path / "out.pdf").exists()


def test_an_unwritable_place_is_said_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinkproof.reports.data.landscape.landscape_study", None)
    (tmp_path / "file").touch()
    for more in (["-o", str(tmp_path / "file" / "x.pdf")], ["-o", str(tmp_path)]):
        done = RUNNER.invoke(app, ["report", "landscape", *more])
        assert done.exit_code == 2, done.output
    done = RUNNER.invoke(app, ["report", "landscape", "-o", str(tmp_path / "x.pdf"), "--cache", str(tmp_path / "file")])
    assert done.exit_code == 2, done.output


def test_a_report_is_not_written_where_its_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinkproof.reports.data.landscape.landscape_study", None)
    for more in (["-o", "cache"], ["-o", "a.pdf", "--cache", "a.pdf"], ["-o", "a", "--cache", "a/b"]):
        monkeypatch.chdir(tmp_path)
        done = RUNNER.invoke(app, ["report", "landscape", *more])
        assert done.exit_code == 2, done.output
        assert "where the cache lies" in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("epoch", ["today", "-1", "1.5", "1_000", "99999999999999999999"])
def test_a_date_that_is_none_is_said_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    monkeypatch.setattr("kinkproof.reports.data.landscape.landscape_study", None)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    done = RUNNER.invoke(app, ["report", "landscape", "-o", str(tmp_path / "x.pdf")])
    assert done.exit_code == 2, done.output
    assert f"SOURCE_DATE_EPOCH: '{epoch}' is no date" in done.output


@pytest.mark.slow
@pytest.mark.parametrize("report", ["landscape", "paper"])
def test_such_a_date_is_said_before_other_packages_stumble_over_it(tmp_path: Path, report: str) -> None:
    # NumPy reads it when scipy is imported, hence a process of its own.
    main = "from kinkproof.reports.command import main; main()"
    command = [sys.executable, "-c", main, "report", report, "-o", str(tmp_path / "x.pdf")]
    done = subprocess.run(
        command, env={**os.environ, "SOURCE_DATE_EPOCH": "today"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("kinkproof: SOURCE_DATE_EPOCH")


@pytest.mark.slow
def test_an_interrupted_report_leaves_no_pdf_and_keeps_what_was_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("kinkproof.reports.pages.landscape_pages.landscape_report", interrupt)
        code, said = landscape(tmp_path)
    assert code == 130
    assert "interrupted" in said
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]
    kept = {p.name for p in (tmp_path / "cache").iterdir()}
    assert sum(n.startswith("landscape-") for n in kept) == 5
    assert landscape(tmp_path)[0] == 0
    # Nothing but the report itself is new.
    assert len({p.name for p in (tmp_path / "cache").iterdir()} - kept) == 1
