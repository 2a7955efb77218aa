"""Exact energies and gradients, and those of generated files, against torch autograd on 1,000 points."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.gradients import objective
from kinkproof.verify import DeepNetwork, RitzProblem, ShallowNetwork, exact_gradient, problems
from kinkproof.verify.deep import linear_regions
from kinkproof.verify.discrete.quadrature import grid
from kinkproof.verify.oracles.standalone.standalone import standalone_text
from kinkproof.verify.systems.pytorch import methods

from tests.bench.timing import Call, compare, heading


def rows() -> None:
    """One hidden layer, several layers, a generated file."""
    problem = problems["sine-2"]
    heading("Exact energy and gradient ÷ torch autograd on 1,000 points")
    for width, wanted in ((8, ""), (20, "≤ 1.0"), (200, ""), (10_000, "≤ 0.05")):
        vector = ShallowNetwork.random(width, seed=0).ravel()
        compare(f"width {width:,}", lambda v=vector: exact_gradient(problem, ShallowNetwork.from_vector(v)),
                _autograd(problem, vector), wanted)  # fmt: skip
    for widths in ((20, 20), (32, 32, 32, 32), (64, 64, 64)):
        network = DeepNetwork.random(widths, seed=0)
        energy = objective(problem, Architecture.of(widths, "relu"), points=1000).energy
        theta, vector = torch.tensor(network.ravel())[None].requires_grad_(), network.ravel()
        compare(
            f"{'-'.join(map(str, widths))}, {linear_regions(network).count} regions",
            lambda v=vector, w=widths: exact_gradient(problem, DeepNetwork.from_vector(v, w)),
            lambda t=theta, e=energy: torch.autograd.grad(e(t).sum(), t),
            rounds=5,
        )
    module = _standalone(problem)
    for width, wanted in ((20, "≤ 1.0"), (1000, "≤ 0.1")):
        vector = ShallowNetwork.random(width, seed=0).ravel()
        compare(f"generated NumPy file, width {width:,}", lambda v=vector: module.exact_gradient(*np.split(v, 3)),
                _autograd(problem, vector), wanted)  # fmt: skip


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
