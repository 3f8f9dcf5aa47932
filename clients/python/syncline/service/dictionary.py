"""Access by brackets and `in`: the blocking handles have it, the async ones say what to call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, NoReturn, TypeVar

from syncline.encoding import pointer_to
from syncline.errors import UsageError
from syncline.header import JsonObject
from syncline.type_variables import K, T

__all__ = [
    "AsyncContainer",
    "AsyncDataAccess",
    "AsyncItemAccess",
    "Container",
    "DataAccess",
    "ItemAccess",
]

KeyT = TypeVar("KeyT", contravariant=True)


class Container(ABC, Generic[KeyT]):
    """Has `in` and `del`."""

    @abstractmethod
    def has(self, key: KeyT) -> bool:
        """True if it exists."""

    @abstractmethod
    def remove(self, key: KeyT) -> None:
        """Remove it."""

    def __contains__(self, key: KeyT) -> bool:
        """`key in …`: one request."""
        return self.has(key)

    def __delitem__(self, key: KeyT) -> None:
        """`del …[key]`: one request."""
        self.remove(key)


class ItemAccess(Container[K], Generic[T, K]):
    """Has `in`, `del` and assignment."""

    @abstractmethod
    def set(self, key: K, data: T) -> Any:
        """Replace the data of an item."""

    def __setitem__(self, key: K, data: T) -> None:
        """`…[key] = data`: one request."""
        self.set(key, data)


class DataAccess(ABC):
    """Has the top-level keys of the data of a document."""

    @property
    @abstractmethod
    def _plain(self) -> JsonObject:
        """The data that was last read or written, without a model."""

    @abstractmethod
    def update(self, changes: Mapping[str, Any]) -> Any:
        """Set some top-level keys."""

    @abstractmethod
    def patch(self, *, operations: Sequence[JsonObject]) -> Any:
        """Apply a JSON patch."""

    def __getitem__(self, key: str) -> Any:
        """A value in `data`: no request."""
        return self._plain[key]

    def __contains__(self, key: object) -> bool:
        """True if `data` has that key: no request."""
        return key in self._plain

    def __iter__(self) -> Iterator[str]:
        """The keys of `data`: no request."""
        return iter(self._plain)

    def __setitem__(self, key: str, value: Any) -> None:
        """Set one key and leave the others: one request, as `update`."""
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        """Remove one key: one request. Raises `Conflict` if there is none."""
        self.patch(operations=[{"op": "remove", "path": pointer_to(key)}])


class AsyncDataAccess(ABC):
    """As `DataAccess`; refuses what cannot be awaited, and says what to call instead."""

    @property
    @abstractmethod
    def _plain(self) -> JsonObject:
        """The data that was last read or written, without a model."""

    def __getitem__(self, key: str) -> Any:
        """A value in `data`: no request."""
        return self._plain[key]

    def __contains__(self, key: object) -> bool:
        """True if `data` has that key: no request."""
        return key in self._plain

    def __iter__(self) -> Iterator[str]:
        """The keys of `data`: no request."""
        return iter(self._plain)

    def __setitem__(self, key: NoReturn, value: NoReturn) -> None:
        raise UsageError("an assignment cannot be awaited: use await ….update({key: value})")

    def __delitem__(self, key: NoReturn) -> None:
        raise UsageError("`del` cannot be awaited: use await ….patch(merge={key: None})")


class AsyncContainer(Generic[KeyT]):
    """Refuses what cannot be awaited, and says what to call instead."""

    def __contains__(self, key: object) -> NoReturn:
        raise UsageError("`in` cannot be awaited: use await ….has(key)")

    def __delitem__(self, key: NoReturn) -> None:
        raise UsageError("`del` cannot be awaited: use await ….remove(key)")

    def __iter__(self) -> NoReturn:
        raise UsageError("this is async: use `async for`")


class AsyncItemAccess(AsyncContainer[K], Generic[T, K]):
    """As `AsyncContainer`, for items."""

    def __setitem__(self, key: NoReturn, data: NoReturn) -> None:
        raise UsageError("an assignment cannot be awaited: use await ….set(key, data)")
