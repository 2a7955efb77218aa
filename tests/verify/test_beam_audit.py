"""The audit of beams: its verdicts block by block, and that a way of asking that is wrong is seen as that."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from kinkproof.verify import PowerNetwork, ShallowNetwork, audit_beam, beam_audit, beams, exact_gradient
from kinkproof.verify.bending.gradient import own_jump
from kinkproof.verify.systems.method import Method
from kinkproof.verify.systems.row import Row

PROBLEM = beams["beam-variable"]
NEURONS = ShallowNetwork([1, -2, 3], ["-1/4", "9/8", "-5/2"], [1, "1/3", -2])
SQUARED, CUBED = PowerNetwork(2, NEURONS), PowerNetwork(3, NEURONS)
POINTS = (50, 500, 5000)


def _rows(network: PowerNetwork, monkeypatch: pytest.MonkeyPatch, *methods: Method) -> tuple[Row, ...]:
    monkeypatch.setattr(beam_audit, "beam_methods", lambda problem, power: methods)
    return audit_beam(PROBLEM, network, points=POINTS)


def _changed(change: Callable[[np.ndarray], np.ndarray], delta: Any = "mean") -> Method:
    """Our own sum with the mean delta, its gradient (3N,) spoilt."""
    (right,) = (m for m in beam_audit.beam_methods(PROBLEM, 2) if m.delta == "mean")
    assert right.gradient is not None
    asked = right.gradient

    def gradient(*given: Any) -> tuple[float, np.ndarray]:
        energy, found = asked(*given)
        return energy, change(found)

    return Method("spoilt", gradient, delta=delta, precisions=("float64",), system="a program")


def test_the_hidden_blocks_lack_their_dirac_parts_and_the_output_weights_nothing() -> None:
    rows = audit_beam(PROBLEM, SQUARED, points=POINTS)
    verdicts = [{n: s.verdict for n, s in r.blocks.items()} for r in rows]
    lacking = {"hidden_weights": "inconsistent", "hidden_biases": "inconsistent", "output_weights": "consistent"}
    assert verdicts == [lacking, lacking, dict.fromkeys(lacking, "consistent"), lacking]
    assert all(r.as_expected for r in rows)
    assert [r.system for r in rows] == ["kinkproof", "kinkproof", "kinkproof", "torch"]
    assert [r.attribution is None for r in rows] == [False, False, True, False]
    # First order: from 50 to 5,000 points the mean's error falls about a hundredfold; what autodiff lacks stays.
    falls = [r.total.errors[0] / r.total.errors[-1] for r in rows if r.total]
    assert falls[2] > 50
    assert max(falls[0], falls[3]) < 2


DIRAC = exact_gradient(PROBLEM, SQUARED).dirac.ravel()
OWN = own_jump(PROBLEM, SQUARED).ravel().astype(float)
SWAPPED = np.r_[3:6, 0:3, 6:9]
FAULTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "without the Dirac terms": lambda g: g - DIRAC,
    "with twice the Dirac terms": lambda g: g + DIRAC,
    "with the Dirac terms' other sign": lambda g: g - 2 * DIRAC,
    "one side of the jump": lambda g: g + OWN,
    "w and b swapped": lambda g: g[SWAPPED],
    "all of it off by a hundredth": lambda g: 1.01 * g,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = _rows(SQUARED, monkeypatch, _changed(FAULTS[fault]))
    assert row.total is not None
    assert row.expected == "consistent"
    assert row.total.verdict == "inconsistent"
    assert not row.as_expected


def test_a_fault_in_one_neuron_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(found: np.ndarray) -> np.ndarray:
        worst = int(np.abs(DIRAC[3:6]).argmin()) + 3
        return found - DIRAC * (np.arange(9) == worst)

    (row,) = _rows(SQUARED, monkeypatch, _changed(spoil))
    assert row.blocks["hidden_biases"].verdict == "inconsistent"
    assert row.blocks["hidden_weights"].verdict == "consistent"
    assert not row.as_expected


def test_what_is_right_is_found_right_even_where_it_was_thought_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = _rows(SQUARED, monkeypatch, _changed(lambda g: g, delta=None))
    assert row.total is not None
    assert (row.expected, row.total.verdict) == ("inconsistent", "consistent")
    assert not row.as_expected


def test_a_term_added_to_relu_cubed_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = _rows(CUBED, monkeypatch, _changed(lambda g: g + DIRAC))
    assert row.total is not None
    assert (row.expected, row.total.verdict, row.as_expected) == ("consistent", "inconsistent", False)


def test_a_reference_that_is_wrong_judges_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    right = beam_audit.beam_gradient

    def a_little_off(*given: Any) -> Any:
        found = right(*given)
        return replace(found, total=replace(found.total, hidden_biases=found.total.hidden_biases * (1 + 1e-9)))

    monkeypatch.setattr(beam_audit, "beam_gradient", a_little_off)
    rows = audit_beam(PROBLEM, SQUARED, points=POINTS)
    assert len(rows) == 4
    for row in rows:
        assert row.total is None
        assert not row.as_expected
        assert re.match(r"nobody is judged: the exact gradient and differences of the energy agree to \d\.", row.failed)
