"""The pytest plugin: a test marked with packs runs once for each of their cases.

Imported at the start of every test run of everyone who has kinkproof installed: the standard library and pytest only,
until a test asks for a case.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.unittest import TestCaseFunction

if TYPE_CHECKING:
    from .oracles.case import Case
    from .oracles.pack import Pack

FIXTURE = "oracle_case"
_MARKER = (
    "kinkproof(*packs, cases='*'): run the test once for each case of these oracle packs (names of shipped packs or "
    "paths of pack files) whose id matches the pattern or one of several patterns; the test takes the case as the "
    f"argument {FIXTURE}; several markers add up"
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
                "something like 'paper/*near-solution*: our sum lacks the Dirac terms' would be right"
            )
        return cls(words[0] if len(words) == 2 else "*", words[-1], reason.strip())

    def fits(self, test: str, case: str) -> bool:
        """Is this line about the case in that test?"""
        found = fnmatchcase(test, self.test) and _fits(case, [self.case])
        self.matched = self.matched or found
        return found


# pytest keeps its plugins in sets.
@dataclass(eq=False)
class _Run:
    """What one test run keeps: the known failures, and outcomes of oracle cases."""

    known_failures: list[KnownFailure]
    seen: int = 0
    cases: set[str] = field(default_factory=set)
    outcomes: dict[str, int] = field(default_factory=dict)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each case that the markers and the options choose."""
        markers = list(metafunc.definition.iter_markers("kinkproof"))
        if FIXTURE not in metafunc.fixturenames:
            # A marker on a class or module is about those of its tests that take a case.
            if any(m.name == "kinkproof" for m in metafunc.definition.own_markers):
                raise pytest.Collector.CollectError(f"a test marked with kinkproof takes the argument {FIXTURE}")
            return
        if not markers or not all(m.args and not set(m.kwargs) - {"cases"} for m in markers):
            raise pytest.Collector.CollectError(
                f"{metafunc.function.__name__}: {FIXTURE} needs a marker that names packs, such as "
                "@pytest.mark.kinkproof('paper')"
            )
        cases = {case.id: case for marker in markers for case in _marked(marker)}
        chosen = [case for case in cases.values() if _chosen(case, metafunc.config)]
        self.seen += len(chosen)
        test = metafunc.function.__name__
        metafunc.parametrize(FIXTURE, [self._parameter(test, case) for case in chosen], indirect=True)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Methods of `unittest.TestCase` take no arguments: one that is marked would run without a case, and pass."""
        for item in items:
            if isinstance(item, TestCaseFunction) and any(m.name == "kinkproof" for m in item.own_markers):
                raise pytest.UsageError(f"{item.nodeid}: a unittest method takes no {FIXTURE}; a function is right")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """A misspelt option would run nothing, and pass."""
        patterns = session.config.getoption("--oracle-case")
        if patterns and not self.seen:
            raise pytest.UsageError(f"--oracle-case: no case of any test matches {' or '.join(map(repr, patterns))}")

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
def oracle_case(request: pytest.FixtureRequest) -> Case:
    """The oracle case of this test: `oracle_case.check(gradient)`, its parameters, energy, Hessian, …"""
    case: Case = request.param
    # Not by `record_property`, which warns where JUnit files are written: many suites turn warnings into errors.
    request.node.user_properties.append((FIXTURE, case.id))
    return case


def _marked(marker: pytest.Mark) -> list[Case]:
    """The cases that one marker names."""
    patterns = marker.kwargs.get("cases", "*")
    listed = [patterns] if isinstance(patterns, str) else list(patterns)
    cases = [case for name in marker.args for case in _loaded(name)]
    for pattern in listed:
        if not any(_fits(case.id, [pattern]) for case in cases):
            raise pytest.Collector.CollectError(
                f"kinkproof: cases={pattern!r} matches none of {', '.join(map(str, marker.args))}; ids such as "
                f"{cases[0].id!r} are there"
            )
    return [case for case in cases if _fits(case.id, listed)]


def _chosen(case: Case, config: pytest.Config) -> bool:
    packs, patterns = config.option.oracle_pack, config.option.oracle_case
    # Also by its file's name; a pack that does not exist is refused, for it would run nothing and pass.
    names = [pack.name for pack in map(_loaded, packs)]
    return (not packs or case.id.partition("/")[0] in names) and (not patterns or _fits(case.id, patterns))


def _loaded(name: Any) -> Pack:
    # Imported here: only a test that asks for a case pays for NumPy.
    from .errors import InputError
    from .oracles.pack import load

    try:
        return load(name)
    except InputError as error:
        raise pytest.Collector.CollectError(f"kinkproof: {error}") from None


def _fits(case: str, patterns: list[str]) -> bool:
    """Does an id match a pattern, which may leave out the pack's name?"""
    short = case.partition("/")[2]
    return any(fnmatchcase(case, p) or fnmatchcase(short, p) for p in patterns)


def _narrowed(config: pytest.Config) -> bool:
    """Was the run limited to some tests, by an option or by naming files?"""
    chosen = ("--oracle-pack", "--oracle-case", "keyword", "markexpr", "lf", "ignore")
    named = set(config.args) - {*config.getini("testpaths"), str(config.invocation_params.dir)}
    return bool(named) or any(config.getoption(name, None) for name in chosen)
