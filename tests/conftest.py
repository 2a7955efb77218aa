"""Numeric state of the whole run, set in one place; the one audit that several tests look at."""

from __future__ import annotations

import pytest
import torch
from kinkproof.verify import ShallowNetwork, audit, problems
from kinkproof.verify.systems.findings import Audit

# Runs pytest inside a test: how the plugin is tested.
pytest_plugins = ["pytester"]

torch.manual_seed(0)

# torch.compile warns of its own internals on some versions; they are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch")

DIFFERENTIABLE = list(problems)


@pytest.fixture(scope="session")
def paper_audit() -> Audit:
    """The main job's audit, without torch.compile, which `nox -s verify` runs."""
    from kinkproof.verify.systems.discovery import discover

    chosen = [m for m in discover() if m.name != "torch.compile"]
    return audit(problems["sine-2"], ShallowNetwork.random(20, seed=0), methods=chosen)
