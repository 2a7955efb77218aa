"""Numeric state of the whole run, set in one place; the one audit that several tests look at."""

from __future__ import annotations

import json
import os
import time

import pytest
import torch
from kinkproof.verify import ShallowNetwork, audit, problems
from kinkproof.verify.files import write_whole
from kinkproof.verify.systems.audit_record import read_audit
from kinkproof.verify.systems.discovery import discover
from kinkproof.verify.systems.findings import Audit

# Runs pytest inside a test: how the plugin is tested.
pytest_plugins = ["pytester"]

torch.manual_seed(0)
# What all have who install kinkproof; `test_compiled` asks for the extra `fast` itself.
os.environ.setdefault("KINKPROOF_FAST", "0")

# torch.compile warns of its own internals on some versions; they are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch")

DIFFERENTIABLE = list(problems)
# The compiler, a derivative for each parameter, and JAX step by step.
DEAR = {"torch: torch.compile", "torch: forward mode (jacfwd)", "jax: jacfwd, u′ by hand", "jax: grad, u′ by hand"}
# Seconds to wait for the worker that makes the audit; then another one makes it too.
_PATIENCE = 600


@pytest.fixture(scope="session")
def paper_audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """The main job's audit but for what is dear to ask, as `nox -s verify` does; made by one worker, read by others."""
    kept = tmp_path_factory.getbasetemp().parent / "paper-audit.json"
    if "PYTEST_XDIST_WORKER" in os.environ:
        try:
            kept.with_suffix(".begun").touch(exist_ok=False)
        except FileExistsError:
            for _ in range(_PATIENCE):
                if kept.exists():
                    return read_audit(kept.read_text(encoding="utf-8"))
                time.sleep(1)
    chosen = [m for m in discover() if m.label not in DEAR]
    found = audit(problems["sine-2"], ShallowNetwork.random(20, seed=0), methods=chosen)
    if "PYTEST_XDIST_WORKER" in os.environ:
        write_whole(kept, json.dumps(found.as_dict()).encode())
    return found
