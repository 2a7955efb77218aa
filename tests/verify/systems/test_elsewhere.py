from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import Any

import pytest
from kinkproof.verify import InputError, ShallowNetwork, audit, problems
from kinkproof.verify.errors import NondifferentiableError
from kinkproof.verify.statement.named_plane import plane_problems
from kinkproof.verify.systems.discovery import discover
from kinkproof.verify.systems.elsewhere import Named, discover_with
from kinkproof.verify.systems.method import Method
from kinkproof.verify.systems.plane_refinement import near_minimum

PROBLEM, NETWORK, POINTS = problems["polynomial"], ShallowNetwork.random(2, 0), (20, 40, 80)


class AtOnce(Executor):
    """What is submitted is done at once, here, and what was submitted is kept."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.asked += [a.name for a in args if isinstance(a, Method)]
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.mark.slow
def test_processes_give_the_same_rows_to_the_last_bit() -> None:
    # One process, of which the system that is imported fastest is asked; a process takes a second or two to start.
    def told(executor: Executor | None) -> str:
        found = audit(PROBLEM, NETWORK, discover_with(executor, ["autograd"]), POINTS, executor=executor)
        return json.dumps(found.as_dict())

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert told(pool) == told(None)


def test_in_the_plane_rows_are_the_same() -> None:
    problem, points = plane_problems["plane-sine"], (40, 80, 160)
    network, executor = near_minimum(problem, 2, 0), AtOnce()
    found = audit(problem, network, discover_with(executor, ["autograd"], 2), points, executor=executor)
    assert len(executor.asked) == 2
    assert found.rows == audit(problem, network, discover(["autograd"], 2), points).rows


def test_methods_go_away_by_name_dearest_first_and_rows_stay_in_order() -> None:
    executor, steps = AtOnce(), list[str]()
    methods = discover_with(executor, ["torch"])
    assert [m.label for m in methods] == [m.label for m in discover(["torch"])]
    assert all(isinstance(m.gradient, Named) for m in methods)
    kept = [m for m in methods if "compile" not in m.name]
    mine = Method("mine", lambda problem, parameters, grid, precision: (0.0, 0 * parameters), system="mine")
    found = audit(PROBLEM, NETWORK, [*kept, mine], POINTS, progress=steps.append, executor=executor)
    assert executor.asked[0] == "forward mode (jacfwd)"
    assert sorted(executor.asked) == sorted(m.name for m in kept)
    assert found.rows == audit(PROBLEM, NETWORK, [*kept, mine], POINTS).rows
    assert sorted(s.partition(", float")[0] for s in set(steps[2:])) == sorted(
        r.label.partition(", float")[0] for r in found.rows
    )
    assert len(steps) == 2 + len(found.rows)


def test_what_fails_elsewhere_is_its_rows_finding() -> None:
    broken = Method("broken", Named("nobody", "nowhere:nothing", 0), system="foreign", precisions=("float64",))
    found = audit(PROBLEM, NETWORK, [broken], POINTS, executor=AtOnce())
    assert found.rows[0].failed
    assert not found.passed


def test_what_is_handed_out_is_called_back_if_there_is_nothing_to_judge() -> None:
    class Idle(AtOnce):
        futures: list[Future[Any]] = []  # noqa: RUF012

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            if not any(isinstance(a, Method) for a in args):
                return super().submit(fn, *args, **kwargs)
            self.futures.append(Future())
            return self.futures[-1]

    executor = Idle()
    # All neurons vanish at 1/2: no gradient there.
    network = ShallowNetwork([1, 1], ["-1/2", "-1/2"], [1, 1])
    with pytest.raises(NondifferentiableError):
        audit(PROBLEM, network, discover_with(executor, ["autograd"]), POINTS, executor=executor)
    assert executor.futures
    assert all(f.cancelled() for f in executor.futures)


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(InputError, match="ProcessPoolExecutor would be right"):
        audit(PROBLEM, NETWORK, [], POINTS, executor=3)  # type: ignore[call-overload]
