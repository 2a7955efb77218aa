from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from kinkproof.reports.data import audit as audit_data
from kinkproof.reports.data.audit import audit_study
from kinkproof.reports.data.cache import Cache
from kinkproof.verify import problems
from kinkproof.verify.systems.findings import Audit


@pytest.fixture
def study(
    tmp_path: Path, paper_audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Audit], tuple[Audit, list[Audit]]]:
    """A study whose audit is at hand: what it returned, and what was computed for it."""

    def run(audit: Audit = paper_audit) -> tuple[Audit, list[Audit]]:
        made: list[Audit] = []
        monkeypatch.setattr(audit_data, "audit_systems", lambda *_: made.append(audit) or audit)
        return audit_study(problems["sine-2"], plane=False, cache=Cache(tmp_path)), made

    return run


def test_an_audit_is_computed_once_and_read_back(
    study: Callable[..., tuple[Audit, list[Audit]]], paper_audit: Audit
) -> None:
    assert len(study()[1]) == 1
    again, made = study()
    assert not made
    assert again.as_dict() == paper_audit.as_dict()


def test_the_part_in_the_plane_is_kept_with_it(
    paper_audit: Audit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(audit_data, "audit_systems", lambda *_: paper_audit)
    first, again = (audit_study(problems["sine-2"], systems=["autograd"], cache=Cache(tmp_path)) for _ in range(2))
    assert first.plane is not None
    assert first.plane.judged_systems == ("autograd",)
    assert again.as_dict() == first.as_dict()


def test_a_damaged_audit_is_computed_anew(study: Callable[..., tuple[Audit, list[Audit]]], tmp_path: Path) -> None:
    study()
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    # No UTF-8; cut short; another verdict, in a record that is otherwise in order.
    for damaged in (
        whole.replace(b"schema", b"sch\xff\xfea"), whole[:-100], whole.replace(b"inconsistent", b"consistent", 1)
    ):  # fmt: skip
        assert damaged != whole
        kept.write_bytes(damaged)
        assert len(study()[1]) == 1
        assert kept.read_bytes() == whole


def test_what_failed_is_asked_again(study: Callable[..., tuple[Audit, list[Audit]]], paper_audit: Audit) -> None:
    row = replace(paper_audit.rows[0], total=None, blocks={}, attribution=None, failed="out of memory")
    broken = replace(paper_audit, rows=(row, *paper_audit.rows[1:]))
    assert not study(broken)[0].passed
    assert study()[0].passed


def test_backends_of_others_are_asked_every_time(
    study: Callable[..., tuple[Audit, list[Audit]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = audit_data.backends()
    foreign = EntryPoint("mine", "my_backend:gradient", "kinkproof.backends")
    monkeypatch.setattr(audit_data, "backends", lambda: (*own, foreign))
    for _ in range(2):
        # Its author may have changed a line since, and no version says so.
        assert len(study()[1]) == 1
    assert not list(tmp_path.iterdir())
