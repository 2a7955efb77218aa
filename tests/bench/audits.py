"""Whole audits: of a user's model against one epoch of training it, of many kinks, and of the AD systems."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

import torch
from kinkproof.verify import audit

from tests.bench.models import ritz_density, ritz_step, user_model
from tests.bench.timing import compare, heading

# In a process of its own, for its memory; a small one first, which loads what all of them need.
_MANY_KINKS = """
import resource, sys, time
from kinkproof.verify import audit
from tests.bench.models import ritz_density, user_model
audit(user_model((5,)), ritz_density)
model, start = user_model((int(sys.argv[1]),)), time.process_time()
audit(model, ritz_density)
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def rows() -> None:
    """Three layers and one, one of many kinks, and `kinkproof audit` where nothing is compiled yet."""
    heading("The audit of a user's model ÷ one epoch on 1,000 points, 1 thread")
    x, weights = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000, torch.full((1000,), 1e-3, dtype=torch.float64)
    for widths, wanted in (((64, 64, 64), "≤ 500"), ((20,), "")):
        model = user_model(widths)
        title = f"{'-'.join(map(str, widths))}, {len(audit(model, ritz_density).kinks)} kinks"
        epoch = lambda m=model: ritz_step(m, x.detach().requires_grad_(), weights)  # noqa: E731
        compare(title, lambda m=model: audit(m, ritz_density), epoch, wanted, rounds=5)
    print("\nThe audit of one layer, in processor time and memory")
    for kinks, wanted in ((1_000, "≤ 1 s"), (10_000, "≤ 20 s")):
        taken, memory = map(float, _output(sys.executable, "-c", _MANY_KINKS, str(kinks)).split())
        print(f"{kinks:,} kinks: {taken:.1f} s, {memory:.1f} GiB  wanted {wanted}", flush=True)
    with tempfile.TemporaryDirectory() as empty:
        # torch.compile keeps what it has compiled under this folder.
        start = time.monotonic()
        _output("kinkproof", "audit", "--quiet", TMPDIR=empty, XDG_CACHE_HOME=empty)
        print(f"kinkproof audit, nothing compiled: {time.monotonic() - start:.0f} s by the clock  wanted ≤ 30")


def _output(*command: str, **environment: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment).stdout
