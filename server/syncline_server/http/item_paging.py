"""Pages of items: the query, page tokens, the reading, and the `meta` of a reply."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import PART_KEYS_LIMIT, ItemQuery, Part
from syncline_protocol.item_parts import part_of_ids
from syncline_protocol.item_types import ItemType
from syncline_protocol.items import Item
from syncline_protocol.objects import Header
from syncline_protocol.sids import is_sid_of
from syncline_server.storage.paging import invalid_token

from . import urlencoded
from .paging import DEFAULT_SIZE, page_number, page_size
from .values import query_value

__all__ = ["QUERY_FIELDS", "QUERY_NAMES", "ItemCursor", "ItemPageReply", "ItemPageRequest"]

QUERY_NAMES = ("Order", "From", "Bounds")
"""Query parameters of a listing of items, besides those of every listing."""

QUERY_FIELDS = PART_KEYS_LIMIT + urlencoded.FIELD_LIMIT
"""Parameters in a query, at most: one for each item that is named, and as many as in any query."""

_ORDERS = {"asc": False, "desc": True}
_BOUNDS = {"inclusive": True, "exclusive": False}

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCursor:
    """Where a page begins, and how it is read. A page token is the text of one.

    The vendor's older SDKs ask for further pages with the token alone, so it carries the order and
    the size; and `first`, the key from which the first page was read, for `first_page_url`.

    Attributes:
        sid: SID of the collection; a token of another one is refused.
        key: the key to begin with; None for the edge.
        is_inclusive: True if the item with that key belongs to the page.
        is_descending: the order of the items on the page.
        is_backwards: True for the page that ends before `key`, False for the one that begins there.
        first, first_is_inclusive: `key` and `is_inclusive` of the first page.
    """

    sid: str = ""
    key: str | None = None
    is_inclusive: bool = True
    is_descending: bool = False
    is_backwards: bool = False
    size: int = DEFAULT_SIZE
    first: str | None = None
    first_is_inclusive: bool = True

    @property
    def query(self) -> ItemQuery:
        """What is read. Read backwards, the items come in reverse order."""
        return ItemQuery(
            start=self.key,
            is_inclusive=self.is_inclusive,
            is_descending=self.is_descending != self.is_backwards,
            size=self.size,
        )

    def token(self) -> str:
        """The page token."""
        flags = (
            self.is_inclusive
            | self.is_descending << 1
            | self.is_backwards << 2
            | self.first_is_inclusive << 3
        )
        packed = orjson.dumps([self.sid, self.key, flags, self.size, self.first])
        return "PT" + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str, items: ItemType) -> ItemCursor:
        """The cursor in a token. Raises `INVALID_PAGE_TOKEN`."""
        try:
            padding = "=" * (-len(token[2:]) % 4)
            unpacked = orjson.loads(base64.urlsafe_b64decode(token[2:] + padding))
            sid, key, flags, size, first = unpacked
            cursor = cls(
                sid=sid,
                key=key,
                is_inclusive=bool(flags & 1),
                is_descending=bool(flags & 2),
                is_backwards=bool(flags & 4),
                size=page_size(str(size)),
                first=first,
                first_is_inclusive=bool(flags & 8),
            )
            keys = [each for each in (key, first) if each is not None]
            is_valid = is_sid_of(items.type, sid) and all(
                items.parse_id(items.show_id(each)) == each for each in keys
            )
        except (ValueError, TypeError, AttributeError, Refusal):
            raise invalid_token(token) from None
        # The decoder skips characters outside its alphabet: only accept what `token` makes.
        if not is_valid or cursor.token() != token:
            raise invalid_token(token)
        return cursor


class _Page(Protocol):
    """A page as it is read.

    Attributes:
        next_key: the key after which more items follow; None if none do.
    """

    @property
    def header(self) -> Header: ...
    @property
    def items(self) -> Sequence[Item]: ...
    @property
    def next_key(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPageReply:
    """A page that was read.

    Attributes:
        header: the collection.
        items: in the order that was asked for.
        previous, following: the adjacent pages; None at the ends.
    """

    header: Header
    items: Sequence[Item]
    previous: ItemCursor | None
    following: ItemCursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPageRequest:
    """A request for one page of items.

    Attributes:
        number: the client's count of pages, from 0; nothing depends on it.
        token: the token that was given; None for a page from `From` or from the edge.
    """

    cursor: ItemCursor
    number: int
    token: str | None

    @classmethod
    def of(cls, given: Pairs, items: ItemType) -> ItemPageRequest:
        """The page that a query asks for; other parameters are ignored here.

        A `PageToken` counts more than `From`; `Order` and `PageSize` beside it count for this page
        and all that follow.

        Raises:
            Refusal: `INVALID_ORDER`, `INVALID_BOUNDS`, `INVALID_PAGE_SIZE`, `INVALID_PAGE_TOKEN`,
                `INVALID_PARAMETER` for `Page`, and for `From` the code of an id that is wrong.
        """
        token = query_value(given, "PageToken", Code.INVALID_PAGE_TOKEN)
        start, is_inclusive = _start(given, items), _choice(given, "Bounds", _BOUNDS)
        if token is None:
            cursor = ItemCursor(key=start, first=start)
            if is_inclusive is not None:
                cursor = replace(cursor, is_inclusive=is_inclusive, first_is_inclusive=is_inclusive)
        else:
            cursor = ItemCursor.parse(token, items)
        is_descending = _choice(given, "Order", _ORDERS)
        if is_descending is not None:
            cursor = replace(cursor, is_descending=is_descending)
        size = query_value(given, "PageSize", Code.INVALID_PAGE_SIZE)
        if size is not None:
            cursor = replace(cursor, size=page_size(size))
        number = query_value(given, "Page", Code.INVALID_PARAMETER)
        return cls(cursor=cursor, number=0 if number is None else page_number(number), token=token)

    def _check_collection(self, sid: str) -> None:
        if self.token is not None and self.cursor.sid != sid:
            raise invalid_token(self.token)

    def part(self, given: Pairs, items: ItemType) -> Part | None:
        """The items that `Key` or `Index` names, each time it is given; None if it is not.

        Raises:
            Refusal: `INVALID_PARAMETER` beside what begins a page elsewhere, or for too many; as
                `ItemType.parse_id`.
        """
        name = items.id_name.capitalize()
        ids = [value for key, value in given if key == name]
        if not ids:
            return None
        if self.token is not None or self.cursor.key is not None:
            raise Refusal(
                Code.INVALID_PARAMETER,
                f"{name} names the items, so From and PageToken are not allowed beside it.",
            )
        return part_of_ids(ids, items, name)

    async def read_part(
        self, read: Callable[[ItemQuery], Awaitable[_Page]], part: Part
    ) -> ItemPageReply:
        """Read the items of a part, all on one page: they are few."""
        query = replace(self.cursor.query, size=len(part.keys or ()))
        page = await read(query)
        found = list(page.items)
        while page.next_key is not None:  # the bytes of a read are limited
            page = await read(replace(query, start=page.next_key, is_inclusive=False))
            found += page.items
        return ItemPageReply(header=page.header, items=found, previous=None, following=None)

    async def read(self, read: Callable[[ItemQuery], Awaitable[_Page]]) -> ItemPageReply:
        """Read the page, as `steps`, by `read`, whose refusals it passes on."""
        steps = self.steps()
        try:
            query = next(steps)
            while True:
                query = steps.send(await read(query))
        except StopIteration as end:
            reply: ItemPageReply = end.value
            return reply

    def steps(self) -> Generator[ItemQuery, _Page, ItemPageReply]:
        """Yield queries, receive their pages: the page itself, and whether items are before it.

        Raises:
            Refusal: `INVALID_PAGE_TOKEN` for a token of another collection.
        """
        page = yield self.cursor.query
        # The path may have a unique name, so the SID is known only now.
        self._check_collection(page.header.sid)
        here = replace(self.cursor, sid=page.header.sid)
        onward = None
        if page.next_key is not None:
            onward = replace(here, key=page.next_key, is_inclusive=False)
        back = yield from _back(here, page)
        if here.is_backwards:
            return ItemPageReply(
                header=page.header, items=page.items[::-1], previous=onward, following=back
            )
        return ItemPageReply(header=page.header, items=page.items, previous=back, following=onward)

    def meta(self, url: str, items: ItemType, reply: ItemPageReply) -> dict[str, Any]:
        """The `meta` of the reply; `url`: URL of the items of the collection."""
        cursor = self.cursor
        first: dict[str, str | int] = {}
        if cursor.first is not None:
            bounds = "inclusive" if cursor.first_is_inclusive else "exclusive"
            first = {"From": items.show_id(cursor.first), "Bounds": bounds}
        return {
            "key": "items",
            "page": self.number,
            "page_size": cursor.size,
            "url": self._url(
                url, self.number, first if self.token is None else {"PageToken": self.token}
            ),
            "first_page_url": self._url(url, 0, first),
            "previous_page_url": None
            if reply.previous is None
            else self._url(url, max(self.number - 1, 0), {"PageToken": reply.previous.token()}),
            "next_page_url": None
            if reply.following is None
            else self._url(url, self.number + 1, {"PageToken": reply.following.token()}),
        }

    def _url(self, url: str, number: int, where: dict[str, str | int]) -> str:
        order = "desc" if self.cursor.is_descending else "asc"
        query = {**where, "Order": order, "PageSize": self.cursor.size, "Page": number}
        return f"{url}?{urlencode(query)}"


def _back(here: ItemCursor, page: _Page) -> Generator[ItemQuery, _Page, ItemCursor | None]:
    """The page on the other side of where `here` begins; None without an item there.

    It is looked for, not assumed: the vendor's browser SDK takes a token for "there is more".
    """
    if here.key is None:
        return None  # began at the edge
    # An empty page has no first item: the neighbours are those of the key that it began with.
    key, is_inclusive = here.key, not here.is_inclusive
    if page.items:
        key, is_inclusive = page.items[0].key, False
    back = replace(here, key=key, is_inclusive=is_inclusive, is_backwards=not here.is_backwards)
    found = yield replace(back.query, size=1)
    return back if found.items or found.next_key is not None else None


def _start(given: Pairs, items: ItemType) -> str | None:
    code = Code.INVALID_ITEM_KEY if items.has_chosen_keys else Code.INVALID_INDEX
    start = query_value(given, "From", code)
    if start is None:
        return None
    try:
        return items.parse_id(start)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"From is wrong. {refusal.message}") from None


_CODES = {"Order": Code.INVALID_ORDER, "Bounds": Code.INVALID_BOUNDS}


def _choice(given: Pairs, name: str, choices: dict[str, bool]) -> bool | None:
    value = query_value(given, name, _CODES[name])
    if value is None:
        return None
    if value not in choices:
        raise Refusal(
            _CODES[name],
            f"{name} must be {' or '.join(choices)}; {fields.show(value)} was given.",
        )
    return choices[value]
