from __future__ import annotations

from typing import get_args

import pytest
from kinkproof.solver.boxes import energy as box_energy
from kinkproof.solver.boxes import points as box_points
from kinkproof.solver.boxes import training as box_training
from kinkproof.solver.landscapes import scanned_energy, spectra
from kinkproof.solver.networks import activations, choices, drawn, energies, gradients
from kinkproof.solver.training import adam, settings, starts
from kinkproof.verify import BoxProblem, InputError, RitzProblem, box_problems, plane_problems, problems
from kinkproof.verify.choices import Delta, Rule, nearest, require_known, unknown
from kinkproof.verify.discrete import quadrature


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("RELU", ["relu", "relu2"], "relu"),
        ("leaky_relu", ["relu", "leaky-relu"], "leaky-relu"),
        ("regresion", ["regression"], "regression"),
        ("lr", ["lift", "learning-rate", "rule"], "learning-rate"),
        ("learn", ["lift", "learning-rate"], "learning-rate"),
        ("sine-22", ["sine-2", "natural"], "sine-2"),
        # As near to one as to another.
        ("figure-9", ["figure-1", "figure-2"], None),
        # A hint that is far off misleads.
        ("nope", ["sine-6", "polynomial"], None),
        ("", ["sine-6"], None),
        ("sine", ["sine-2-sine-distance", "sine-6-sine-distance"], None),
        (3, ["3"], None),
    ],
)
def test_the_name_that_was_meant_is_found_if_one_is_near(name: object, known: list[str], meant: str | None) -> None:
    assert nearest(name, known) == meant


def test_the_sentence_has_what_was_meant_or_all_there_is() -> None:
    assert str(unknown("rule", "mid-point", get_args(Rule))) == "rule: 'mid-point' is unknown; did you mean 'midpoint'?"
    said = "rule: 'x' is unknown; one of midpoint, endpoint-mean, trapezoid, gauss-legendre would be right"
    with pytest.raises(InputError) as refused:
        require_known("rule", "x", get_args(Rule))
    assert str(refused.value) == said
    said = str(unknown("problem", "sine-3", ["sine-2", "natural", "sine-6"]))
    assert said == "problem: 'sine-3' is unknown; did you mean 'sine-2' or 'sine-6'?"
    assert str(unknown("figure", "f-7", [f"f-{k}" for k in range(5)])).endswith(
        "one of f-0, f-1, f-2, f-3, f-4 would be right"
    )
    assert str(unknown("case", "x", map(str, range(30)))).count(",") == 12
    require_known("rule", "midpoint", get_args(Rule))


def test_what_a_type_checker_knows_is_what_there_is() -> None:
    """Each `Literal` beside the table of what answers to these names."""
    pairs = [
        (Rule, quadrature.RULES),
        (choices.FitRule, (*quadrature.RULES, "conforming", drawn.ADAPTIVE, *drawn.DRAWN)),
        (choices.Activation, (*activations.ACTIVATIONS, *activations._ALIASES)),
        (choices.ScheduleName, adam.SCHEDULES),
        (choices.Precision, tuple(settings._TYPES)),
        (choices.Gradient, gradients.GRADIENTS),
        (choices.EnergyForm, energies.ENERGIES),
        (choices.Optimizer, settings.OPTIMIZERS),
        (choices.Initial, starts.INITIALS),
        (choices.BoxGradient, box_energy.GRADIENTS),
        (choices.BoxInitial, box_training.INITIALS),
        (choices.Sampling, box_points.SAMPLINGS),
        (choices.EnergyKind, scanned_energy.ENERGIES),
        (choices.HessianKind, spectra.KINDS),
    ]
    for literal, there in pairs:
        assert get_args(literal) == there
    assert (None, *get_args(Delta)) == quadrature.DELTAS


def test_named_problems_are_a_mapping_that_says_what_it_has() -> None:
    assert repr(problems).startswith(f"<{len(problems)} named problems: sine-2, sine-6, ")
    assert repr(plane_problems).startswith("<7 named plane problems: plane-polynomial, ")
    assert repr(box_problems).startswith("<8 named box problems: sine-line, ")
    assert isinstance(problems["natural"], RitzProblem)
    assert isinstance(box_problems["sine-square"], BoxProblem)
    assert problems["natural"] is problems["natural"]
    # What a notebook completes after problems[.
    assert problems._ipython_key_completions_() == list(problems)
    assert len(problems) == len(list(problems))


def test_a_name_that_is_not_there_is_none_by_get_and_refused_by_brackets() -> None:
    assert problems.get("nope") is None
    assert problems.get("nope", 3) == 3
    assert problems.get("sine-2") is problems["sine-2"]
    assert "nope" not in problems
    assert [] not in problems
    with pytest.raises(InputError, match="'sine2' is not a named problem; did you mean 'sine-2'"):
        problems["sine2"]
    with pytest.raises(InputError, match="'nope' is not a named box problem; one of sine-line, sine-square"):
        box_problems["nope"]
