"""Problems of stored cases, and one generated file that several tests look at."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from kinkproof.verify import (
    BeamProblem,
    DeepNetwork,
    PlaneNetwork,
    PlaneProblem,
    PowerNetwork,
    RitzProblem,
    ShallowNetwork,
    problems,
)
from kinkproof.verify.oracles import Case, generate, load
from kinkproof.verify.oracles.beam_case import BeamCase
from kinkproof.verify.oracles.deep_case import DeepCase
from kinkproof.verify.oracles.making.shipped import random_network
from kinkproof.verify.oracles.plane_case import PlaneCase
from kinkproof.verify.oracles.polygon_case import PolygonCase


@cache
def _problem(key: tuple[tuple[str, object], ...]) -> RitzProblem:
    return RitzProblem(**{k: dict(v) if isinstance(v, frozenset) else v for k, v in key})  # type: ignore[arg-type]


def _items(stated: dict[str, object]) -> frozenset[tuple[str, object]]:
    return frozenset((k, tuple(v) if isinstance(v, list) else v) for k, v in stated.items())


@cache
def _plane_problem(pack: str, case: str) -> PlaneProblem:
    stated = load(pack)[case].problem
    given = {k: v for k, v in stated.items() if not k.endswith("_slopes")}
    edges = {n: {int(k): v for k, v in stated[n].items()} for n in ("fluxes", "essential")}
    return PlaneProblem(**given | edges)


def problem_of(case: Case) -> RitzProblem | PlaneProblem | BeamProblem:
    if isinstance(case, PolygonCase):
        return _plane_problem(*case.id.split("/"))
    if isinstance(case, BeamCase):
        return BeamProblem(**{k: v for k, v in case.problem.items() if not k.endswith(("_slope", "_bend"))})
    stated = {k: v for k, v in case.problem.items() if not k.endswith("_slope")}
    kinds = {dict: _items, list: tuple, str: str, bool: bool}
    return _problem(tuple((k, kinds[type(v)](v)) for k, v in stated.items()))


def network_of(case: Case) -> ShallowNetwork | DeepNetwork | PlaneNetwork | PowerNetwork:
    if isinstance(case, PlaneCase):
        return PlaneNetwork(*(case.record["parameters"][n]["exact"] for n in case.record["parameters"]))
    if isinstance(case, DeepCase):
        stored = case.record["network"]
        weights, biases = ([k[n]["exact"] for k in stored["layers"]] for n in ("weights", "biases"))
        bias = stored["output_bias"]["exact"] if "output_bias" in stored else None
        return DeepNetwork(weights, biases, stored["output_weights"]["exact"], bias)
    neurons = ShallowNetwork(*(case.record["parameters"][n]["exact"] for n in case.record["parameters"]))
    return PowerNetwork(case.power, neurons) if isinstance(case, BeamCase) else neurons


def module_from(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def standalone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("standalone") / "relu_oracles.py"
    networks = {"width-3": random_network(3, 40), "width-1": random_network(1, 1)}
    assert generate(problems["sine-2"], path, networks) == (path,)
    return path


@pytest.fixture(scope="session")
def standalone(standalone_file: Path) -> ModuleType:
    return module_from(standalone_file)
