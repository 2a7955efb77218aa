from __future__ import annotations

from pathlib import Path

import pytest
from kinkproof.reports.data import cache as module
from kinkproof.reports.data.cache import Cache, recall_report
from kinkproof.verify import InputError


def counted(folder: Path | None, settings: dict[str, object], made: list[int]) -> str:
    def make() -> str:
        made.append(1)
        return "data"

    def load(path: Path) -> str:
        text = path.read_text(encoding="utf-8")
        if text != "data":
            raise InputError("cut short")
        return text

    return Cache(folder).recall(
        "text", settings, make, load, lambda t, p: (p.parent.mkdir(exist_ok=True), p.write_text(t))
    )


def test_data_are_made_once_for_each_setting(tmp_path: Path) -> None:
    made: list[int] = []
    for steps in (10, 10, 20, 10):
        assert counted(tmp_path, {"steps": steps}, made) == "data"
    assert len(made) == 2


def test_nothing_is_kept_without_a_folder() -> None:
    made: list[int] = []
    for _ in range(2):
        counted(None, {}, made)
    assert len(made) == 2


def test_a_damaged_or_deleted_file_is_made_anew(tmp_path: Path) -> None:
    made: list[int] = []
    counted(tmp_path, {}, made)
    (kept,) = tmp_path.iterdir()
    kept.write_text("dat")
    assert counted(tmp_path, {}, made) == "data"
    kept.unlink()
    counted(tmp_path, {}, made)
    assert len(made) == 3


@pytest.mark.parametrize("name", ["_source", "versions"])
def test_another_program_does_not_find_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made: list[int] = []
    counted(tmp_path, {}, made)
    monkeypatch.setattr(module, name, lambda *rooms: {"other": "program"})
    counted(tmp_path, {}, made)
    assert len(made) == 2


def test_a_changed_line_of_source_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(module, "find_spec", lambda room: Spec)
    before = module._source.__wrapped__(("room",))
    (tmp_path / "new.py").write_text("x = 1\n")
    after = module._source.__wrapped__(("room",))
    (tmp_path / "new.py").write_text("x = 2\n")
    assert len({before, after, module._source.__wrapped__(("room",))}) == 3


def test_the_modules_that_make_the_data_are_part_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    before = module._source.__wrapped__(module.COMPUTING)
    read = Path.read_bytes
    for name in ("data/audit.py", "data/landscape.py", "data/paper.py", "layout/style.py"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", lambda p, name=name: read(p) + b"#" * p.as_posix().endswith(name))
            assert (module._source.__wrapped__(module.COMPUTING) == before) == (name == "layout/style.py"), name


def test_sealed_bytes_are_read_back_or_refused(tmp_path: Path) -> None:
    path, content = tmp_path / "sealed", b"%PDF\n\xff page\n%%EOF\n"
    module.write_sealed(path, content)
    assert module.read_sealed(path) == content
    whole = path.read_bytes()
    for k in range(len(whole)):
        path.write_bytes(whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :])
        with pytest.raises(InputError, match="damaged"):
            module.read_sealed(path)


def test_a_file_that_cannot_be_read_is_made_anew(tmp_path: Path) -> None:
    def load(path: Path) -> str:
        raise PermissionError

    made: list[int] = []
    counted(tmp_path, {}, made)
    assert Cache(tmp_path).recall("text", {}, lambda: "new", load, lambda t, p: p.write_text(t)) == "new"


def test_a_pdf_is_written_once_and_then_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def write(path: Path) -> None:
        written.append(path)
        path.write_bytes(b"%PDF-1.4 page %%EOF\n")

    cache, target = Cache(tmp_path / "cache"), tmp_path / "out.pdf"
    for _ in range(2):
        recall_report(cache, {"report": "x"}, write, target)
        assert target.read_bytes() == b"%PDF-1.4 page %%EOF\n"
    assert len(written) == 1
    (kept,) = (tmp_path / "cache").iterdir()
    # Whole to look at, with a hole in the middle.
    kept.write_bytes(kept.read_bytes().replace(b"page", b"\0\0\0\0"))
    recall_report(cache, {"report": "x"}, write, target)
    # The date is on the page's metadata: another one, another file.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    recall_report(cache, {"report": "x"}, write, target)
    assert len(written) == 3
