"""What all subcommands share: options that state a problem or choose by name, and bad input ending in one sentence."""

from __future__ import annotations

import inspect
import re
import runpy
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from typer.core import TyperCommand

from ...verify.choices import nearest, unknown
from .terminal import hushed

if TYPE_CHECKING:
    from ...verify.statement.problem import RitzProblem

DEFAULT_PROBLEM = "sine-2"
# What typer raises where a command line cannot be read; the class has no public name of its own.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


def _problem_names() -> list[str]:
    from ...verify.statement.named import problems

    return list(problems)


def closed(choices: Any, about: str, *names: str, **others: Any) -> Any:
    """An option with a closed choice: listed in `--help`, completed by the shell, and checked before any work.

    Args:
        choices: a `Literal`.
        about: what is chosen, for the help.
        names: of the option, where they are not those of its argument.
        others: of `typer.Option`.
    """
    known = get_args(choices)

    def check(context: typer.Context, parameter: typer.CallbackParam, value: str | None) -> str | None:
        # A shell that completes asks for nothing to be checked.
        if value is not None and value not in known and not context.resilient_parsing:
            with one_sentence(context):
                raise unknown(str(parameter.name), value, known)
        return value

    text = f"{about} {', '.join(known[:-1])} or {known[-1]}."
    return typer.Option(*names, help=text, callback=check, autocompletion=lambda: list(known), **others)


class Command(TyperCommand):
    """A subcommand that, of an option that is not there, says which was meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any command, but for that."""
        try:
            return super().parse_args(ctx, args)
        except _USAGE_ERROR as error:
            refusal: Any = error
            if hasattr(error, "possibilities"):
                options = {o.lstrip("-"): o for p in self.params for o in p.opts}
                near = nearest(str(getattr(error, "option_name", "")).lstrip("-"), options)
                refusal.possibilities = [options[near]] if near else []
            raise


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress line and no tables; errors, JSON and files stay.")
]
Name = Annotated[
    str | None,
    typer.Option(
        "--problem",
        "-p",
        autocompletion=_problem_names,
        help=f"A named problem (see `kinkproof problems`; by default {DEFAULT_PROBLEM}), or FILE.py:NAME for a "
        "RitzProblem of your own.",
    ),
]
Text = Annotated[str | None, typer.Option(help="Instead of a named problem: an expression in x.")]
Data = Annotated[
    str | None, typer.Option(help="Instead of a named problem: an expression in x, or a CSV file of x and values.")
]
Number = Annotated[str | None, typer.Option(help="Instead of a named problem: an exact number.")]
Pairs = Annotated[list[str] | None, typer.Option(help="END=VALUE, for instance 1=0; may be repeated.")]
RobinPairs = Annotated[
    list[str] | None,
    typer.Option(help="END=ALPHA,VALUE: the outward flux is ALPHA·(VALUE − u) there; may be repeated."),
]
LoadPairs = Annotated[
    list[str] | None,
    typer.Option(help="PLACE=LOAD: a point load inside the domain, for instance 1/2=3; may be repeated."),
]
Interval = Annotated[tuple[str, str] | None, typer.Option(help="The two ends of the domain, by default 0 1.")]


@contextmanager
def one_sentence(context: typer.Context | None = None, besides: Collection[str] = ()) -> Iterator[None]:
    """Bad input ends with its one sentence and exit code 2.

    Args:
        context: of the subcommand; arguments that the sentence names are then called by the options that give them.
        besides: arguments that are not given by options this time.
    """
    from ...verify.errors import InputError, NondifferentiableError

    try:
        yield
    except (InputError, NondifferentiableError) as error:
        said = str(error) if context is None else _with_options(str(error), context, besides)
        typer.echo(f"kinkproof: {said}", err=True)
        raise typer.Exit(2) from None
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        extra = {"torch": "solver", "scipy": "solver", "matplotlib": "reports", "pypdf": "reports"}.get(missing)
        if extra is None:
            raise
        if context is not None and _draws(context):
            # One command for all that is missing: this extra has the solver's in it.
            extra = "reports"
        typer.echo(f"kinkproof: {missing} is not installed; pip install 'kinkproof[{extra}]' would be right", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("kinkproof: interrupted", err=True)
        raise typer.Exit(130) from None


def _draws(context: typer.Context) -> bool:
    """Does the command write pages or pictures?"""
    parent = context.parent.info_name if context.parent is not None else None
    # `fit --save` keeps numbers alone.
    drawing = {"picture", "pdf", "chart"} | ({"save"} if context.info_name in ("audit", "verify") else set())
    return parent == "report" or bool(drawing & set(given(context)))


@contextmanager
def going_on(how: str, kept: Path | None) -> Iterator[None]:
    """An interruption with the sentence how to go on, where something is kept that this is possible from.

    Args:
        how: the sentence.
        kept: what it goes on from; nothing is said where it is not there.
    """
    try:
        yield
    except KeyboardInterrupt:
        if kept is None or not kept.exists():
            raise
        typer.echo(f"kinkproof: interrupted; {how}", err=True)
        raise typer.Exit(130) from None


def _with_options(sentence: str, context: typer.Context, besides: Collection[str]) -> str:
    """The library's `learning_rate: 0.0 …` as `--learning-rate: 0.0 …`, `optimizer='adam'` as `--optimizer adam`."""
    options = {p.opts[0]: str(p.name) for p in context.command.params if p.opts[0].startswith("--")}
    names = {name: option for option, name in options.items()}
    # The library's own names where the command's differ: an option for epochs is called --steps.
    names |= {option[2:].replace("-", "_"): option for option in options}
    names |= {"fluxes": names["flux"]} if "flux" in names else {}
    names |= {"loads": names["load"]} if "load" in names else {}
    names = {name: option for name, option in names.items() if name not in besides}
    subject, colon, rest = sentence.partition(":")
    sentence = f"{names.get(subject, subject)}{colon}{rest}"
    if ".py:" in sentence:
        # About a line of Python, where arguments are arguments.
        return sentence
    known = "|".join(map(re.escape, names))
    quoted = re.sub(rf"\b({known})='([^']*)'", lambda m: f"{names[m[1]]} {m[2]}", sentence)
    assigned = re.sub(rf"\b({known})=(?![\w=])", lambda m: names[m[1]], quoted)
    # A name of several words is no word of English.
    return re.sub(r"\b[a-z]+_[a-z_]+\b", lambda m: names.get(m[0], m[0]), assigned)


def given(context: typer.Context) -> list[str]:
    """The parameters that stand on the command line, whatever their values."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def refuse_idle(context: typer.Context, names: Iterable[str], why: str) -> None:
    """Refuse options that do nothing in this mode.

    Args:
        context: of the subcommand.
        names: the parameters that would do nothing.
        why: and what would be right.

    Raises:
        InputError: one of them was given.
    """
    from ...verify.errors import InputError

    for name in given(context):
        if name in names:
            raise InputError(f"{name}: it does nothing {why}")


def refuse_quick(context: typer.Context) -> None:
    """Refuse `--quick` where both that it would choose, steps and seeds, are chosen.

    Raises:
        InputError: they are.
    """
    chosen = {"steps", "epochs"} & set(given(context))
    if chosen and "seeds" in given(context):
        refuse_idle(context, ["quick"], "beside --steps and --seeds, which it would choose; one of them is right")


def with_problem(
    command: Callable[..., None], instead: str = "", at_work: bool = True, plane: bool = False
) -> Callable[..., None]:
    """Give a subcommand, whose first argument is `problem: RitzProblem`, the options that state one.

    The subcommand runs inside `one_sentence`.

    Args:
        command: the subcommand; it gets its `typer.Context` if it has an argument `context`.
        instead: an argument of it; where that is given no problem is stated, and the subcommand gets `None`.
        at_work: does it work for a while, and can do it in silence?
        plane: does it take a plane problem as well, by name or from a file?
    """
    own = list(inspect.signature(command, eval_str=True, locals={"RitzProblem": object}).parameters.values())
    shared = list(inspect.signature(_stated, eval_str=True, locals={"RitzProblem": object}).parameters.values())
    stating = [p.name for p in shared]

    @wraps(command)
    def run(context: typer.Context, **options: Any) -> None:
        replaced = options.get(instead) is not None
        quiet = hushed(options.pop("quiet", False), printing=options.get("as_json", False))
        with one_sentence(context, stating if replaced else ()), quiet:
            stated = {n: options.pop(n) for n in stating}
            passed = {"context": context} if any(p.name == "context" for p in own) else {}
            name = stated["problem"]
            if plane and name is not None and not any(v for n, v in stated.items() if n != "problem"):
                command(_named(name, plane=True), **passed, **options)
            else:
                command(None if replaced else _stated(**stated), **passed, **options)

    # The problem's own class is imported only when a command runs.
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    others = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*shared, *own[1:]) if p.name != "context"]
    quiet = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, annotation=Quiet, default=False)
    merged = [context, *others, *([quiet] if at_work else [])]
    run.__signature__ = inspect.Signature(merged)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in merged}
    return run


def _stated(
    problem: Name = None,
    source: Data = None,
    coefficient: Data = None,
    reaction: Text = None,
    distance: Text = None,
    lift: Text = None,
    solution: Text = None,
    flux: Pairs = None,
    essential: Pairs = None,
    robin: RobinPairs = None,
    load: LoadPairs = None,
    periodic: Annotated[bool, typer.Option("--periodic", help="Both ends are one place.")] = False,
    penalty: Number = None,
    domain: Interval = None,
) -> RitzProblem:
    from ...verify.errors import InputError
    from ...verify.statement.problem import RitzProblem
    from ...verify.tables import tabulated

    given = {
        "source": source, "coefficient": coefficient, "distance": distance, "lift": lift, "solution": solution,
        "penalty": penalty, "domain": domain, "reaction": reaction,
    }  # fmt: skip
    statement: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    for key in ("source", "coefficient"):
        if str(statement.get(key)).endswith(".csv"):
            statement[key] = tabulated(statement[key])
    for key, pairs in (("fluxes", flux), ("essential", essential)):
        for pair in pairs or []:
            end, equals, value = pair.partition("=")
            if not equals:
                raise InputError(f"{key}: {pair!r} is not END=VALUE; something like 1=0 would be right")
            statement.setdefault(key, {})[end] = value
    for pair in load or []:
        place, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"loads: {pair!r} is not PLACE=LOAD; something like 1/2=3 would be right")
        statement.setdefault("loads", {})[place] = value
    for pair in robin or []:
        end, equals, value = pair.partition("=")
        alpha, comma, outside = value.partition(",")
        if not (equals and comma):
            raise InputError(f"robin: {pair!r} is not END=ALPHA,VALUE; something like 1=2,0 would be right")
        statement.setdefault("robin", {})[end] = (alpha, outside)
    if periodic:
        statement["periodic"] = True
    if penalty is not None and not essential and not periodic:
        raise InputError("penalty: it holds essential values, and there are none; --essential END=VALUE is right")
    if not statement:
        found: RitzProblem = _named(DEFAULT_PROBLEM if problem is None else problem)
        return found
    if problem is not None:
        raise InputError(f"problem: {problem!r} and --{min(statement)} both state one; one of the two would be right")
    return RitzProblem(**statement, name="your problem")


def _named(name: str, plane: bool = False) -> Any:
    """A named problem, or one of the user's own file; of two inputs only where `plane` says so."""
    from ...verify.statement.named import problems
    from ...verify.statement.named_plane import plane_problems

    if ".py:" in name:
        return _from_file(name, plane)
    return plane_problems[name] if plane and name in plane_problems else problems[name]


def _from_file(reference: str, plane: bool) -> Any:
    """The object NAME of the user's own file, from FILE.py:NAME; the file is run, as `python FILE.py` would."""
    from ...verify.errors import InputError
    from ...verify.statement.plane import PlaneProblem
    from ...verify.statement.problem import RitzProblem

    path, _, name = reference.rpartition(":")
    found = run_file(path, "problem").get(name)
    if not isinstance(found, RitzProblem) and not (plane and isinstance(found, PlaneProblem)):
        raise InputError(f"problem: {name} in {path} is a {type(found).__name__}; a RitzProblem would be right")
    return found


def run_file(path: str, what: str) -> dict[str, Any]:
    """The names that a file of the user's own defines, having run it as pytest would run a test file.

    It can import what lies beside it; what it does under `if __name__ == "__main__"` is left out.

    Args:
        path: the file.
        what: what it is to define, for messages.

    Raises:
        InputError: there is no such file, or it raises; the message names its line.
    """
    from ...verify.errors import InputError

    if not Path(path).is_file():
        raise InputError(f"{what}: there is no file {path}; FILE.py:NAME with an existing file would be right")
    beside = str(Path(path).resolve().parent)
    sys.path.insert(0, beside)
    try:
        return runpy.run_path(path)
    except (Exception, SystemExit) as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        line = error.lineno if isinstance(error, SyntaxError) and not lines else (lines or [None])[-1]
        said = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        raise InputError(
            f"{what}: {path} raises {type(error).__name__}{': ' if said else ''}{said} ({path}:{line}); a file that "
            f"`python {path}` runs would be right"
        ) from None
    finally:
        with suppress(ValueError):
            sys.path.remove(beside)
