"""The generated C99 files: compiled without a warning, right everywhere, and they refuse what they should."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinkproof.verify import (
    InputError,
    NondifferentiableError,
    RitzProblem,
    ShallowNetwork,
    exact_energy,
    exact_gradient,
    exact_hessian,
    problems,
)
from kinkproof.verify.oracles import generate
from kinkproof.verify.oracles.making.shipped import random_network
from kinkproof.verify.oracles.standalone.c_source import c_texts
from kinkproof.verify.statement.blocks import BLOCKS

from .compiling import PARTS, STRICT, Array, Library, cc, run, write

OK, NO_DERIVATIVE, BAD_INPUT, NO_MEMORY, OVERFLOW = range(5)
# Each needs something that the named problems do not: integrals without a closed form, with and without pieces, a
# singular source, an interface and ends that are no float64 numbers, several features at once.
FURTHER = {
    "no-closed-form": RitzProblem(coefficient="exp(x)", source="exp(sin(3*x))"),
    "no-closed-form-in-a-piece": RitzProblem(source="Piecewise((exp(sin(3*x)), x < 1/3), (1, True))"),
    "singular": RitzProblem(source="1/sqrt(x)"),
    "interface-at-a-third": RitzProblem(
        coefficient="Piecewise((1, x < 1/3), (3, True))", source="sin(x)", distance="1", domain=("1/7", "3/2"),
        fluxes={"1/7": "1/2"}, essential={"3/2": 2}, penalty=30, lift="x**2",
    ),
}  # fmt: skip
ALL = {n: problems[n] for n in problems} | FURTHER


def exact(problem: RitzProblem, network: ShallowNetwork) -> tuple[float, Any, Array]:
    return float(exact_energy(problem, network)), exact_gradient(problem, network), exact_hessian(problem, network)


def quick_record(problem: RitzProblem, network: ShallowNetwork) -> dict[str, Any]:
    """A case of float64 values: in tests of code no seconds are spent on 50 digits."""
    energy, gradient, hessian = exact(problem, network)

    def stored(values: Array, key: str = "decimal") -> dict[str, list[str]]:
        # The shortest text that reads back as the same float64.
        return {key: [repr(float(v)) for v in values]}

    parts = {p: dict(zip(BLOCKS, getattr(gradient, p).ravel().reshape(3, -1), strict=True)) for p in PARTS}
    blocks = {p: {n: stored(v) for n, v in b.items()} for p, b in parts.items()}
    blocks["own_jump"] = {n: stored(np.zeros(network.width)) for n in BLOCKS}
    largest = float(np.abs(gradient.total.ravel()).max())
    return {
        "id": f"width-{network.width}",
        "parameters": {n: stored(v, "exact") for n, v in zip(BLOCKS, network.floats, strict=True)},
        "energy": {"decimal": repr(energy)},
        "gradient": blocks,
        "hessian": {"total": stored(hessian[np.triu_indices(len(hessian))])},
        "tolerance": {
            "energy": 1e-12 * max(1.0, abs(energy)),
            "gradient": {"hidden_weights": 1e-12 * largest},
            "hessian": 1e-12 * float(np.abs(hessian).max()),
        },
    }


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c-oracles")


@pytest.fixture(scope="session")
def library(folder: Path) -> Callable[[str], Library]:
    """Problem name → its compiled files, compiled once."""

    @cache
    def compiled(name: str) -> Library:
        stem = name.replace("-", "_")
        records = [quick_record(ALL[name], random_network(3, 40, ALL[name].domain))]
        write(folder, c_texts(ALL[name], records, f"{stem}.c"))
        cc(*STRICT, "-O1", "-shared", "-fPIC", folder / f"{stem}.c", "-o", folder / f"{stem}.so", "-lm")
        return Library(folder / f"{stem}.so", stem)

    return compiled


def random_blocks(problem: RitzProblem, width: int, seed: int, decades: float = 1) -> list[Array]:
    """Kinks inside the domain and some outside, weights of either sign and so many decades."""
    generator = np.random.default_rng([width, seed])
    left, right = (float(e) for e in problem.domain)
    w = generator.choice([-1, 1], width) * 10.0 ** generator.uniform(-decades / 2, decades / 2, width)
    kinks = generator.uniform(left - 0.1 * (right - left), right + 0.1 * (right - left), width)
    return [w, -w * kinks, generator.normal(size=width)]


def assert_close(found: Array, expected: Array, share: float = 1e-12) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * float(np.abs(expected).max()))


# One of each kind of data and ends at once, the others among the slow tests.
AT_ONCE = ("sine-2", "two-materials", "natural", "penalised-ends", "no-closed-form")
SORTED = [n if n in AT_ONCE else pytest.param(n, marks=pytest.mark.slow) for n in ALL]


@pytest.mark.parametrize("name", SORTED)
def test_values_at_any_parameters(name: str, library: Callable[[str], Library]) -> None:
    compiled = library(name)
    for width, seeds in ((1, 8), (3, 8), (32, 2)):
        for seed in range(seeds):
            blocks = random_blocks(ALL[name], width, seed)
            energy, gradient, hessian = exact(ALL[name], ShallowNetwork(*blocks))
            status, found = compiled.energy(*blocks)
            assert status == OK
            assert found == pytest.approx(energy, rel=1e-12, abs=1e-12)
            status, parts = compiled.gradient(*blocks)
            assert status == OK
            scale = max(float(np.abs(getattr(gradient, p).ravel()).max()) for p in PARTS)
            for part, values in zip(PARTS, parts, strict=True):
                np.testing.assert_allclose(values, getattr(gradient, part).ravel(), rtol=0, atol=1e-12 * scale)
            status, matrix = compiled.hessian(*blocks)
            assert status == OK
            assert_close(matrix, hessian)


def test_hessian_keeps_its_digits_where_flat_neurons_meet_steep_ones(library: Callable[[str], Library]) -> None:
    # A flat neuron's kink moves by 1/w: its second derivatives are large, and steep neurons' rounding goes into them.
    problem = ALL["sine-2"]
    for seed in range(6):
        blocks = random_blocks(problem, 3, seed, decades=3)
        status, matrix = library("sine-2").hessian(*blocks)
        assert status == OK
        assert_close(matrix, exact_hessian(problem, ShallowNetwork(*blocks), digits=30).astype(float))


@pytest.mark.parametrize("name", SORTED)
def test_test_program_passes(name: str, library: Callable[[str], Library], folder: Path) -> None:
    library(name)
    stem = name.replace("-", "_")
    cc(*STRICT, folder / f"{stem}.c", folder / f"test_{stem}.c", "-o", folder / f"test_{stem}", "-lm")
    done = run(folder / f"test_{stem}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok     width-3\n1 cases, 0 failed\n", "")


TINY = 2.0**-1000
# Problem, w, b, c. Where the gradient or the Hessian exists is asked of the exact arithmetic of `verify`.
EDGES: dict[str, tuple[str, Sequence[float], Sequence[float], Sequence[float]]] = {
    "two kinks in one place": ("sine-2", [1, -2, 1], [-0.25, 0.5, -0.75], [1, 0.5, -1]),
    "three kinks in one place": ("sine-2", [1, 2, -4, 1], [-0.5, -1, 2, -0.125], [1, -1, 0.25, 0.5]),
    "one of two is silent": ("sine-2", [1, -2, 1], [-0.25, 0.5, -0.75], [1, 0, -1]),
    "both are silent": ("sine-2", [1, -2, 1], [-0.25, 0.5, -0.75], [0, 0, -1]),
    "a kink on a built-in end": ("sine-2", [1, 1], [0, -0.5], [1, 1]),
    "a kink on the left end": ("penalised-ends", [1, 1], [0, -0.5], [1, 1]),
    "a kink on the right end": ("penalised-ends", [-2, 1], [2, -0.5], [1, 0.5]),
    "a kink on an interface": ("two-materials", [1, 1], [-0.5, -0.25], [1, 1]),
    "a kink on a third": ("interface-at-a-third", [3, 1], [-1, -0.75], [1, 1]),
    "a kink on the double next to a third": ("interface-at-a-third", [1, 1], [-1 / 3, -0.75], [1, 1]),
    "a kink on a seventh, an end": ("interface-at-a-third", [-7, 1], [1, -0.75], [1, 1]),
    "a dead neuron": ("sine-2", [0, 1], [0, -0.25], [1, 1]),
    "a dead and silent neuron": ("sine-2", [0, 1], [0, -0.25], [0, 1]),
    "w = 0, on": ("sine-2", [0, 1], [0.5, -0.25], [1, 1]),
    "w = -0, off": ("sine-2", [-0.0, 1], [-0.5, -0.25], [1, 1]),
    "on throughout": ("natural", [1, -1], [1, 2], [1, 1]),
    "kinks a rounding apart": ("sine-2", [1, -1], [-0.5, 0.5 + 2.0**-52], [1, 0.5]),
    "quotients equal, kinks not": ("sine-2", [3, -1], [-1, 1 / 3], [1, 0.5]),
    "the same, in the other order": ("sine-2", [-1, 3], [1 / 3, -1], [1, 0.5]),
    "kinks equal, quotients inexact": ("sine-2", [3, -9], [-1, 3], [1, 0.5]),
    "equal at the end of the exponents": ("sine-2", [TINY, 1], [-TINY / 2, -0.5], [1, 1]),
    "unequal at the end of the exponents": ("sine-2", [TINY, 1], [-TINY / 2 * (1 + 2.0**-52), -0.5], [1, 1]),
}


@pytest.mark.parametrize("edge", EDGES)
def test_places_without_a_derivative_are_refused(edge: str, library: Callable[[str], Library]) -> None:
    name, *rows = EDGES[edge]
    blocks = [np.array(r, dtype=float) for r in rows]
    problem, network, compiled = ALL[name], ShallowNetwork(*blocks), library(name)
    status, energy = compiled.energy(*blocks)
    assert status == OK
    assert energy == pytest.approx(float(exact_energy(problem, network)), rel=1e-12)
    status, parts = compiled.gradient(*blocks)
    try:
        expected = exact_gradient(problem, network)
    except NondifferentiableError:
        assert status == NO_DERIVATIVE
    else:
        assert status == OK
        assert_close(parts[2], expected.total.ravel())
    status, matrix = compiled.hessian(*blocks)
    if 0 < np.abs(blocks[0]).min() <= TINY:
        assert status == (NO_DERIVATIVE if edge.startswith("equal") else OVERFLOW)
        return
    try:
        hessian = exact_hessian(problem, network)
    except NondifferentiableError:
        assert status == NO_DERIVATIVE
    else:
        assert status == OK
        assert_close(matrix, hessian)


def test_both_outcomes_occur_among_the_edges(library: Callable[[str], Library]) -> None:
    outcomes = [library(name).gradient(*(np.array(r, dtype=float) for r in rows))[0] for name, *rows in EDGES.values()]
    assert outcomes.count(NO_DERIVATIVE) >= 8
    assert outcomes.count(OK) >= 8


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("block", [0, 1, 2])
def test_not_finite_is_refused(bad: float, block: int, library: Callable[[str], Library]) -> None:
    blocks = [np.array([1.0, 2.0]), np.array([-0.25, -0.5]), np.array([1.0, 1.0])]
    blocks[block][1] = bad
    compiled = library("sine-2")
    assert compiled.energy(*blocks)[0] == BAD_INPUT
    assert compiled.gradient(*blocks)[0] == BAD_INPUT
    assert compiled.hessian(*blocks)[0] == BAD_INPUT


def test_no_neurons_no_memory_and_overflow(library: Callable[[str], Library]) -> None:
    compiled, empty, one = library("sine-2"), np.empty(0), np.array([0.5])
    assert compiled.energy(empty, empty, empty)[0] == BAD_INPUT
    assert compiled.gradient(empty, empty, empty)[0] == BAD_INPUT
    assert compiled.hessian(empty, empty, empty)[0] == BAD_INPUT
    huge = np.array([1e200])
    assert compiled.energy(huge, -huge / 2, huge)[0] == OVERFLOW
    assert compiled.gradient(huge, -huge / 2, huge)[0] == OVERFLOW
    assert compiled.hessian(huge, -huge / 2, huge)[0] == OVERFLOW
    sentences = [compiled.sentence(k).decode() for k in range(6)]
    assert len(set(sentences)) == 6
    assert sentences[OK] == "ok"
    assert "no such derivative" in sentences[NO_DERIVATIVE]
    assert compiled.energy(one, one, one)[0] == OK


DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include "no_closed_form.h"
#include "two_materials.h"

static size_t left_to_give;

void *counted_malloc(size_t size)
{
    return left_to_give-- > 0 ? malloc(size) : NULL;
}

static int all_statuses(size_t n, const double *w, const double *b, const double *c, double *out)
{
    int status = no_closed_form_energy(n, w, b, c, out);
    status = 10 * status + (int)no_closed_form_gradient(n, w, b, c, NULL, NULL, out);
    status = 10 * status + (int)no_closed_form_hessian(n, w, b, c, out);
    status = 10 * status + (int)two_materials_hessian(n, w, b, c, out);
    return status;
}

int main(void)
{
    enum { WIDTH = 40 };
    double w[WIDTH], b[WIDTH], c[WIDTH], *out = malloc(9 * WIDTH * WIDTH * sizeof *out);
    size_t k;

    for (k = 0; k < WIDTH; k++) {
        w[k] = (k % 3 ? 1 : -1) * (1 + (double)k);
        b[k] = -w[k] * ((double)k * 1.3 / WIDTH - 0.1);
        c[k] = 1 / (1 + (double)k);
    }
    left_to_give = 1000;
    printf("%04d", all_statuses(WIDTH, w, b, c, out));
    printf(" %04d", all_statuses(1, w + 9, b + 9, c + 9, out));
    printf(" %04d", all_statuses(0, w, b, c, out));
    printf(" %04d", all_statuses(1, NULL, b, c, out));
    printf(" %04d", all_statuses(1, w, b, c, NULL));
    b[3] = b[4] * w[3] / w[4];
    w[3] = w[4];
    b[3] = b[4];
    printf(" %04d\n", all_statuses(WIDTH, w, b, c, out));
    w[3] = 3.3;
    for (k = 0; k < 6; k++) {
        left_to_give = k;
        printf("%d", (int)no_closed_form_hessian(WIDTH, w, b, c, out));
    }
    printf("\n");
    free(out);
    return 0;
}
"""


def test_statuses_memory_and_two_problems_in_one_program(library: Callable[[str], Library], folder: Path) -> None:
    for name in ("no-closed-form", "two-materials"):
        library(name)
    (folder / "driver.c").write_text(DRIVER)
    sources = [folder / "no_closed_form.c", folder / "two_materials.c"]
    for source in sources:
        cc(*STRICT, "-Dmalloc=counted_malloc", "-c", source, "-o", source.with_suffix(".o"))
    cc(folder / "driver.c", *(s.with_suffix(".o") for s in sources), "-o", folder / "driver", "-lm")
    assert_driver(run(folder / "driver"))


def assert_driver(done: subprocess.CompletedProcess[str]) -> None:
    assert done.stderr == ""
    assert done.returncode == 0
    # A null pointer for the gradient's total only says that it is not wanted.
    assert done.stdout == "0000 0000 2222 2222 2022 0111\n333330\n"


def test_sanitizers_find_nothing(library: Callable[[str], Library], folder: Path, tmp_path: Path) -> None:
    flags = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
    probe = ["cc", *flags, str(tmp_path / "empty.c"), "-o", str(tmp_path / "empty")]
    if subprocess.run(probe, capture_output=True).returncode or run(tmp_path / "empty").returncode:
        pytest.skip("this cc has no address and undefined-behaviour sanitizers")
    for name in ("no-closed-form", "two-materials"):
        library(name)
    (folder / "driver.c").write_text(DRIVER)
    objects = []
    for stem in ("no_closed_form", "two_materials"):
        objects.append(tmp_path / f"{stem}.o")
        cc(*flags, "-Dmalloc=counted_malloc", "-c", folder / f"{stem}.c", "-o", objects[-1])
    cc(*flags, "-I", folder, folder / "driver.c", *objects, "-o", tmp_path / "driver", "-lm")
    assert_driver(run(tmp_path / "driver"))
    stem = "two_materials"
    cc(*flags, folder / f"{stem}.c", folder / f"test_{stem}.c", "-o", tmp_path / "test", "-lm")
    assert run(tmp_path / "test").returncode == 0


def test_text_is_the_same_each_time_and_its_names_are_those_of_the_file() -> None:
    problem = problems["polynomial"]
    record = quick_record(problem, random_network(3, 40))
    texts = c_texts(problem, [record], "beam-energy.v2.c")
    assert texts == c_texts(problem, [record], "beam-energy.v2.c")
    assert list(texts) == ["beam-energy.v2.c", "beam-energy.v2.h", "test_beam-energy.v2.c"]
    assert '#include "beam-energy.v2.h"' in texts["beam-energy.v2.c"]
    assert "#ifndef BEAM_ENERGY_V2_H" in texts["beam-energy.v2.h"]
    assert "beam_energy_v2_gradient(" in texts["test_beam-energy.v2.c"]
    assert not any("relu_oracles" in t.lower() for t in texts.values())
    assert all("--problem polynomial --standalone beam-energy.v2.c" in t for t in texts.values())
    assert all(len(line) <= 120 for t in texts.values() for line in t.splitlines())
    assert all(t.isascii() and t.endswith("\n") for t in texts.values())


@pytest.mark.parametrize(
    ("name", "what"), [("math.c", "hide the system's math.h"), ("2d.c", "a letter first"), ('a".c', "a letter first")]
)
def test_names_that_cannot_serve(name: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        c_texts(problems["polynomial"], [], name)


def test_a_case_may_be_missing_or_have_any_name(tmp_path: Path) -> None:
    problem = problems["polynomial"]
    record = quick_record(problem, random_network(1, 1)) | {"id": 'a "b" \\ é ??/'}
    for records, said in (([], "0 cases, 0 failed\n"), ([record], 'ok     a "b" \\ é ??/\n1 cases, 0 failed\n')):
        write(tmp_path, c_texts(problem, records, "named.c"))
        cc(*STRICT, tmp_path / "named.c", tmp_path / "test_named.c", "-o", tmp_path / "named", "-lm")
        done = run(tmp_path / "named")
        assert (done.returncode, done.stdout) == (0, said)


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_generated_cases_of_every_problem_hold(name: str, tmp_path: Path) -> None:
    path = tmp_path / "relu_oracles.c"
    generate(ALL[name], path, {"width-3": random_network(3, 40, ALL[name].domain)})
    cc(*STRICT, path, path.with_name("test_relu_oracles.c"), "-o", tmp_path / "test", "-lm")
    done = run(tmp_path / "test")
    assert (done.returncode, done.stderr) == (0, "")
