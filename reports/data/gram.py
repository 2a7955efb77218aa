"""Natural gradients: the Gram entry that is infinite, and what training with the others gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...solver.studies.natural_gradients import descend, growth
from ...solver.training.training import fit
from ...verify.statement.named import problems
from ...verify.values import Value
from .cache import Cache, read_sealed, write_sealed

Array = NDArray[np.float64]

# Like the paper's runs.
_PROBLEM, _WIDTH = "sine-2", 20
# A neuron with its kink at 0.35, and the steps in its bias.
_NEURON = (2.0, -0.7, 1.5)
_EPSILON: Array = np.array([10.0**-k for k in range(1, 8)])
# Label → Gram matrix, gradient, start.
ARMS: dict[str, tuple[str, str, str]] = {
    "bulk Gram, bulk gradient: as autodiff builds both": ("bulk", "bulk", "paper"),
    "bulk Gram, exact gradient": ("bulk", "exact", "paper"),
    "bulk Gram, exact gradient, spread": ("bulk", "exact", "even"),
    "L² Gram, exact gradient": ("L2", "exact", "paper"),
    "L² Gram, exact gradient, spread": ("L2", "exact", "even"),
    "broken H¹ Gram, exact gradient": ("broken", "exact", "paper"),
    "broken H¹ Gram, exact gradient, spread": ("broken", "exact", "even"),
}
REDUCED = "reduced to the kinks (variable projection), spread"


@dataclass(frozen=True, eq=False)
class GramStudy(Value):
    """What the page on natural gradients shows.

    Attributes:
        steps: at most, of each descent.
        epsilon: steps in the bias of one neuron, (k,).
        norms: energy norm, squared, of its difference quotient, (k,).
        coefficient: κD²c²|w| at its kink: what ε times that tends to.
        gaps: label → energy gaps of the seeds, (seeds,).
    """

    steps: int
    epsilon: Array
    norms: Array
    coefficient: float
    gaps: Mapping[str, Array]


def gram_study(seeds: int, steps: int, cache: Cache, progress: Callable[[str], None] = lambda what: None) -> GramStudy:
    """Make, or recall, the study.

    Args:
        seeds: networks of each descent.
        steps: at most.
        cache: where gaps are kept.
        progress: called with the name of each descent before it starts.

    Raises:
        InputError: the cache cannot be written.
    """
    problem = problems[_PROBLEM]
    norms, coefficient = growth(problem, *_NEURON, _EPSILON)

    def recall(label: str, said: tuple[str, ...], make: Callable[[], Array]) -> Array:
        progress(label)
        settings = {"problem": _PROBLEM, "width": _WIDTH, "arm": said, "seeds": seeds, "steps": steps}
        return np.array(cache.recall("gram", settings, lambda: make().tolist(), _load, _save))

    gaps = {
        label: recall(label, said, lambda said=said: descend(  # type: ignore[misc]
            problem, _WIDTH, said[0], said[1], steps=steps, seeds=range(seeds), initial=said[2]
        ))
        for label, said in ARMS.items()
    }  # fmt: skip
    gaps[REDUCED] = recall(REDUCED, ("varpro",), lambda: np.asarray(fit(
        problem, _WIDTH, gradient="exact", optimizer="varpro", initial="even", steps=min(steps, 300),
        record=min(steps, 300), seeds=range(seeds),
    ).energy_gap))  # fmt: skip
    return GramStudy(steps, _EPSILON, norms, coefficient, gaps)


def _load(path: Path) -> Any:
    return json.loads(read_sealed(path))


def _save(gaps: Any, path: Path) -> None:
    write_sealed(path, json.dumps(gaps).encode())
