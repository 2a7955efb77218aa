"""Exact energies and gradients, and those of generated files, against torch autograd on 1,000 points."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from kinkproof.solver import energy_and_gradient
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.compiled import SWITCH
from kinkproof.solver.networks.gradients import objective
from kinkproof.verify import DeepNetwork, RitzProblem, ShallowNetwork, exact_gradient, problems
from kinkproof.verify.deep import linear_regions
from kinkproof.verify.discrete.quadrature import grid
from kinkproof.verify.oracles.standalone.standalone import standalone_text
from kinkproof.verify.systems.pytorch import methods

from tests.bench.anchors import jax_jit, numpy_by_hand, torch_by_autograd, torch_by_hand
from tests.bench.timing import Call, compare, heading


def rows() -> None:
    """One hidden layer, several layers, a generated file."""
    problem = problems["sine-2"]
    heading("Exact energy and gradient ÷ torch autograd on 1,000 points")
    for width, wanted in ((8, ""), (20, "≤ 0.3"), (200, ""), (10_000, "≤ 0.006")):
        vector = ShallowNetwork.random(width, seed=0).ravel()
        compare(f"width {width:,}", lambda v=vector: exact_gradient(problem, ShallowNetwork.from_vector(v)),
                torch_by_autograd(vector), wanted)  # fmt: skip
    compiled(problem)
    anchors(problem)
    growth(problem)
    first(problem)
    for widths in ((20, 20), (32, 32, 32, 32), (64, 64, 64)):
        network = DeepNetwork.random(widths, seed=0)
        energy = objective(problem, Architecture.of(widths, "relu"), points=1000).energy
        theta, vector = torch.tensor(network.ravel())[None].requires_grad_(), network.ravel()
        compare(
            f"{'-'.join(map(str, widths))}, {linear_regions(network).count} regions",
            lambda v=vector, w=widths: exact_gradient(problem, DeepNetwork.from_vector(v, w)),
            lambda t=theta, e=energy: torch.autograd.grad(e(t).sum(), t),
            "≤ 1" if widths != (32, 32, 32, 32) else "",
            rounds=5,
        )
    module = _standalone(problem)
    for width, wanted in ((20, "≤ 1.0"), (1000, "≤ 0.1")):
        vector = ShallowNetwork.random(width, seed=0).ravel()
        compare(f"generated NumPy file, width {width:,}", lambda v=vector: module.exact_gradient(*np.split(v, 3)),
                _autograd(problem, vector), wanted)  # fmt: skip


def compiled(problem: RitzProblem) -> None:
    """The lean path, from arrays to arrays, with the extra `fast` and without."""
    for switch, name in (("0", "NumPy"), ("1", "fast")):
        with patch.dict(os.environ, {SWITCH: switch}):
            for width, wanted in ((20, "≤ 0.02" if switch == "1" else "≤ 0.3"), (10_000, "≤ 0.006")):
                vector = ShallowNetwork.random(width, seed=0).ravel()
                lean = lambda v=vector: energy_and_gradient(problem, v)  # noqa: E731
                compare(f"energy_and_gradient, {name}, width {width:,}", lean, torch_by_autograd(vector), wanted)
            batch = ShallowNetwork.random(20, seed=0, batch=(1000,)).ravel()
            lean = lambda v=batch: energy_and_gradient(problem, v)  # noqa: E731
            compare(f"energy_and_gradient, {name}, 1,000 networks of 20", lean, torch_by_autograd(batch[0]))


def anchors(problem: RitzProblem) -> None:
    """What else there is, by the exact gradient in NumPy: all on 1,000 points and 20 neurons."""
    vector = ShallowNetwork.random(20, seed=0).ravel()
    ways = {
        "torch, u′ by autograd": torch_by_autograd(vector),
        "torch, u′ by hand": torch_by_hand(vector),
        "torch.compile, u′ by hand": torch_by_hand(vector, compiled=True),
        "JAX, jit, u′ by hand": jax_jit(vector),
        "NumPy by hand": numpy_by_hand(vector),
        "torch, the audit's own row, which computes the data anew": _autograd(problem, vector),
    }
    print("\nAnchors ÷ exact energy and gradient, width 20")
    for name, ask in ways.items():
        compare(name, ask, lambda: exact_gradient(problem, ShallowNetwork.from_vector(vector)))


def growth(problem: RitzProblem) -> None:
    """From 10⁴ to 10⁵ neurons: exponent of the time, memory a neuron."""
    vectors = [ShallowNetwork.random(n, seed=0).ravel() for n in (10_000, 100_000)]
    small, large = (lambda v=v: exact_gradient(problem, ShallowNetwork.from_vector(v)) for v in vectors)
    compare("width 100,000 ÷ width 10,000 (exponent 1.05 is 11.2)", large, small, "≤ 11.2", rounds=9)
    tracemalloc.start()
    large()
    print(f"memory a neuron at 100,000: {tracemalloc.get_traced_memory()[1] / 1e5:.0f} bytes  wanted ≤ 500")
    tracemalloc.stop()
    network = ShallowNetwork.random(20, seed=0)
    compare("digits=50 ÷ float64, width 20", lambda: exact_gradient(problem, network, 50),
            lambda: exact_gradient(problem, network), "first ≤ 15 ms")  # fmt: skip


def first(problem: RitzProblem) -> None:
    """The first gradient of a process, after the imports; and an oracle in C, imports and all."""
    lines = (
        "from time import process_time as now; from kinkproof.verify import *; from kinkproof.verify import problems; "
    )
    ask = "exact_gradient(problems['sine-2'], ShallowNetwork.random(20, seed=0)); print(now() - start)"
    taken = sorted(float(_printed(lines + "import sympy; start = now(); " + ask)) for _ in range(5))
    print(f"first exact gradient in a process: {taken[0]:.2f} to {taken[-1]:.2f} s  wanted ≤ 0.5, cached ≤ 0.1")
    with tempfile.TemporaryDirectory() as folder:
        command = f"app(['oracles', 'generate', '--standalone', '{folder}/o.c'], standalone_mode=False)"
        lines = "from time import process_time as now; from kinkproof.reports.command.root import app; "
        seconds = _printed(f"{lines}{command}; print(now())").split()[-1]
    print(f"oracles generate, C: {float(seconds):.1f} s  wanted ≤ 8")


def _printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def _autograd(problem: RitzProblem, vector: np.ndarray[Any, Any]) -> Call:
    ask, mesh = methods()[0].gradient, grid("midpoint", 1000)
    assert ask is not None
    return lambda: ask(problem, vector, mesh, "float64")


def _standalone(problem: RitzProblem) -> Any:
    """The generated file as a module."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "relu_oracles.py"
        path.write_text(standalone_text(problem, [], path.name), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module
