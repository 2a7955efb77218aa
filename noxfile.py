"""Sessions: `nox -s verify` is the main job, `nox -s tests` the tests. All install the package as a user gets it."""

from pathlib import Path

import nox

nox.options.sessions = ["tests", "checks", "verify"]
nox.options.reuse_existing_virtualenvs = True

CONSTRAINTS = ("-c", "tests/constraints.txt")
# ruff and mypy judge the generated source files; landscapes and sweeps are computed on a cluster of two workers; numba
# is the extra `fast`, pyarrow the extra `parquet`.
TESTING = ("pytest", "pytest-xdist", "numba", "hypothesis", "jsonschema", "pyyaml", "ruff", "mypy", "dask[distributed]",
           "pyarrow")  # fmt: skip
# pytest for the types of the plugin, pyright with the node that it runs on.
TYPING = ("mypy", "pyright[nodejs]", "pytest", "numba", "pyarrow", "dask[distributed]")
SITE = ("sphinx", "myst-parser", "furo")
# Libraries of others: whose models and domains the missing term takes, and whose loops the gallery shows.
GALLERY = ("deepxde", "equinox", "flax", "lightning", "optax", "tensorboard")
# A process for each core, each with one thread; a file stays together, for what its tests share.
PARALLEL = ("--numprocesses=auto", "--dist=loadfile")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
# Other processors, as far as an environment makes one: instruction sets of torch, NumPy and OpenBLAS, and threads.
PROCESSORS = {
    "plain": ({"ATEN_CPU_CAPABILITY": "default", "NPY_DISABLE_CPU_FEATURES": "", "OPENBLAS_CORETYPE": "Nehalem"}, "1"),
    "old-two-threads": ({"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem"}, "2"),
    "new": ({"ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell"}, "1"),
    "new-two-threads": ({"NPY_DISABLE_CPU_FEATURES": "", "OPENBLAS_CORETYPE": "Haswell"}, "2"),
}
DISPATCHED = """
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
print(*(name for name in __cpu_dispatch__ if __cpu_features__.get(name)))
"""


def install(session: nox.Session, *extra: str) -> None:
    """The package with everything it can use, at the pinned versions."""
    # Bytecode is made of what is imported, which is a small part of torch, JAX and SymPy: that saves a minute.
    session.install("-q", "--no-compile", ".[all]", *extra, *CONSTRAINTS)
    # Not by file times: a session that is reused must still see the checkout as it is now.
    session.install("-q", "--force-reinstall", "--no-deps", ".", *CONSTRAINTS)


def test_slow(session: nox.Session, *rest: str) -> None:
    """The tests that are marked `slow` and no more."""
    session.run("pytest", "-m", "slow and not long", *PARALLEL, *rest, env=ONE_THREAD)


def test_as_on(session: nox.Session, name: str, *rest: str) -> None:
    """All tests but the long ones, or those of `rest`, as one of `PROCESSORS` would round."""
    environment, threads = PROCESSORS[name]
    if "NPY_DISABLE_CPU_FEATURES" in environment:
        # All that this NumPy could choose on this machine; what is not there must not be named.
        found = session.run("python", "-c", DISPATCHED, silent=True)
        environment = environment | {"NPY_DISABLE_CPU_FEATURES": str(found).strip()}
    session.log(f"{name}: {environment}, {threads} threads")
    env = environment | {"OMP_NUM_THREADS": threads}
    session.run("pytest", "-m", "not long", *PARALLEL, *rest, env=env)


def check_style(session: nox.Session) -> None:
    """Ruff's findings, and its format."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


def check_types(session: nox.Session) -> None:
    """mypy over what is installed, pyright over what lies here."""
    rooms = [f"--package=kinkproof.{room}" for room in ("verify", "solver", "reports")]
    session.run("mypy", "--config-file", "pyproject.toml", *rooms)
    session.run("pyright", "--pythonpath", str(Path(session.bin) / "python"))


def build_site(session: nox.Session, *builder: str) -> None:
    """The site into build/docs."""
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", *builder, "docs", "build/docs")


@nox.session
def verify(session: nox.Session) -> None:
    """Audit torch, JAX and HIPS autograd: a table, audit.json, discrepancy.pdf and .html into build/verify."""
    install(session)
    session.run("kinkproof", "audit", "--save", "build/verify", *session.posargs)


@nox.session
def reports(session: nox.Session) -> None:
    """Discrepancy, landscape and paper into build/reports, as PDF and HTML; some minutes, from a cache some seconds."""
    install(session)
    for name in ("discrepancy", "landscape", "paper"):
        session.run("kinkproof", "report", name, "--html", *session.posargs)


@nox.session
def picture(session: nox.Session) -> None:
    """Draw the README's picture anew."""
    install(session)
    session.run("kinkproof", "audit", "--picture", "reports/finding.svg")


@nox.session
def pictures(session: nox.Session) -> None:
    """Draw the pictures of the mathematics page anew, from real runs, and that of the house."""
    install(session)
    session.run("python", "docs/pictures.py", *session.posargs)
    session.run("python", "docs/rooms.py")


@nox.session
def docs(session: nox.Session) -> None:
    """The site into build/docs; a warning, such as an internal link that leads nowhere, is an error."""
    install(session, *SITE)
    # Links to other sites are followed on request, since they need the network: `nox -s docs -- -b linkcheck`.
    build_site(session, *(session.posargs or ["-b", "html"]))


@nox.session
def notebooks(session: nox.Session) -> None:
    """The notebooks of docs/notebooks from top to bottom, some minutes; what they assert has to hold."""
    install(session, "nbclient", "ipykernel")
    chosen = session.posargs or sorted(str(path) for path in Path("docs/notebooks").glob("*.ipynb"))
    for notebook in chosen:
        session.run("jupyter", "execute", notebook, env=ONE_THREAD)


@nox.session
def tests(session: nox.Session) -> None:
    """The ordinary test run, some minutes."""
    install(session, *TESTING)
    session.run("pytest", *PARALLEL, *session.posargs, env=ONE_THREAD)


@nox.session
def tests_slow(session: nox.Session) -> None:
    """The tests that take seconds each: whole reports, whole audits, what compiles; some minutes."""
    install(session, *TESTING)
    test_slow(session, *session.posargs)


@nox.session
def tests_portable(session: nox.Session) -> None:
    """All tests but the long ones as other processors would round; `-- plain tests/solver` is a part."""
    install(session, *TESTING)
    chosen = [a for a in session.posargs if a in PROCESSORS] or list(PROCESSORS)
    rest = [a for a in session.posargs if a not in PROCESSORS]
    for name in chosen:
        test_as_on(session, name, *rest)


@nox.session
def tests_long(session: nox.Session) -> None:
    """The long tests: 200 networks against 50-digit differences."""
    install(session, *TESTING, "gmpy2", *GALLERY)
    session.run("pytest", "-m", "long", *PARALLEL, *session.posargs, env=ONE_THREAD)


@nox.session
def checks(session: nox.Session) -> None:
    """What CI runs beside `tests` and `verify`, in one environment: slow and portable tests, style, types, the site."""
    install(session, *TESTING, *TYPING, *SITE)
    check_style(session)
    check_types(session)
    build_site(session, "-b", "html")
    # What rounding could decide, under the plainest instruction set; all tests under all sets: `nox -s tests_portable`.
    folders = ("tests/solver/data", "tests/solver/free_knots", "tests/verify/line", "tests/verify/deep")
    test_as_on(session, "plain", *folders, "-m", "not slow and not long")
    test_slow(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Style of the code, without installing it."""
    session.install("-q", "ruff", *CONSTRAINTS)
    check_style(session)


@nox.session
def typecheck(session: nox.Session) -> None:
    """`mypy --strict` over the installed packages, and pyright over the checkout."""
    install(session, *TYPING)
    check_types(session)


@nox.session
def release(session: nox.Session) -> None:
    """Wheel and source into build/release/dist, with links to the address given: `nox -s release -- URL`."""
    if len(session.posargs) != 1:
        session.error("the address where the project lies is wanted: nox -s release -- https://example.org/kinkproof")
    session.install("-q", "build", "twine")
    session.run("python", "docs/release.py", *session.posargs, "build/release/source")
    session.run("python", "-m", "build", "--outdir", "build/release/dist", "build/release/source")
    session.run("twine", "check", "--strict", *map(str, Path("build/release/dist").glob("*")))


@nox.session
def bench(session: nox.Session) -> None:
    """Speed, as ratios measured in one run, in processor time; `nox -s bench -- gradients` is one subject."""
    install(session, "numba")
    session.run("python", "-m", "tests.bench", *session.posargs)
