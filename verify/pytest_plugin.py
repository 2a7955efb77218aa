"""The pytest plugin: a test marked with packs runs once for each of their cases.

Imported at the start of every test run of everyone who has kinkproof installed: the standard library and pytest only,
until a test asks for a case.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .oracles.case import Case

FIXTURE = "oracle_case"
_MARKER = (
    "kinkproof(*packs, cases='*'): run the test once for each case of these oracle packs (names of shipped packs or "
    f"paths of pack files) whose id matches the pattern; the test takes the case as the argument {FIXTURE}"
)
_KNOWN_FAILURES = (
    "kinkproof: oracle cases that are known to fail, a line each, as 'CASE: reason' or 'TEST CASE: reason' with a "
    "pattern for the case id and the test function's name; strict: a case that passes again is reported as failed"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini values."""
    group = parser.getgroup("kinkproof", "oracle packs of kinkproof")
    group.addoption(
        "--oracle-pack", action="append", default=[], metavar="PACK", help="run only the cases of this pack; repeatable"
    )
    group.addoption(
        "--oracle-case", action="append", default=[], metavar="PATTERN",
        help="run only cases whose id, such as paper/sine-2-width-3, matches this pattern; repeatable",
    )  # fmt: skip
    parser.addini("kinkproof_known_failures", _KNOWN_FAILURES, type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Read what the ini file says, so that a mistake in it shows at the start."""
    config.addinivalue_line("markers", _MARKER)
    lines = config.getini("kinkproof_known_failures")
    config.pluginmanager.register(_Run([KnownFailure.read(line) for line in lines]), "kinkproof-run")


@dataclass
class KnownFailure:
    """A line of `kinkproof_known_failures`."""

    test: str
    case: str
    reason: str
    matched: bool = False

    @classmethod
    def read(cls, line: str) -> KnownFailure:
        """From text.

        Raises:
            pytest.UsageError: no reason, or more than two words in front of it.
        """
        where, colon, reason = line.partition(":")
        words = where.split()
        if not colon or not reason.strip() or len(words) not in (1, 2):
            raise pytest.UsageError(
                f"kinkproof_known_failures: {line!r} is not 'CASE: reason' or 'TEST CASE: reason'; "
                "something like 'paper/near-*: our sum lacks the Dirac terms' would be right"
            )
        return cls(words[0] if len(words) == 2 else "*", words[-1], reason.strip())

    def fits(self, test: str, case: str) -> bool:
        """Is this line about the case in that test?"""
        found = fnmatchcase(test, self.test) and fnmatchcase(case, self.case)
        self.matched = self.matched or found
        return found


# pytest keeps its plugins in sets.
@dataclass(eq=False)
class _Run:
    """What one test run keeps: the known failures, and outcomes of oracle cases."""

    known_failures: list[KnownFailure]
    cases: set[str] = field(default_factory=set)
    outcomes: dict[str, int] = field(default_factory=dict)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each case that the marker and the options choose."""
        marker = metafunc.definition.get_closest_marker("kinkproof")
        wants = FIXTURE in metafunc.fixturenames
        if marker is None and not wants:
            return
        test = metafunc.definition.nodeid
        if marker is None or not marker.args or set(marker.kwargs) - {"cases"}:
            raise pytest.UsageError(
                f"{test}: {FIXTURE} needs a marker that names packs, such as @pytest.mark.kinkproof('paper')"
            )
        if not wants:
            raise pytest.UsageError(f"{test}: a test marked with kinkproof takes the argument {FIXTURE}")
        chosen = [self._parameter(metafunc.function.__name__, c) for c in _cases(metafunc.config, marker)]
        metafunc.parametrize(FIXTURE, chosen, indirect=True)

    def _parameter(self, test: str, case: Case) -> Any:
        reasons = [k.reason for k in self.known_failures if k.fits(test, case.id)]
        marks = [pytest.mark.xfail(reason=reasons[0], strict=True)] if reasons else []
        return pytest.param(case, id=case.id, marks=marks)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count outcomes; with pytest-xdist this runs where the summary is written."""
        if report.when != "call":
            return
        for name, case in report.user_properties:
            if name == FIXTURE:
                self.cases.add(str(case))
                known = hasattr(report, "wasxfail")
                outcome = "known failures" if known and report.skipped else report.outcome
                self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """One line: how many oracle cases were checked, and with what outcome."""
        if self.cases:
            counts = ", ".join(f"{n} {outcome}" for outcome, n in self.outcomes.items())
            noun = "case" if len(self.cases) == 1 else "cases"
            terminalreporter.write_line(f"kinkproof: {len(self.cases)} oracle {noun} checked: {counts}")
            # A run that was narrowed down says nothing about the lines it did not come to.
            idle = [f"{k.test} {k.case}".removeprefix("* ") for k in self.known_failures if not k.matched]
            if idle and not _narrowed(terminalreporter.config):
                terminalreporter.write_line(f"kinkproof: known failures that fit no case: {', '.join(idle)}")


@pytest.fixture
def oracle_case(request: pytest.FixtureRequest, record_property: Any) -> Case:
    """The oracle case of this test: `oracle_case.check(gradient)`, its parameters, energy, Hessian, …"""
    case: Case = request.param
    record_property(FIXTURE, case.id)
    return case


def _cases(config: pytest.Config, marker: pytest.Mark) -> list[Case]:
    # Imported here: only a test that asks for a case pays for NumPy.
    from .errors import InputError
    from .oracles.pack import load

    packs, patterns = config.getoption("--oracle-pack"), config.getoption("--oracle-case")
    try:
        # Also a pack that is not chosen must exist: a misspelt name would run nothing and pass.
        loaded = [load(name) for name in marker.args]
        for name in packs:
            load(name)
    except InputError as error:
        raise pytest.UsageError(f"kinkproof: {error}") from None
    wanted = marker.kwargs.get("cases", "*")
    cases = [
        case
        for name, pack in zip(marker.args, loaded, strict=True)
        for case in pack
        if _fits(case, pack.name, [wanted]) and (not packs or name in packs or pack.name in packs)
    ]
    return [case for case in cases if not patterns or _fits(case, case.id.partition("/")[0], patterns)]


def _fits(case: Case, pack: str, patterns: list[str]) -> bool:
    """A pattern may leave out the pack's name."""
    return any(fnmatchcase(case.id, p) or fnmatchcase(case.id.removeprefix(f"{pack}/"), p) for p in patterns)


def _narrowed(config: pytest.Config) -> bool:
    chosen = ("--oracle-pack", "--oracle-case", "keyword", "markexpr", "lf", "failedfirst")
    return any(config.getoption(name, None) for name in chosen) or any(
        "::" in argument for argument in config.invocation_params.args if isinstance(argument, str)
    )
