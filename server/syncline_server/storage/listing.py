"""Documents of a service, page by page.

The order is that of SIDs: it never changes, so a document that exists throughout is listed exactly
once, whatever comes and goes meanwhile. SIDs begin with their bucket, so it is the order of the
buckets' indexes, one after the other.
"""

from __future__ import annotations

import asyncio

from syncline_protocol.documents import Document
from syncline_protocol.sids import BUCKETS, bucket_of_sid, is_document_sid

from . import keys
from .documents import Documents
from .paging import Cursor, Page, invalid_token
from .redis.client import Redis

__all__ = ["Listing"]

NARROWEST = 4
"""Buckets that are looked at in one round trip, at first; a sparse service widens it."""


class Listing:
    """The documents of every service, in their order."""

    def __init__(self, redis: Redis, documents: Documents) -> None:
        self._redis = redis
        self._documents = documents

    async def page(self, service_sid: str, size: int, token: str | None) -> Page[Document]:
        """At most `size` documents: the first ones, or those where `token` says.

        Raises:
            Refusal: `INVALID_PAGE_TOKEN`, or `UNAVAILABLE`.
        """
        cursor = Cursor.parse(token)
        if cursor.key and not is_document_sid(cursor.key):
            raise invalid_token(token)
        walk = _Walk(cursor.backwards, cursor.key)
        # One more than asked tells whether there is a further page.
        found = await self._collect(service_sid, walk, size + 1)
        return cursor.cut(found, size, lambda document: document.sid)

    async def _collect(self, service_sid: str, walk: _Walk, count: int) -> list[Document]:
        found: list[Document] = []
        while (missing := count - len(found)) and (buckets := walk.buckets()):
            indexes = await asyncio.gather(
                *(self._sids(service_sid, walk, bucket, missing) for bucket in buckets)
            )
            sids = [sid for index in indexes for sid in index][:missing]
            states = await asyncio.gather(*(self._documents.get(service_sid, sid) for sid in sids))
            found += [document for document in states if document is not None]
            walk.advance(sids[-1] if len(sids) == missing else None)
        return found

    async def _sids(self, service_sid: str, walk: _Walk, bucket: int, count: int) -> list[str]:
        index = keys.listing(keys.bucket_tag(service_sid, bucket))
        bound = f"({walk.start}" if bucket == walk.start_bucket else walk.unbounded
        if walk.backwards:
            command = ("ZREVRANGEBYLEX", index, bound, "-", "LIMIT", 0, count)
        else:
            command = ("ZRANGEBYLEX", index, bound, "+", "LIMIT", 0, count)
        return [sid.decode() for sid in await self._redis.execute(*command)]


class _Walk:
    """A way through the buckets, in wider and wider steps."""

    def __init__(self, backwards: bool, start: str) -> None:
        """`start`: the SID after which (or before which, backwards) the walk begins; "" for all."""
        self.backwards = backwards
        self.unbounded = "+" if backwards else "-"
        self.start = start
        self._width = NARROWEST
        self._step = -1 if backwards else 1
        self._bucket = bucket_of_sid(start) if start else 0

    @property
    def start_bucket(self) -> int | None:
        """The bucket in which `start` bounds the index."""
        return bucket_of_sid(self.start) if self.start else None

    def buckets(self) -> range:
        """Those to look at now; empty at the end."""
        end = self._bucket + self._step * self._width
        return range(self._bucket, max(-1, min(end, BUCKETS)), self._step)

    def advance(self, last: str | None) -> None:
        """Go on behind the SID `last`, or behind all of `buckets()` if None."""
        if last is None:
            self._bucket = self.buckets()[-1] + self._step
            self._width *= NARROWEST
        else:
            self.start, self._bucket = last, bucket_of_sid(last)
