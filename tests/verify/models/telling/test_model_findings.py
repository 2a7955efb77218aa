from __future__ import annotations

import json

import numpy as np
import pytest
from kinkproof.verify import audit
from torch import nn

from tests.verify.models.random_models import bar, kinked, network


def test_what_autodiff_lacks_is_the_dirac_part_by_kink_and_by_tensor() -> None:
    found = audit(kinked(), bar)
    assert found.verdict == "inconsistent"
    lacking = found.bulk + found.dirac - found.autodiff
    # Order 1 in 1/n, a few kinks of eight, on 10,000 points.
    assert np.linalg.norm(lacking - found.dirac) <= 1e-2 * np.linalg.norm(found.dirac)
    verdicts = {t.name: t.verdict for t in found.tensors}
    assert verdicts == {
        "0.weight": "inconsistent",
        "0.bias": "inconsistent",
        "2.weight": "consistent",
        "2.bias": "consistent",
    }
    assert len(found.kinks) == 8
    first = found.tensors[1]
    assert first.lacks == pytest.approx(1, abs=1e-2)
    # One bias a kink: its Dirac term is what the offender's share says.
    bias = found.dirac[8:16]
    order = np.argsort(-np.abs(bias))
    assert [o.neuron for o in first.offenders] == order[:3].tolist()
    shares = np.abs(bias[order[:3]]) / np.linalg.norm(bias)
    assert [o.share for o in first.offenders] == pytest.approx(shares.tolist())
    net = kinked()
    places = -(net[0].bias / net[0].weight[:, 0]).detach().numpy()
    assert [o.place for o in first.offenders] == pytest.approx(places[order[:3]].tolist())


def test_the_report_is_text_and_json() -> None:
    found = audit(kinked(), bar)
    text = str(found)
    for part in (
        "inconsistent", "0.weight", "n = 10,000", "gradcheck passes", "says nothing about the integral",
        "integrate(", "neuron",
    ):  # fmt: skip
        assert part in text
    read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert read["verdict"] == "inconsistent"
    assert read["total"]["missing"] == found.total.missing if found.total else False
    assert [t["name"] for t in read["tensors"]] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert read["exact"]["dirac"] == found.dirac.tolist()
    assert "remedy" in read
    assert "integrate(" not in str(audit(network(1, nn.Tanh), bar))
