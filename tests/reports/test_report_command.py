from __future__ import annotations

from pathlib import Path

import pytest
from kinkproof.reports.command import app
from kinkproof.verify.findings import Audit
from pypdf import PdfReader
from typer.testing import CliRunner

RUNNER = CliRunner()
SMALL = ["--width", "6", "--resolution", "7"]


def landscape(folder: Path, *more: str) -> tuple[int, str]:
    done = RUNNER.invoke(app, ["report", "landscape", *SMALL, "-o", str(folder / "l.pdf"), *more])
    return done.exit_code, done.output


def test_a_landscape_report_is_written_and_the_second_is_the_same(tmp_path: Path) -> None:
    code, said = landscape(tmp_path)
    assert code == 0, said
    assert "Written" in said
    first = (tmp_path / "l.pdf").read_bytes()
    (tmp_path / "l.pdf").unlink()
    assert landscape(tmp_path)[0] == 0
    assert (tmp_path / "l.pdf").read_bytes() == first
    assert len(PdfReader(tmp_path / "l.pdf").pages) == 12


def test_a_discrepancy_report_is_written(tmp_path: Path, paper_audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinkproof.reports.audit_data.audit_systems", lambda *_: paper_audit)
    command = ["report", "discrepancy", "-o", str(tmp_path / "d.pdf")]
    done = RUNNER.invoke(app, command)
    assert done.exit_code == 0, done.output
    first = (tmp_path / "d.pdf").read_bytes()
    # Without an audit at hand it is read from the cache.
    monkeypatch.setattr("kinkproof.reports.audit_data.audit_systems", None)
    assert RUNNER.invoke(app, command).exit_code == 0
    assert (tmp_path / "d.pdf").read_bytes() == first


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["landscape", "--radius", "0"], "radius"),
        (["landscape", "--radius", "nan"], "radius"),
        (["landscape", "--resolution", "0"], "resolution"),
        (["landscape", "--width", "0"], "width"),
        (["landscape", "--source", "1"], "none is known"),
        (["landscape", "--seed", "-1"], "seeds"),
        (["discrepancy", "--width", "0"], "width"),
        (["discrepancy", "--seed", "-1"], "seed"),
        (["discrepancy", "--backend", "tensorflux"], "backend"),
        (["paper", "--seeds", "0"], "seeds"),
        (["paper", "--steps", "0"], "steps"),
    ],
)
def test_bad_input_is_one_sentence_and_no_file(
    tmp_path: Path, options: list[str], named: str, monkeypatch: pytest.MonkeyPatch, paper_audit: Audit
) -> None:
    monkeypatch.setattr("kinkproof.reports.paper_data.audit_study", lambda *_, **__: paper_audit)
    done = RUNNER.invoke(app, ["report", *options, "-o", str(tmp_path / "out.pdf")])
    assert done.exit_code == 2, done.output
    assert named in done.output
    assert done.output.count("kinkproof:") == 1
    assert not (tmp_path / "out.pdf").exists()


def test_an_unwritable_place_is_said_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinkproof.reports.landscape_data.landscape_study", None)
    (tmp_path / "file").touch()
    for more in (["-o", str(tmp_path / "file" / "x.pdf")], ["-o", str(tmp_path)]):
        done = RUNNER.invoke(app, ["report", "landscape", *more])
        assert done.exit_code == 2, done.output
    done = RUNNER.invoke(app, ["report", "landscape", "-o", str(tmp_path / "x.pdf"), "--cache", str(tmp_path / "file")])
    assert done.exit_code == 2, done.output


def test_an_interrupted_report_leaves_no_pdf_and_keeps_what_was_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("kinkproof.reports.landscape_pages.landscape_report", interrupt)
        code, said = landscape(tmp_path)
    assert code == 130
    assert "interrupted" in said
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]
    kept = {p.name for p in (tmp_path / "cache").iterdir()}
    assert sum(n.startswith("landscape-") for n in kept) == 5
    assert landscape(tmp_path)[0] == 0
    # Nothing but the report itself is new.
    assert len({p.name for p in (tmp_path / "cache").iterdir()} - kept) == 1
