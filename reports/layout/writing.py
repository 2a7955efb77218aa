"""Reports written as what their ending says: PDF or HTML."""

from __future__ import annotations

from pathlib import Path

from ...verify.errors import InputError
from ...verify.files import require_writable
from .page import Report
from .pdf import write_pdf
from .web import write_html

WRITERS = {".pdf": write_pdf, ".html": write_html}


def require_report_path(path: str | Path) -> Path:
    """The path, if a report can be written there.

    Raises:
        InputError: another ending than .pdf or .html, or a path that cannot be written.
    """
    path = Path(path)
    require_writable(path)
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"{path}: a report ends in .pdf or .html; {path.with_suffix('.pdf')} would be right")
    return path


def write_report(path: Path, report: Report) -> None:
    """Write a report; the ending of the path is .pdf or .html.

    Raises:
        InputError: the path cannot be written, or SOURCE_DATE_EPOCH is no date.
    """
    WRITERS[path.suffix.lower()](path, report)
