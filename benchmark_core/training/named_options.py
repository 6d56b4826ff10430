"""The options that a stage may read. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from benchmark_core.errors import ElrError
from benchmark_core.specs import Value


class NamedOptions(Mapping[str, Value]):
    """Options inside a stage: only those that its `needs` name can be read, because its key holds only those.

    Iteration, and with it `{**options}`, yields those alone; `in` says whether the component has an option at all.
    named: the stage's `needs`, and the options that do not change what is trained.
    """

    def __init__(self, options: Mapping[str, Value], stage: str, named: Collection[str]) -> None:
        self._options, self._stage, self._named = options, stage, frozenset(named)

    def __getitem__(self, key: str) -> Value:
        """Return the option's value. Raises ElrError if the stage's `needs` do not name it."""
        if key in self._options and key not in self._named:
            raise ElrError(
                f"stage '{self._stage}' reads the option '{key}', which is not in the stage's `needs`; add it there. "
                f"Otherwise a run with another {key} would reuse these weights"
            )
        return self._options[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that can be read, in the component's order."""
        return (key for key in self._options if key in self._named)

    def __len__(self) -> int:
        """Return how many options can be read."""
        return sum(key in self._named for key in self._options)

    def __contains__(self, key: object) -> bool:
        """Return whether the component has the option, whether or not the stage may read it."""
        return key in self._options

    def peek(self, key: str, default: Value) -> Value:
        """Return the option's value although the stage may not read it, or `default`; to compare it with a default."""
        return self._options.get(key, default)
