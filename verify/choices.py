"""What can be chosen by name, and the sentence for a name that is not there, with the one that was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Literal, TypeVar, overload

from .errors import InputError

Rule = Literal["midpoint", "endpoint-mean", "trapezoid", "gauss-legendre"]
PlaneRule = Literal["midpoint", "random", "quasi-random"]
Delta = Literal["nearest", "mean"]

Problem = TypeVar("Problem")
Other = TypeVar("Other")

# More names than this are not listed in a sentence.
_MOST_LISTED = 12
# A beginning of so many letters is a name meant, if it is that of one name alone.
_LEAST_BEGINNING = 3
# More names than this that were perhaps meant are no hint.
_MOST_MEANT = 3
# Two names are alike from this share of common letters on: below, a hint misleads more often than it helps.
_ALIKE = 0.6


def nearest(name: Any, known: Iterable[str]) -> str | None:
    """The known name that was meant, if one alone is near enough.

    That is: the same but for capitals and hyphens; or the one of which it is the initials, or the beginning; or the one
    with most of its letters.

    Examples:
        >>> nearest("RELU", ["relu", "tanh"]), nearest("lr", ["lift", "learning-rate"]), nearest("nope", ["sine-6"])
        ('relu', 'learning-rate', None)
    """
    near = _near(name, list(known))
    return near[0] if len(near) == 1 else None


def unknown(what: str, name: Any, known: Iterable[str], is_not: str = "is unknown") -> InputError:
    """The error for a name that is not there.

    Args:
        what: the argument or thing that is named.
        name: as it was given.
        known: what is there; listed where none of it is near, or too much.
        is_not: the end of "`name` …".
    """
    names = list(known)
    near = _near(name, names)
    listed = ", ".join(names[:_MOST_LISTED]) + (", …" if len(names) > _MOST_LISTED else "")
    right = f"one of {listed} would be right" if names else "there are none"
    if 0 < len(near) <= _MOST_MEANT:
        *others, last = map(repr, near)
        right = f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
    return InputError(f"{what}: {name!r} {is_not}; {right}")


def _near(name: Any, known: list[str]) -> list[str]:
    """Those that are equally near, and near enough."""
    if not isinstance(name, str):
        return []
    plain = _plain(name)
    same = [k for k in known if _plain(k) == plain]
    initials = [k for k in known if len(_words(k)) > 1 and "".join(word[:1] for word in _words(k)) == name.lower()]
    begun = [k for k in known if len(name) >= _LEAST_BEGINNING and _plain(k).startswith(plain)]
    for found in (same, initials, begun):
        if len(found) == 1:
            return found
    alike = {k: SequenceMatcher(None, plain, _plain(k)).ratio() for k in known}
    best = max(alike.values(), default=0.0)
    return [k for k, share in alike.items() if share == best >= _ALIKE]


def require_known(what: str, name: Any, known: Iterable[str]) -> None:
    """Refuse a name that is not there.

    Raises:
        InputError: with the one that was meant, or with all.
    """
    names = list(known)
    if name not in names:
        raise unknown(what, name, names)


def _words(name: str) -> list[str]:
    return name.lower().replace("_", "-").split("-")


def _plain(name: str) -> str:
    return "".join(_words(name))


class NamedProblems(Mapping[str, Problem]):
    """Name → problem, each made and checked when it is first asked for.

    A name that is not there is refused with the one that was meant; `get` gives a default instead, as any mapping does.

    Args:
        kind: what they are, for messages: "named problem".
        make: from the keywords of a statement and its name.
        statements: name → the keywords that state it.
    """

    def __init__(self, kind: str, make: Callable[..., Problem], statements: Mapping[str, Mapping[str, Any]]) -> None:
        self._kind, self._make, self._statements = kind, make, statements
        self._made: dict[str, Problem] = {}

    def __getitem__(self, name: str) -> Problem:
        if name not in self:
            raise unknown("problem", name, self._statements, f"is not a {self._kind}")
        if name not in self._made:
            self._made[name] = self._make(**self._statements[name], name=name)
        return self._made[name]

    @overload
    def get(self, name: str, /) -> Problem | None: ...

    @overload
    def get(self, name: str, default: Problem | Other, /) -> Problem | Other: ...

    def get(self, name: str, default: Any = None, /) -> Any:
        """The problem of that name, or the default."""
        # `Mapping.get` waits for KeyError, and what is raised here is an InputError.
        try:
            return self[name]
        except InputError:
            if name in self:
                raise
            return default

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._statements

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)

    def __repr__(self) -> str:
        return f"<{len(self)} {self._kind}s: {', '.join(self)}>"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)
