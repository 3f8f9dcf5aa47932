"""Pages of an index. A cursor names a key, so it stays valid while items are added and removed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from .redis.client import Redis

__all__ = ["Cursor", "Page", "invalid_token", "read_page"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        previous, next: tokens of the pages before and after; None if there is no such page.
    """

    items: list[T]
    previous: str | None
    next: str | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins.

    Attributes:
        backwards: True for the page that ends before `key`, False for the one that begins after it.
        key: a key in the order of the list; "" for the first page.
    """

    backwards: bool
    key: str

    @classmethod
    def parse(cls, token: str | None) -> Cursor:
        """The cursor in a page token; None gives the first page. Raises `INVALID_PAGE_TOKEN`."""
        if token is None:
            return cls(False, "")
        try:
            padding = "=" * (-len(token[2:]) % 4)
            key = base64.urlsafe_b64decode(token[2:] + padding).decode()
        except ValueError:
            key = ""
        # The decoder skips characters outside its alphabet: only accept what `cut` makes.
        if not key or token not in (_token_before(key), _token_after(key)):
            raise invalid_token(token)
        return cls(token == _token_before(key), key)

    @staticmethod
    def after(key: str) -> str:
        """The token of the page that begins after `key`."""
        return _token_after(key)

    def cut(self, found: list[T], size: int, key_of: Callable[[T], str]) -> Page[T]:
        """The page of at most `size` items.

        Args:
            found: up to `size` + 1 items from the cursor on; with `backwards`, in reverse order.
        """
        more, items = len(found) > size, found[:size]
        if self.backwards:
            items.reverse()
        has_previous, has_next = (more, True) if self.backwards else (self.key != "", more)
        last = key_of(items[-1]) if items else self.key
        return Page(
            items,
            _token_before(key_of(items[0])) if has_previous and items else None,
            _token_after(last) if has_next else None,
        )


def invalid_token(token: str | None) -> Refusal:
    """The error for a page token that no page contained."""
    return Refusal(
        Code.INVALID_PAGE_TOKEN,
        f"PageToken must be one from the meta of a page; {show(token)} was given.",
    )


def _token_before(key: str) -> str:
    return f"PB{_encoded(key)}"


def _token_after(key: str) -> str:
    return f"PA{_encoded(key)}"


def _encoded(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


async def read_page(redis: Redis, index: str, size: int, token: str | None) -> Page[str]:
    """At most `size` members of a sorted set whose scores are all 0.

    Raises:
        Refusal: `INVALID_PAGE_TOKEN`, or `UNAVAILABLE`.
    """
    cursor = Cursor.parse(token)
    bound = f"({cursor.key}" if cursor.key else "-"
    if cursor.backwards:
        command = ("ZREVRANGEBYLEX", index, bound, "-", "LIMIT", 0, size + 1)
    else:
        command = ("ZRANGEBYLEX", index, bound, "+", "LIMIT", 0, size + 1)
    found = [member.decode() for member in await redis.execute(*command)]
    return cursor.cut(found, size, str)
