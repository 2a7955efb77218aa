"""From a problem to files: a pack, or a self-contained source file with the problem's closed forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...bending.statement import BeamProblem, PowerNetwork
from ...errors import InputError, NondifferentiableError
from ...files import require_writable, write_whole
from ...statement.deep_network import DeepNetwork, deepened_plane
from ...statement.network import ShallowNetwork
from ...statement.plane import PlaneProblem, require_network
from ...statement.plane_network import PlaneNetwork
from ...statement.problem import RitzProblem
from ..making.beam_records import beam_case_record
from ..making.deep_plane_records import deep_plane_case_record
from ..making.deep_records import deep_case_record
from ..making.plane_records import plane_case_record, random_plane_network
from ..making.records import Record, case_record, pack_text
from ..making.shipped import near, random_network
from .standalone import standalone_text

LANGUAGES = {"python": ".py", "c": ".c"}
Network = ShallowNetwork | DeepNetwork | PlaneNetwork | PowerNetwork
Problem = RitzProblem | PlaneProblem | BeamProblem


def generate(
    problem: Problem,
    path: str | Path,
    networks: Mapping[str, Network] | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> tuple[Path, ...]:
    """Write oracles of a problem; the ending of the path says which.

    Args:
        problem: any for `.json`; for `.py` and `.c` one whose functions NumPy or C have.
        path: ``.json``: a pack for `load`. ``.py``: one NumPy file with closed forms for any parameters, stored cases
            and the comparison. ``.c``: the same in C99, with a header and a test program beside it. Of a plane problem
            sums over cells for any parameters: in NumPy with the comparison, in C with a header.
        networks: case id → network to be stored, of several layers only in a pack; by default random ones of 3 and 8
            neurons and, where a solution is known, one near it.
        progress: called with the name of each step before it starts.

    Returns:
        The files written, each whole.

    Raises:
        InputError: another ending, an unwritable path, a network without a gradient or of several layers in a source
            file, or independent derivations that disagree.
    """
    texts = generated_texts(problem, Path(path), networks, progress)
    for target, text in texts.items():
        write_whole(target, text.encode())
    return tuple(texts)


def stale(
    problem: Problem,
    path: str | Path,
    networks: Mapping[str, Network] | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> list[Path]:
    """The files that `generate` would write otherwise than they are, or that are missing."""
    texts = generated_texts(problem, Path(path), networks, progress)
    return [p for p, text in texts.items() if not p.is_file() or p.read_bytes() != text.encode()]


def generated_texts(
    problem: Problem, path: Path, networks: Mapping[str, Network] | None, progress: Callable[[str], None]
) -> dict[Path, str]:
    """File → text of everything that `generate` writes."""
    require_writable(path)
    if path.suffix not in (".json", *LANGUAGES.values()):
        raise InputError(
            f"{path}: a file of oracles ends in .json, .py or .c; {path.with_suffix('.py')} would be right"
        )
    if isinstance(problem, BeamProblem):
        return _beam_texts(problem, path, networks, progress)
    if isinstance(problem, PlaneProblem):
        return _plane_texts(problem, path, networks, progress)
    chosen = default_networks(problem) if networks is None else networks
    deep = [name for name, network in chosen.items() if isinstance(network, DeepNetwork)]
    if deep and path.suffix != ".json":
        raise InputError(
            f"oracle: the case {deep[0]} has a network of several layers, whose closed forms a source file does not "
            f"hold; a pack, {path.with_suffix('.json')}, would be right"
        )
    records = _records(problem, chosen, progress)
    if path.suffix == ".json":
        return {path: pack_text(path.stem, f"oracles of {problem.name}", records)}
    for record in records:
        if "gradient" not in record:
            raise InputError(f"oracle: the case {record['id']} has no gradient; in a pack (.json) it would be right")
    if path.suffix == ".py":
        return {path: standalone_text(problem, records, path.name)}
    from .c_source import c_texts

    return {path.with_name(name): text for name, text in c_texts(problem, records, path.name).items()}


def _beam_texts(
    problem: BeamProblem, path: Path, networks: Mapping[str, Network] | None, progress: Callable[[str], None]
) -> dict[Path, str]:
    if path.suffix != ".json":
        raise InputError(
            f"oracle: there is no source file of a beam; a pack, {path.with_suffix('.json')}, would be right"
        )
    drawn = {n: random_network(n, 40, problem.domain) for n in (2, 4)}
    chosen = networks or {f"width-{n}": PowerNetwork(2, network) for n, network in drawn.items()}
    records = []
    for name, network in chosen.items():
        progress(f"{name}: 50 digits, cross-checks")
        if not isinstance(network, PowerNetwork):
            raise InputError(
                f"oracle: the case {name} is a {type(network).__name__}, {problem.name} a beam; a PowerNetwork fits"
            )
        records.append(
            beam_case_record(name, f"{network.neurons.width} neurons, ReLU^{network.power}", problem, network)
        )
    return {path: pack_text(path.stem, f"oracles of {problem.name}", records)}


def _plane_texts(
    problem: PlaneProblem, path: Path, networks: Mapping[str, Network] | None, progress: Callable[[str], None]
) -> dict[Path, str]:
    from .plane_source import plane_c_texts, plane_numpy_text

    if path.suffix == ".json":
        chosen = networks or {f"width-{n}": random_plane_network(n, 40, problem) for n in (2, 5)}
        records = []
        for name, network in chosen.items():
            progress(f"{name}: 50 digits, cross-checks")
            if isinstance(network, DeepNetwork):
                about = f"layers of {', '.join(map(str, network.widths))} neurons"
                records.append(deep_plane_case_record(name, about, problem, deepened_plane(network, problem)))
                continue
            require_network(network, problem)
            assert isinstance(network, PlaneNetwork)
            records.append(plane_case_record(name, f"{network.width} neurons", problem, network))
        return {path: pack_text(path.stem, f"oracles of {problem.name}", records)}
    if networks:
        raise InputError(
            f"oracle: a source file of a plane problem stores no cases; a pack, {path.with_suffix('.json')}, would"
        )
    progress("cells and Gauss points")
    if path.suffix == ".py":
        return {path: plane_numpy_text(problem, path.name)}
    return {path.with_name(name): text for name, text in plane_c_texts(problem, path.name).items()}


def default_networks(problem: RitzProblem) -> dict[str, Network]:
    """Case id → network of a file for which none were given."""
    networks: dict[str, Network] = {f"width-{n}": random_network(n, 40, problem.domain) for n in (3, 8)}
    if problem.solution is not None:
        networks["near-solution-8"] = near(problem, 8)
    return networks


def _records(problem: RitzProblem, networks: Mapping[str, Network], progress: Callable[[str], None]) -> list[Record]:
    out = []
    for name, network in networks.items():
        progress(f"{name}: 50 digits, cross-checks")
        try:
            if isinstance(network, PowerNetwork):
                raise InputError(
                    f"oracle: the case {name} is of a beam, and {problem.name} is none; a ShallowNetwork fits"
                )
            if isinstance(network, PlaneNetwork):
                raise InputError(f"oracle: the case {name} has two inputs, {problem.name} one; a ShallowNetwork fits")
            if isinstance(network, DeepNetwork):
                about = f"layers of {', '.join(map(str, network.widths))} neurons"
                out.append(deep_case_record(name, about, problem, network))
            else:
                out.append(case_record(name, f"{network.width} neurons", problem, network))
        except NondifferentiableError as error:
            raise InputError(f"oracle: the case {name}: {error}") from None
    return out
