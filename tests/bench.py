"""Speed as ratios, measured in one run: `nox -s bench`. Nothing here asserts; the targets are printed beside."""

from __future__ import annotations

import importlib.util
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kinkproof.solver import ConformingQuadrature, Run, eigenplanes, fit, integrate, landscape, solve, spectrum
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.conforming import conforming_energy, kinks
from kinkproof.solver.networks.differences import central_differences
from kinkproof.solver.networks.gradients import autodiff, objective
from kinkproof.solver.training.adam import Adam
from kinkproof.verify import DeepNetwork, RitzProblem, ShallowNetwork, audit, exact_energy, exact_gradient, problems
from kinkproof.verify.deep import linear_regions
from kinkproof.verify.discrete.quadrature import grid
from kinkproof.verify.oracles.standalone.standalone import standalone_text
from kinkproof.verify.systems.pytorch import methods

# Targets: width → most the ratio should be.
WANTED = {20: 1.0, 10_000: 0.05}
STANDALONE_WANTED = {20: 1.0, 1000: 0.1}
REPEATS = 15


def median_seconds(call: Callable[[], object]) -> float:
    """Median over repeats of a batch long enough for the clock, after one warm-up."""
    call()
    start = time.perf_counter()
    call()
    batch = max(1, round(0.02 / (time.perf_counter() - start)))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(batch):
            call()
        times.append((time.perf_counter() - start) / batch)
    return statistics.median(times)


def side_by_side(*calls: Callable[[], object]) -> list[float]:
    """Median seconds of processor time of calls in turn, so that what else the machine does meets all of them alike."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(REPEATS):
        for call, taken in zip(calls, times, strict=True):
            call()
            start = time.process_time()
            for _ in range(10):
                call()
            taken.append((time.process_time() - start) / 10)
    return [statistics.median(taken) for taken in times]


def training() -> None:
    """Steps of training with different gradients; a batch against single runs; memory over a long run."""
    problem = problems["sine-2"]
    # Tensors of training are small: a second thread costs more than it gives.
    torch.set_num_threads(1)

    def step_seconds(gradient: str, width: int) -> float:
        architecture = Architecture.of(width, "relu")
        followed = objective(problem, architecture, gradient, points=1000)
        theta, active = architecture.initial([0]), torch.ones(1, dtype=torch.bool)
        optimiser = Adam(followed, theta, 1e-3, None, 1)
        return median_seconds(lambda: optimiser.step(theta, active))

    def whole_differences(width: int) -> float:
        architecture = Architecture.of(width, "relu")
        energy = objective(problem, architecture, points=1000).energy
        theta, step = architecture.initial([0]), torch.tensor([1e-3], dtype=torch.float64)
        # Behind a lambda it is not known for a grid energy, and the 2P networks are evaluated whole, in one batch.
        return median_seconds(lambda: central_differences(lambda t: energy(t), theta, step))

    print("\nOne ADAM step on 1,000 points, 1 thread")
    for width, wanted in ((20, "≤ 1.5"), (200, "≤ 1.0")):
        exact, autodiff = (step_seconds(g, width) for g in ("exact", "autodiff"))
        line(f"exact ÷ autodiff, width {width}", exact, autodiff, wanted)
    exact, differences = (step_seconds(g, 50) for g in ("exact", "finite-difference"))
    line("exact ÷ finite differences of 2P whole networks, width 50", exact, whole_differences(50), "≤ 0.02")
    line("exact ÷ finite differences neuron by neuron, width 50", exact, differences, "")

    def run(seeds: range) -> Run:
        return fit(problem, steps=1000, seeds=seeds, record=1000)

    together, alone = [], []
    for _ in range(3):
        for seconds, batches in ((together, [range(4)]), (alone, [range(k, k + 1) for k in range(4)])):
            start = time.perf_counter()
            for seeds in batches:
                run(seeds)
            seconds.append(time.perf_counter() - start)
    line("four seeds together ÷ four runs, 1,000 steps of autodiff", min(together), min(alone), "≤ 0.5")
    used: dict[int, int] = {}
    fit(problem, gradient="exact", callbacks=[lambda seen: used.update({seen.step: resident()})])
    print(f"memory: {used[1000] / 2**20:.1f} MiB after 1,000 epochs, {used[10_000] / 2**20:.1f} MiB after 10,000")


def conforming() -> None:
    """A step of training on nodes that follow the kinks against one on the fixed grid, at the same number of points."""
    torch.set_num_threads(1)
    print("\nEnergy and gradient on the conforming rule ÷ on a fixed grid of as many points, 1 thread")
    for widths, points in (((64, 64, 64), 1000), ((64, 64, 64), 200), ((10, 10), 1000)):
        model = user_model(widths)
        quadrature = ConformingQuadrature(points=points)
        count = len(quadrature(model, (0, 1))[0])
        grid_nodes = (torch.arange(count, dtype=torch.float64) + 0.5) / count
        grid_weights = torch.full_like(grid_nodes, 1 / count)

        def on_grid(m: Any = model, x: Any = grid_nodes, w: Any = grid_weights) -> None:
            ritz_step(m, x.detach().requires_grad_(), w)

        def on_kinks(m: Any = model, q: Any = quadrature) -> None:
            ritz_step(m, *q(m, (0, 1)))

        def integrated(m: Any = model, q: Any = quadrature) -> None:
            integrate(ritz_density, m, (0, 1), quadrature=q).backward()

        title = f"{'-'.join(map(str, widths))}, {count} points"
        fixed, by_nodes, by_integrate = side_by_side(on_grid, on_kinks, integrated)
        line(f"ConformingQuadrature, a user's {title}", by_nodes, fixed, "≤ 1.5")
        line(f"integrate, a user's {title}", by_integrate, fixed, "≤ 1.5")
    problem = problems["sine-2"]
    for widths, seeds, points in (((10, 10), 16, 200), ((10, 10), 1, 200), ((64, 64, 64), 1, 1000)):
        architecture = Architecture.of(widths, "relu")
        theta = architecture.initial(range(seeds))
        pieces = kinks(problem, architecture, theta).shape[1] + 1
        rule = autodiff(conforming_energy(problem, architecture, -(-points // pieces)))
        on_fixed = objective(problem, architecture, points=points).gradient
        title = f"fit, {seeds} of {'-'.join(map(str, widths))}, {points} points"
        first, second = side_by_side(lambda r=rule, t=theta: r(t), lambda f=on_fixed, t=theta: f(t))
        line(title, first, second, "≤ 1.5")


def model_audits() -> None:
    """The whole audit of a user's model against one epoch of training it on 1,000 points."""
    torch.set_num_threads(1)
    print("\nThe audit of a user's model ÷ one epoch on 1,000 points, 1 thread")
    x, weights = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000, torch.full((1000,), 1e-3, dtype=torch.float64)
    for widths in ((64, 64, 64), (20,)):
        model = user_model(widths)
        epoch = median_seconds(lambda m=model: ritz_step(m, x.detach().requires_grad_(), weights))
        whole = median_seconds(lambda m=model: audit(m, ritz_density))
        kinks_found = len(audit(model, ritz_density).kinks)
        wanted = "≤ 500" if len(widths) == 3 else ""
        line(f"{'-'.join(map(str, widths))}, {kinks_found} kinks", whole, epoch, wanted)


def user_model(widths: tuple[int, ...]) -> torch.nn.Sequential:
    """A network as a user writes it, with torch's own initial parameters but kinks spread over the domain."""
    torch.manual_seed(0)
    modules: list[torch.nn.Module] = []
    for inputs, width in zip((1, *widths), widths, strict=False):
        modules += [torch.nn.Linear(inputs, width), torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules, torch.nn.Linear(widths[-1], 1)).double()
    with torch.no_grad():
        model[0].bias.copy_(-model[0].weight[:, 0] * torch.rand(widths[0]))
    return model


def ritz_density(x: torch.Tensor, u: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """½u′² − 4π² sin(2πx) u."""
    return slope**2 / 2 - 4 * torch.pi**2 * torch.sin(2 * torch.pi * x) * u


def ritz_step(model: torch.nn.Module, x: torch.Tensor, weights: torch.Tensor) -> None:
    """Energy and gradient as a Deep Ritz loss is written, u′ by autograd."""
    u = model(x[:, None])[:, 0]
    slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    (weights * ritz_density(x, u, slope)).sum().backward()


def line(what: str, first: float, second: float, wanted: str) -> None:
    """One ratio beside the wanted one."""
    print(f"{what:<58} {first * 1e6:>9.0f} µs {second * 1e6:>9.0f} µs {first / second:>8.4f}  {wanted}")


def resident() -> int:
    """Bytes of memory that the process holds now; the peak so far where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_memory(code: str) -> int:
    """Bytes that a process of its own holds at most while it runs these lines."""
    # A child inherits ru_maxrss from its parent, but the high-water mark of its memory begins with its own program.
    ask = "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    if not Path("/proc/self/status").exists():
        ask = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    command = [sys.executable, "-c", f"{code}; {ask}"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) * 1024


def main() -> None:
    """Everything that has a target."""
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    exact_gradients()
    deep_gradients()
    standalone_gradients()
    training()
    conforming()
    model_audits()
    kink_solver()
    landscapes()


def standalone_gradients() -> None:
    """The gradient of a generated file against torch autograd on 1,000 points."""
    ask = methods()[0].gradient
    assert ask is not None
    problem, mesh = problems["sine-2"], grid("midpoint", 1000)
    module = _standalone(problem)
    print(f"\n{'width':>7} {'standalone':>12} {'autograd':>12} {'ratio':>8}  wanted")
    for width in (20, 1000):
        vector = ShallowNetwork.random(width, seed=0).ravel()
        own = median_seconds(lambda v=vector: module.exact_gradient(*np.split(v, 3)))
        autograd = median_seconds(lambda v=vector: ask(problem, v, mesh, "float64"))
        wanted = STANDALONE_WANTED[width]
        print(f"{width:>7} {own * 1e6:>9.0f} µs {autograd * 1e6:>9.0f} µs {own / autograd:>8.3f}  ≤ {wanted}")


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


def exact_gradients() -> None:
    """Exact energy and gradient against torch autograd on 1,000 points."""
    problem = problems["sine-2"]
    mesh = grid("midpoint", 1000)
    print(f"{'width':>7} {'exact':>12} {'autograd':>12} {'ratio':>8}  wanted")
    for width in (8, 20, 200, 10_000):
        vector = ShallowNetwork.random(width, seed=0).ravel()
        ask = methods()[0].gradient
        assert ask is not None
        exact = median_seconds(lambda v=vector: exact_gradient(problem, ShallowNetwork.from_vector(v)))
        autograd = median_seconds(lambda v=vector, a=ask: a(problem, v, mesh, "float64"))
        wanted = f"≤ {WANTED[width]}" if width in WANTED else ""
        print(f"{width:>7} {exact * 1e6:>9.0f} µs {autograd * 1e6:>9.0f} µs {exact / autograd:>8.3f}  {wanted}")


def deep_gradients() -> None:
    """The exact gradient of networks of several layers against torch autograd on 1,000 points."""
    problem = problems["sine-2"]
    print(f"\n{'widths':>12} {'regions':>7} {'exact':>12} {'autograd':>12} {'ratio':>8}")
    for widths in ((20, 20), (32, 32, 32, 32), (64, 64, 64)):
        network = DeepNetwork.random(widths, seed=0)
        energy = objective(problem, Architecture.of(widths, "relu"), points=1000).energy
        theta = torch.tensor(network.ravel())[None].requires_grad_()
        vector = network.ravel()
        exact = median_seconds(lambda v=vector, w=widths: exact_gradient(problem, DeepNetwork.from_vector(v, w)))
        autograd = median_seconds(lambda t=theta, e=energy: torch.autograd.grad(e(t).sum(), t))
        shown, regions = "-".join(map(str, widths)), linear_regions(network).count
        print(f"{shown:>12} {regions:>7} {exact * 1e6:>9.0f} µs {autograd * 1e6:>9.0f} µs {exact / autograd:>8.3f}")


def kink_solver() -> None:
    """`solve` against a second of training, per-iteration cost against width, memory of the largest."""
    problem = problems["sine-2"]
    solved, trained = after_a_second_of_solving(), after_a_second_of_training()
    print("\nsolve, width 20, against ADAM with the exact gradient, median of five seeds")
    print(f"gap after one second: {solved:.4g} / {trained:.4g} = {solved / trained:.3f}  wanted ≤ 0.25")
    print(f"seconds to solve: {median_seconds(lambda: solve(problem, 20)):.3f}  wanted < 1")
    per_iteration = {}
    for width in (1_000, 10_000):
        iterations = solve(problem, width).iterations
        per_iteration[width] = median_seconds(lambda w=width: solve(problem, w)) / iterations
    ratio = per_iteration[10_000] / per_iteration[1_000]
    print(f"an iteration at width 10,000 / at 1,000: {ratio:.1f}  wanted ≤ 15")
    peak = peak_memory(
        "from kinkproof.solver import solve; from kinkproof.verify import problems; solve(problems['sine-2'], 100_000)"
    )
    print(f"peak memory at width 100,000: {peak / 2**30:.2f} GiB  wanted ≤ 2")


def landscapes() -> None:
    """Nine planes of 101 × 101 networks against a loop over the same points, which is timed on a part of them."""
    problem, network = problems["sine-2"], ShallowNetwork.random(20, seed=0)
    planes = eigenplanes(spectrum(problem, network))
    torch.set_num_threads(1)
    total, part = len(planes) * 101**2, 2000
    side, plane = np.linspace(-1, 1, 101), planes[0]
    one = objective(problem, Architecture.of(20, "relu"), points=1000).energy
    with torch.no_grad():
        start = time.perf_counter()
        for k in range(part):
            theta = network.ravel() + side[k // 101] * plane.first + side[k % 101] * plane.second
            float(one(torch.from_numpy(theta)[None])[0])
        loop = (time.perf_counter() - start) * total / part
    print(
        f"\nlandscape, 9 planes × 101 × 101, width 20, 1,000 points, 1 thread; the loop timed on {part:,} of {total:,}"
    )
    for energy in ("quadrature", "exact"):
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            landscape(problem, network, planes, energy=energy, points=1000)
            seconds.append(time.perf_counter() - start)
        ratio = loop / statistics.median(seconds)
        wanted = "wanted ≥ 20" if energy == "quadrature" else ""
        print(f"loop {loop:.1f} s / {energy} {statistics.median(seconds):.2f} s = {ratio:.0f}  {wanted}")
    peak = peak_memory(
        "from kinkproof.solver import landscape; from kinkproof.verify import ShallowNetwork, problems; "
        "landscape(problems['sine-2'], ShallowNetwork.random(20, seed=0), points=1000)"
    )
    print(f"peak memory, torch and SymPy included: {peak / 2**30:.2f} GiB  wanted < 1")


def after_a_second_of_solving() -> float:
    """The gap of the first network that `solve` hands back, or infinity if that takes longer."""
    start = time.perf_counter()
    gap = solve(problems["sine-2"], 20).energy_gap
    return gap if time.perf_counter() - start <= 1 else float("inf")


def after_a_second_of_training() -> float:
    """Median gap over seeds after one second of ADAM each, with the exact gradient and the paper's defaults."""
    problem, gaps = problems["sine-2"], []
    for seed in range(5):
        parameters = torch.tensor(ShallowNetwork.random(20, seed).ravel(), requires_grad=True)
        optimiser = torch.optim.Adam([parameters], lr=1e-3)
        start = time.perf_counter()
        while time.perf_counter() - start < 1:
            network = ShallowNetwork.from_vector(parameters.detach().numpy())
            parameters.grad = torch.from_numpy(exact_gradient(problem, network).total.ravel())
            optimiser.step()
        network = ShallowNetwork.from_vector(parameters.detach().numpy())
        gaps.append(float(exact_energy(problem, network)) - problem.minimum_energy())
    return statistics.median(gaps)


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
