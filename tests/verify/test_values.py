"""Problems, networks and results travel through process pools, and are equal when equal."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from kinkproof.solver import convergence, fit, solve
from kinkproof.verify import (
    RitzProblem,
    ShallowNetwork,
    audit,
    derive,
    exact_energy,
    exact_gradient,
    problems,
    quadrature_gradient,
)
from kinkproof.verify.deep import DeepNetwork
from kinkproof.verify.exact import hessian_parts
from kinkproof.verify.values import same

PROBLEM = RitzProblem(source="Piecewise((1, x < 1/3), (exp(x), True))", fluxes={1: 2}, essential={0: 0}, name="mine")
SHALLOW, DEEP = ShallowNetwork.random(4, seed=0), DeepNetwork.random((3, 2), seed=0, output_bias=True)
THINGS: dict[str, Callable[[], Any]] = {
    "problem": lambda: PROBLEM,
    "named problem": lambda: problems["sine-2"],
    "network": lambda: SHALLOW,
    "exact network": lambda: ShallowNetwork([1, -2], ["-1/4", 1], [1, "1/3"]),
    "deep network": lambda: DEEP,
    "energy": lambda: exact_energy(PROBLEM, SHALLOW),
    "gradient": lambda: exact_gradient(PROBLEM, SHALLOW),
    "gradient of 30 digits": lambda: exact_gradient(PROBLEM, SHALLOW, digits=30),
    "deep gradient": lambda: exact_gradient(PROBLEM, DEEP),
    "hessian": lambda: hessian_parts(PROBLEM, SHALLOW),
    "deep hessian": lambda: hessian_parts(PROBLEM, DEEP),
    "gradient of a sum": lambda: quadrature_gradient(PROBLEM, SHALLOW, rule="midpoint", points=50),
    "derivation": lambda: derive(PROBLEM),
    "audit": lambda: audit(problems["sine-2"], SHALLOW, [], points=(100, 200, 400)),
    "run": lambda: fit(problems["sine-2"], width=4, steps=3, seeds=range(2), record=1),
    "best network": lambda: solve(problems["sine-2"], width=4),
    "convergence": lambda: convergence(problems["sine-2"], [3, 4]),
}
made = cache(lambda name: THINGS[name]())


@pytest.mark.parametrize("name", THINGS)
def test_a_copy_and_a_pickled_copy_are_equal_and_apart(name: str) -> None:
    thing = made(name)
    # What it has been asked before may be kept within it.
    for asked in ("pieces", "floats", "gap_history"):
        getattr(thing, asked, None)
    for again in (copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert type(again) is type(thing)
        assert again == thing
        assert thing == again
        assert isinstance(thing, float | np.ndarray) or hash(again) == hash(thing)


@pytest.mark.parametrize("name", ["network", "gradient", "deep gradient", "hessian", "run", "best network"])
def test_what_differs_in_one_number_is_not_equal(name: str) -> None:
    def changed(value: Any) -> Any:
        """The first number that is found, moved by one rounding."""
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
            out = np.array(value)
            out.flat[0] = np.nextafter(out.flat[0], np.inf) if np.isfinite(out.flat[0]) else 0.0
            return out
        for key in getattr(value, "__dataclass_fields__", ()):
            try:
                return replace(value, **{key: changed(getattr(value, key))})
            except LookupError:
                continue
        raise LookupError

    thing = made(name)
    assert changed(thing) != thing


def test_equality_sees_shapes_types_and_nan() -> None:
    nan = float("nan")
    assert same({"a": (np.array([nan, 1.0]), nan)}, {"a": (np.array([nan, 1.0]), nan)})
    assert not same(np.zeros(2), np.zeros((2, 1)))
    assert not same((1, 2), [1, 2])
    assert DeepNetwork.from_shallow(SHALLOW) != SHALLOW
    assert ShallowNetwork([0.5], [0.0], [1.0]) == ShallowNetwork(["1/2"], [0], [1])
    assert hash(ShallowNetwork([0.5], [-0.0], [1.0])) == hash(ShallowNetwork(["1/2"], [0], [1]))


def test_a_pickled_network_stays_read_only() -> None:
    for network in (pickle.loads(pickle.dumps(SHALLOW)), copy.deepcopy(SHALLOW)):
        with pytest.raises(ValueError, match="read-only"):
            network.hidden_weights[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        copy.deepcopy(DEEP).hidden_weights[0][0] = 1


def test_a_problem_stays_frozen() -> None:
    again = pickle.loads(pickle.dumps(PROBLEM))
    with pytest.raises(TypeError):
        again.fluxes[1] = 3
    assert again.pieces == PROBLEM.pieces


def energy_of(problem: RitzProblem, network: ShallowNetwork) -> tuple[float, Any, RitzProblem]:
    return float(exact_energy(problem, network)), exact_gradient(problem, network), problem


@pytest.mark.slow
def test_a_process_pool_takes_problems_and_gives_results_back() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        energy, gradient, problem = pool.submit(energy_of, PROBLEM, SHALLOW).result()
    assert energy == float(exact_energy(PROBLEM, SHALLOW))
    assert gradient == exact_gradient(PROBLEM, SHALLOW)
    # Text is hashed with another seed in every process.
    assert {problem: 1}[PROBLEM] == 1


@pytest.mark.slow
def test_a_hash_of_another_process_is_not_kept() -> None:
    hash(PROBLEM)
    script = (
        "import pickle, sys; from tests.verify.test_values import PROBLEM\n"
        "again = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "assert hash(again) == hash(PROBLEM) and {PROBLEM: 1}[again] == 1"
    )
    subprocess.run([sys.executable, "-c", script, pickle.dumps(PROBLEM).hex()], check=True)
