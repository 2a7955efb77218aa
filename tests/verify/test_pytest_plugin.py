"""The plugin, as a foreign project's pytest runs it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from kinkproof.verify.pytest_plugin import KnownFailure

RIGHT = """
import pytest

@pytest.mark.kinkproof("paper", "degenerate", cases="*width-3*")
def test_right(oracle_case):
    oracle_case.check(oracle_case.gradient.total)
"""
BOTH = f"""{RIGHT}
@pytest.mark.kinkproof("paper", cases="sine-2-width-*")
def test_bulk(oracle_case):
    oracle_case.check(oracle_case.gradient.bulk)
"""


UNITTEST = """
import unittest, pytest
class TestOld(unittest.TestCase):
    @pytest.mark.kinkproof("paper")
    def test(self): pass
"""


def run(pytester: pytest.Pytester, *arguments: str, tests: str = BOTH, known: tuple[str, ...] = ()) -> tuple[int, str]:
    pytester.makepyfile(test_foreign=tests)
    listed = ", ".join(f"'{line}'" for line in known)
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\nkinkproof_known_failures = [{listed}]\n")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-v", *arguments)
    return int(result.ret), result.stdout.str() + result.stderr.str()


def test_a_marked_test_runs_once_for_each_case_with_readable_ids(pytester: pytest.Pytester) -> None:
    code, printed = run(pytester)
    assert code == 1
    for name in ("sine-2-width-3", "sine-6-width-3", "sine-2-sine-distance-width-3"):
        assert f"test_right[paper/{name}] PASSED" in printed
    assert "test_bulk[paper/sine-2-width-1] FAILED" in printed
    assert "diagnosis: equals the bulk: Dirac terms missing" in printed
    assert "kinkproof: 5 oracle cases checked: 3 passed, 3 failed" in printed
    # The report speaks of the foreign project's line, not of ours.
    assert "comparison.py" not in printed


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")])
def test_a_suite_that_turns_warnings_into_errors_and_writes_a_junit_file_passes(
    workers: tuple[str, ...], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(test_foreign=RIGHT)
    # A process of its own: what this run ignores and loads is not what a foreign one does.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugins = ("-p", "kinkproof.verify.pytest_plugin", *workers)
    result = pytester.runpytest_subprocess("-W", "error", "--junitxml=found.xml", *plugins)
    printed = result.stdout.str()
    assert result.ret == 0, printed
    # No warnings among them.
    assert result.parseoutcomes() == {"passed": 3}
    assert "kinkproof: 3 oracle cases checked: 3 passed" in printed
    cases = ElementTree.parse(pytester.path / "found.xml").iter("property")
    assert sorted(c.get("value", "") for c in cases if c.get("name") == "oracle_case") == [
        "paper/sine-2-sine-distance-width-3",
        "paper/sine-2-width-3",
        "paper/sine-6-width-3",
    ]


DEEP = """
import pytest

@pytest.mark.kinkproof("deep", cases="quartic-*")
def test_deep(oracle_case):
    oracle_case.check(oracle_case.gradient.bulk if oracle_case.widths == (4, 3) else oracle_case.gradient.total)
"""


def test_cases_of_several_layers_run_like_all_others(pytester: pytest.Pytester) -> None:
    code, printed = run(pytester, tests=DEEP)
    assert code == 1
    assert "test_deep[deep/quartic-widths-3-3-3] PASSED" in printed
    assert "test_deep[deep/quartic-widths-4-3] FAILED" in printed
    assert "hidden_weights." in printed
    assert "diagnosis: equals the bulk: Dirac terms missing" in printed
    assert "kinkproof: 2 oracle cases checked: 1 failed, 1 passed" in printed


def test_known_failures_are_strict(pytester: pytest.Pytester) -> None:
    known = "test_bulk paper/sine-2-*: the sum lacks the Dirac terms"
    code, printed = run(pytester, "-rx", known=(known,))
    assert code == 0
    assert "kinkproof: 5 oracle cases checked: 3 passed, 3 known failures" in printed
    assert "the sum lacks the Dirac terms" in printed
    code, printed = run(pytester, known=("paper/sine-2-width-3: mended long ago",))
    assert code == 1
    assert "[XPASS(strict)] mended long ago" in printed


def test_known_failures_that_fit_nothing_are_said(pytester: pytest.Pytester) -> None:
    known = ("test_bulk paper/sine-2-*: bulk", "paper/cosine-*: gone")
    code, printed = run(pytester, known=known)
    assert code == 0
    assert "kinkproof: known failures that fit no case: paper/cosine-*" in printed
    _, narrowed = run(pytester, "--oracle-pack", "degenerate", known=known)
    assert "fit no case" not in narrowed


def test_options_choose_packs_and_cases(pytester: pytest.Pytester) -> None:
    code, printed = run(pytester, "--oracle-case", "sine-6-*")
    assert code == 0
    assert "kinkproof: 1 oracle case checked: 1 passed" in printed
    code, printed = run(pytester, "--oracle-pack", "degenerate")
    assert code == 0
    assert "oracle case" not in printed.splitlines()[-2]
    assert printed.count("SKIPPED") == 2


@pytest.mark.parametrize(
    ("tests", "arguments", "known", "said"),
    [
        (BOTH.replace('"paper", "degenerate"', '"papers"'), (), (), "did you mean 'paper'"),
        (BOTH, ("--oracle-pack", "wider"), (), "did you mean 'wide'"),
        ("def test(oracle_case): pass", (), (), "needs a marker that names packs"),
        ("import pytest\n@pytest.mark.kinkproof\ndef test(oracle_case): pass", (), (), "needs a marker"),
        ("import pytest\n@pytest.mark.kinkproof('paper')\ndef test(): pass", (), (), "takes the argument oracle_case"),
        (BOTH.replace("*width-3*", "widht-3"), (), (), "cases='widht-3' matches none of paper, degenerate"),
        (BOTH, ("--oracle-case", "sine-9*"), (), "no case of any test matches 'sine-9*'"),
        (BOTH.replace('"paper", "degenerate"', "3"), (), (), "3 is a int"),
        (UNITTEST, (), (), "a unittest method takes no oracle_case"),
        (BOTH, (), ("paper/near-solution",), "is not"),
        (BOTH, (), ("a b c: d",), "TEST CASE: reason"),
    ],
)
def test_mistakes_end_with_one_sentence(
    tests: str, arguments: tuple[str, ...], known: tuple[str, ...], said: str, pytester: pytest.Pytester
) -> None:
    code, printed = run(pytester, *arguments, tests=tests, known=known)
    assert code in (2, 4)
    assert said in printed
    assert "Traceback" not in printed


def test_markers_add_up_and_each_case_runs_once(pytester: pytest.Pytester) -> None:
    tests = """
import pytest

pytestmark = pytest.mark.kinkproof("paper", cases=["sine-2-width-1", "sine-2-width-3"])

@pytest.mark.kinkproof("degenerate", "degenerate", cases="dead-neuron")
@pytest.mark.parametrize("factor", [1, 2])
def test(oracle_case, factor): pass

class TestMore:
    @pytest.mark.kinkproof("paper", cases="sine-2-width-3")
    def test(self, oracle_case): pass

def test_helper(): pass
"""
    code, printed = run(pytester, tests=tests)
    assert code == 0, printed
    assert "kinkproof: 3 oracle cases checked: 8 passed" in printed
    assert "9 passed" in printed


def test_known_failures_take_ids_without_the_packs_name(pytester: pytest.Pytester) -> None:
    code, printed = run(pytester, known=("test_bulk sine-2-*: the sum lacks the Dirac terms",))
    assert code == 0
    assert "3 known failures" in printed


def test_a_run_of_one_file_says_nothing_of_other_files_failures(pytester: pytest.Pytester) -> None:
    known = ("test_bulk paper/sine-2-*: bulk", "test_elsewhere paper/*: in another file")
    code, printed = run(pytester, "test_foreign.py", known=known)
    assert code == 0
    assert "fit no case" not in printed


def test_packs_of_ones_own_are_named_by_path(pytester: pytest.Pytester) -> None:
    from kinkproof.verify.oracles import pack

    own = pytester.path / "own.json"
    own.write_bytes((Path(pack.__file__).parent / "data" / "degenerate.json").read_bytes())
    tests = "import pytest\n@pytest.mark.kinkproof('own.json', cases='dead-*')\ndef test(oracle_case): pass\n"
    code, printed = run(pytester, tests=tests)
    assert code == 0
    assert "test[degenerate/dead-neuron] PASSED" in printed


def test_a_suite_without_oracles_hears_and_pays_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("""
def test_nothing_was_imported():
    import sys
    mine = {m for m in sys.modules if m.startswith("kinkproof")}
    assert {m.rpartition(".")[2] for m in mine} == {"kinkproof", "verify", "first_use", "pytest_plugin"}
    assert not {"numpy", "sympy", "torch"} & set(sys.modules)
""")
    # A process of its own, with no plugin but this one.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_subprocess("-p", "kinkproof.verify.pytest_plugin")
    assert result.ret == 0, result.stdout.str()
    assert "oracle case" not in result.stdout.str()


def test_a_known_failure_names_test_and_case() -> None:
    line = KnownFailure.read("test_bulk paper/*-3: the reason: with a colon")
    assert (line.test, line.case, line.reason) == ("test_bulk", "paper/*-3", "the reason: with a colon")
    assert line.fits("test_bulk", "paper/sine-2-width-3")
    assert not line.fits("test_other", "paper/sine-2-width-3")
    assert KnownFailure.read("paper/*: all").fits("test_any", "paper/x")
