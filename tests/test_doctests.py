from __future__ import annotations

import doctest
import importlib
import pkgutil

import kinkproof.solver
import kinkproof.verify
import pytest

MODULES = [
    m.name
    for wing in (kinkproof.verify, kinkproof.solver)
    for m in pkgutil.walk_packages(wing.__path__, f"{wing.__name__}.")
    if not m.ispkg
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    tests = [t for n in MODULES for t in finder.find(importlib.import_module(n)) if t.examples]
    assert len(tests) >= 15
