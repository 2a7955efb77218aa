"""A mapping of named problems, each made and checked when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, overload

from ..choices import unknown
from ..errors import InputError

Problem = TypeVar("Problem")
Other = TypeVar("Other")


class NamedProblems(Mapping[str, Problem]):
    """Name → problem.

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
