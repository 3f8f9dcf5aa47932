"""Access by brackets and `in`: the blocking handles have it, the async ones say what to call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, NoReturn, TypeVar

from syncline.errors import UsageError
from syncline.header import JsonObject
from syncline.item import K

__all__ = ["AsyncContainer", "AsyncItemAccess", "Container", "ItemAccess"]

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


class ItemAccess(Container[K], Generic[K]):
    """Has `in`, `del` and assignment."""

    @abstractmethod
    def set(self, key: K, data: JsonObject) -> Any:
        """Replace the data of an item."""

    def __setitem__(self, key: K, data: JsonObject) -> None:
        """`…[key] = data`: one request."""
        self.set(key, data)


class AsyncContainer(Generic[KeyT]):
    """Refuses what cannot be awaited, and says what to call instead."""

    def __contains__(self, key: object) -> NoReturn:
        raise UsageError("`in` cannot be awaited: use await ….has(key)")

    def __delitem__(self, key: NoReturn) -> None:
        raise UsageError("`del` cannot be awaited: use await ….remove(key)")

    def __iter__(self) -> NoReturn:
        raise UsageError("this is async: use `async for`")


class AsyncItemAccess(AsyncContainer[K], Generic[K]):
    """As `AsyncContainer`, for items."""

    def __setitem__(self, key: NoReturn, data: NoReturn) -> None:
        raise UsageError("an assignment cannot be awaited: use await ….set(key, data)")
