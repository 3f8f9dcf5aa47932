"""Lists the objects of one type in a service, page by page.

The order is that of SIDs. It never changes, so an object that exists during the whole listing is
listed exactly once, whatever is created or removed meanwhile. SIDs begin with their bucket, so this
is the order of the buckets' indexes, one after the other. Only filled buckets are read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import ObjectType
from syncline_protocol.sids import bucket_of_sid, is_sid_of
from syncline_server.observability.metrics import Limit

from . import keys
from .filled_buckets import FilledBuckets
from .keys import ObjectAddress
from .name_search import NameSearch
from .objects import Objects
from .paging import Cursor, Page, invalid_token
from .redis.client import Redis

__all__ = ["Listing"]

NARROWEST = 4
"""Buckets that the first round trip reads. Each round trip that finds too few objects multiplies
the number by this."""

LISTS_AT_ONCE = 8
"""Lists that a process reads at once. The commands of that many delay a write by a few milliseconds
at most, and stay far below the limit of pending commands (`PENDING_LIMIT`)."""


class Listing:
    """The objects of every service, in their order."""

    def __init__(
        self,
        redis: Redis,
        objects: Objects,
        limit: int,
        limit_hits: Counter[Limit] | None = None,
    ) -> None:
        """
        Args:
            limit: lists that may be read or wait to be read at once.
            limit_hits: counts the lists that are refused.
        """
        self._redis = redis
        self._objects = objects
        self._filled = FilledBuckets(redis)
        self._search = NameSearch(redis, objects)
        self._limit = limit
        self._limit_hits = Counter() if limit_hits is None else limit_hits
        self._asked = 0
        self._reading = asyncio.Semaphore(LISTS_AT_ONCE)

    async def page(
        self,
        service_sid: str,
        type_: ObjectType,
        size: int,
        token: str | None,
        *,
        prefix: str = "",
    ) -> Page[Any]:
        """At most `size` objects of a type: the page that `token` names, or the first page if None.

        `prefix`: only objects whose unique names begin with it, as `NameSearch` finds them.

        Raises:
            Refusal: `INVALID_PAGE_TOKEN`, `UNAVAILABLE`, or `TOO_MANY_REQUESTS` beyond `limit`.
        """
        cursor = Cursor.parse(token)
        if cursor.key and not prefix and not is_sid_of(type_, cursor.key):
            raise invalid_token(token)
        if self._asked >= self._limit:
            self._limit_hits[Limit.MAX_LISTS] += 1
            raise Refusal(
                Code.TOO_MANY_REQUESTS,
                f"{self._limit} listings run or wait already, the maximum.",
            )
        self._asked += 1
        try:
            async with self._reading:
                if prefix:
                    filled = await self._filled.of(service_sid)
                    at = service_sid, type_
                    return await self._search.page(at, prefix, size, token, filled)
                # One more than the page holds shows whether there is another page.
                found = await self._collect(service_sid, type_, cursor, size + 1)
        finally:
            self._asked -= 1
        return cursor.cut(found, size, lambda each: each.sid)

    async def _collect(
        self, service_sid: str, type_: ObjectType, cursor: Cursor, count: int
    ) -> list[Any]:
        walk = _Walk(type_, cursor, await self._filled.of(service_sid))
        found: list[Any] = []
        empty: list[int] = []
        while (missing := count - len(found)) and (buckets := walk.buckets(missing)):
            indexes = await asyncio.gather(
                *(self._sids(service_sid, walk, bucket, missing) for bucket in buckets)
            )
            empty += [
                bucket
                for bucket, sids in zip(buckets, indexes, strict=True)
                if not sids and bucket != walk.start_bucket
            ]
            sids = [sid for index in indexes for sid in index][:missing]
            addresses = (ObjectAddress(service_sid, type_, sid) for sid in sids)
            states = await asyncio.gather(*(self._objects.get(each) for each in addresses))
            found += [state for state in states if state is not None]
            walk.advance(sids[-1] if len(sids) == missing else None)
        await self._filled.prune(service_sid, empty)
        return found

    async def _sids(self, service_sid: str, walk: _Walk, bucket: int, count: int) -> list[str]:
        index = keys.listing(keys.bucket_tag(service_sid, bucket), walk.type)
        bound = f"({walk.start}" if bucket == walk.start_bucket else walk.unbounded
        if walk.backwards:
            command = ("ZREVRANGEBYLEX", index, bound, "-", "LIMIT", 0, count)
        else:
            command = ("ZRANGEBYLEX", index, bound, "+", "LIMIT", 0, count)
        return [sid.decode() for sid in await self._redis.execute(*command)]


class _Walk:
    """The way of one list through the filled buckets: it reads more at once if they are empty."""

    def __init__(self, type_: ObjectType, cursor: Cursor, filled: list[int]) -> None:
        """
        Args:
            filled: the buckets that may hold objects, in ascending order.
        """
        self.type = type_
        self.backwards = cursor.backwards
        self.unbounded = "+" if self.backwards else "-"
        self.start = cursor.key
        self._width = NARROWEST
        self._looked_at: list[int] = []
        self._left = list(reversed(filled)) if self.backwards else filled
        self._skip_to_start()

    @property
    def start_bucket(self) -> int | None:
        """The bucket of the SID `start`, whose index is read from there; None from the start."""
        return bucket_of_sid(self.start) if self.start else None

    def buckets(self, missing: int) -> list[int]:
        """The buckets to read next; an empty list at the end.

        At most one for each missing object; more only after buckets with too few objects.
        """
        self._looked_at = self._left[: min(self._width, max(missing, self._width // NARROWEST))]
        return self._looked_at

    def advance(self, last: str | None) -> None:
        """Go on after the SID `last`; if None, after all buckets that `buckets` returned."""
        if last is None:
            del self._left[: len(self._looked_at)]
            self._width *= NARROWEST
        else:
            self.start = last
            self._skip_to_start()

    def _skip_to_start(self) -> None:
        start = self.start_bucket
        if start is None:
            return
        if self.backwards:
            self._left = [bucket for bucket in self._left if bucket <= start]
        else:
            self._left = [bucket for bucket in self._left if bucket >= start]
