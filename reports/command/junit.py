"""What an audit found as JUnit's XML, which build servers show: a test for each agreement, tensor and integral."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from ...verify.models.telling.model_findings import ModelAudit

# No verdict is an error, a gradient that is wrong a failure.
_WRONG = "inconsistent"


def require_xml(path: Path | None) -> None:
    """Before anything is computed.

    Raises:
        InputError: the file is not one that ends in .xml.
    """
    from ...verify.errors import InputError

    if path is not None and path.suffix != ".xml":
        raise InputError(f"junit: {path} does not end in .xml; {path.with_suffix('.xml')} would be right")


def write_junit(audit: ModelAudit, subject: str, path: Path) -> None:
    """Write one suite.

    Args:
        audit: what was found.
        subject: FILE.py:DENSITY.
        path: of the file.
    """
    from ...verify.files import write_whole

    root = suite(audit, subject)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    write_whole(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode())


def suite(audit: ModelAudit, subject: str) -> ElementTree.Element:
    """The tests of one audit."""
    cases = []
    for route in audit.routes:
        case = _case(subject, f"{route.first} and {route.second} agree")
        if not route.passed:
            ElementTree.SubElement(case, "error", message=str(route))
        cases.append(case)
    for finding in audit.tensors:
        case = _case(subject, f"gradient of {finding.name}")
        if finding.verdict == _WRONG:
            where = "\n".join(str(offender) for offender in finding.offenders)
            said = f"inconsistent: the kinks' part is {finding.missing:.1%} of the exact gradient"
            ElementTree.SubElement(case, "failure", message=said).text = where
        cases.append(case)
    for integral in audit.integrals:
        case = _case(subject, f"{integral.name} {integral.piece}")
        if integral.verdict == _WRONG:
            ElementTree.SubElement(case, "failure", message=str(integral))
        cases.append(case)
    whole = _case(subject, "the whole gradient")
    if audit.verdict == "none":
        ElementTree.SubElement(whole, "error", message=audit.reason)
    elif not audit.passed:
        ElementTree.SubElement(whole, "failure", message=audit.reason).text = audit.remedy
    cases.append(whole)
    root = ElementTree.Element("testsuite", name=f"kinkproof audit {subject}", tests=str(len(cases)))
    for kind in ("failure", "error"):
        root.set(f"{kind}s", str(sum(case.find(kind) is not None for case in cases)))
    root.set("skipped", "0")
    root.extend(cases)
    return root


def _case(subject: str, name: str) -> ElementTree.Element:
    path, _, density = subject.rpartition(":")
    return ElementTree.Element("testcase", classname=f"{path.removesuffix('.py')}.{density}", name=name, file=path)
