"""Values by key: ``conn["orders"]``, ``"orders" in conn``, and the keys that Tab completes."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Protocol, TypeVar

__all__ = ["Keyed", "Lookup", "attach"]

T = TypeVar("T")


class Lookup(Protocol):
    """How an object finds a key."""

    def value(self, owner: Any, key: str | bytes) -> Any:
        """Return the value of a key, or raise KeyError."""

    def exists(self, owner: Any, key: str | bytes) -> bool:
        """Return whether there is such a key."""

    def names(self, owner: Any) -> list[str]:
        """Return names of keys to complete; none where the server does not answer at once."""


class Keyed(Generic[T]):
    """Something with values under keys."""

    #: `keyspace` attaches it, also to classes below it: there values become frames.
    _lookup: ClassVar[Lookup]

    def __getitem__(self, key: str | bytes) -> T:
        """Return the value under a key: of a connection, what `preview` returns.

        Raises
        ------
        KeyError
            If there is no such key; it names one that was probably meant.
        """
        return self._lookup.value(self, key)  # type: ignore[no-any-return]

    def __contains__(self, key: str | bytes) -> bool:
        """Return whether there is a value under the key (EXISTS)."""
        return self._lookup.exists(self, key)

    #: With `__getitem__` alone, a loop would ask for the keys 0, 1, 2, ...
    __iter__ = None

    def _ipython_key_completions_(self) -> list[str]:
        return self._lookup.names(self)


def attach(kind: type[Keyed[Any]], lookup: Lookup) -> None:
    """Have the objects of a class look keys up in this way."""
    kind._lookup = lookup
