"""The comparison in the generated C99 files: right values pass, planted faults are found and named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from kinkproof.verify import problems
from kinkproof.verify.oracles import generate
from kinkproof.verify.oracles.making.shipped import random_network

from .compiling import STRICT, cc, run


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of relu_oracles.c with 50-digit cases of a polynomial problem."""
    path = tmp_path_factory.mktemp("generated") / "relu_oracles.c"
    networks = {"width-3": random_network(3, 40), "width-4": random_network(4, 2)}
    written = generate(problems["polynomial"], path, networks)
    assert [p.name for p in written] == ["relu_oracles.c", "relu_oracles.h", "test_relu_oracles.c"]
    return path.parent


def test_generated_cases_hold(generated: Path) -> None:
    cc(*STRICT, "-O2", generated / "relu_oracles.c", generated / "test_relu_oracles.c", "-o", generated / "test", "-lm")
    done = run(generated / "test")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ok     width-3\nok     width-4\n2 cases, 0 failed\n"


def test_test_program_fails_on_a_wrong_value(generated: Path, tmp_path: Path) -> None:
    text = (generated / "relu_oracles.c").read_text()
    wrong, count = re.subn(r"out\[0\] = t", "out[0] = 1.001 * t", text, count=1)
    assert count == 1
    (tmp_path / "relu_oracles.c").write_text(wrong)
    cc("-I", generated, tmp_path / "relu_oracles.c", generated / "test_relu_oracles.c", "-o", tmp_path / "test", "-lm")
    done = run(tmp_path / "test")
    assert done.returncode == 1
    assert "FAILED width-3" in done.stdout
    assert re.search(r"gradient of width-3: \d of 9 components are off\n  [wbc]\[\d\]: \S+ instead of", done.stderr)


# What is put in place of the gradient of case 0, and what the report says to it.
FAULTS = {
    "bulk[k]": "equals the bulk: Dirac terms missing",
    "bulk[k] * (1 + 1e-4 * (double)(k % 2))": "equals the bulk: Dirac terms missing",
    "right[k] + own[k]": "equals the nearest-node rule",
    "right[k] + (k % 3 == 1 ? own[k] : -own[k])": "equals the nearest-node rule",
    "-right[k]": "sign flipped",
    "1.5 * right[k]": "scaled by the constant 1.5",
    "bulk[k] - dirac[k]": "the Dirac terms have the wrong sign",
    "bulk[k] + 2 * dirac[k]": "the Dirac terms are twice what they should be",
    "right[(k + 3) % 9]": "blocks swapped: their order is b, c, w",
    "bulk[(k + 6) % 9]": "blocks swapped: their order is c, w, b, and Dirac terms missing",
    "right[k % 3 * 3 + k / 3]": "transposed: neuron by neuron instead of block by block",
    "(double)(float)right[k]": "float32 precision",
    "right[k] + (k == 4 ? 0.25 : 0)": "none of the known faults fits",
    "k == 4 ? NAN : right[k]": "b[1]: nan instead of",
    "k == 4 ? INFINITY : right[k]": "b[1]: inf instead of",
    "right[k]": "",
    "right[k] * (1 + 1e-15)": "",
}


@pytest.fixture(scope="session")
def reports(generated: Path) -> dict[str, tuple[int, str]]:
    """Fault → how many components are off, and the report."""
    tries = "".join(
        f"    for (k = 0; k < 9; k++)\n        found[k] = {fault};\n"
        '    fprintf(stderr, "\\n@ %d\\n", (int)relu_oracles_check_gradient(example, found, 0));\n'
        for fault in FAULTS
    )
    path = generated / "faults.c"
    path.write_text(
        "#include <math.h>\n#include <stdio.h>\n"
        '#include "relu_oracles.h"\n\nint main(void)\n{\n'
        "    const relu_oracles_case *example = &relu_oracles_cases[0];\n"
        "    const double *right = example->total, *bulk = example->bulk, *dirac = example->dirac;\n"
        f"    const double *own = example->own_jump;\n    double found[9];\n    size_t k;\n\n{tries}    return 0;\n}}\n"
    )
    cc(*STRICT, path, generated / "relu_oracles.c", "-o", generated / "faults", "-lm")
    done = run(generated / "faults")
    found = re.findall(r"(.*?)\n@ (\d+)\n", done.stderr, re.DOTALL)
    return {fault: (int(off), report) for fault, (report, off) in zip(FAULTS, found, strict=True)}


@pytest.mark.parametrize("fault", FAULTS)
def test_diagnosis(fault: str, reports: Mapping[str, tuple[int, str]]) -> None:
    off, report = reports[fault]
    if FAULTS[fault]:
        assert off > 0
        assert FAULTS[fault] in report
        assert f"gradient of width-3: {off} of 9 components are off" in report
        assert report.count(" instead of ") == min(off, 5) + ("instead of block" in report)
    else:
        assert (off, report) == (0, "")


def test_relative_tolerance_and_other_checks(generated: Path) -> None:
    path = generated / "checks.c"
    path.write_text(
        r"""
#include <stdio.h>
#include "relu_oracles.h"

int main(void)
{
    const relu_oracles_case *example = &relu_oracles_cases[0];
    double found[81];
    int k;

    for (k = 0; k < 9; k++)
        found[k] = example->total[k] * (1 + 1e-6);
    printf("%d %d\n", relu_oracles_check_gradient(example, found, 0) > 0,
           relu_oracles_check_gradient(example, found, 1e-5) > 0);
    for (k = 0; k < 81; k++)
        found[k] = 2 * example->hessian[k];
    printf("%d %d\n", relu_oracles_check_hessian(example, found, 0) > 0,
           relu_oracles_check_hessian(example, example->hessian, 0) > 0);
    printf("%d %d\n", relu_oracles_check_energy(example, -example->energy, 0) > 0,
           relu_oracles_check_energy(example, example->energy, 0) > 0);
    printf("%d\n", relu_oracles_check_energy(example, example->energy + 1, 0) > 0);
    return 0;
}
"""
    )
    cc(*STRICT, path, generated / "relu_oracles.c", "-o", generated / "checks", "-lm")
    done = run(generated / "checks")
    assert done.stdout == "1 0\n1 0\n1 0\n1\n"
    assert "scaled by the constant 1\n" in done.stderr
    assert "Hessian of width-3: " in done.stderr
    assert "scaled by the constant 2\n" in done.stderr
    assert "energy of width-3: 1 of 1 components are off\n  energy: " in done.stderr
    assert done.stderr.count("sign flipped") == 1
    assert done.stderr.count("none of the known faults fits") == 1
