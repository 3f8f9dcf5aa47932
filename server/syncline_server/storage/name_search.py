"""Finds the objects of one type whose unique names begin with a prefix, page by page.

There is no index by name: names are in hashes, one in each bucket. A search scans them, at most
`WORK_LIMIT` names for one page, so a page may have fewer objects than were asked for, even none,
and still be followed by another. The order is that of buckets, and has no meaning. An object that
exists during the whole search is found; one may be found twice where a hash grows meanwhile.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from syncline_protocol.objects import ObjectType
from syncline_protocol.sids import BUCKETS

from . import keys
from .away_names import sid_of
from .keys import ObjectAddress
from .objects import Objects
from .paging import Cursor, Page, invalid_token
from .redis.client import Redis

__all__ = ["NameSearch"]

SCAN_COUNT = 500
"""Names that one command scans, about."""

SMALL_BUCKET = 100
"""Names that count for a command that has scanned a whole bucket."""

WORK_LIMIT = 32_000
"""Names that are scanned for one page, about."""

BUCKETS_AT_ONCE = 16
"""Buckets whose scans begin at once."""

_POSITION = re.compile(
    r"(?P<bucket>[0-9a-f]{2}):(?P<scan>[0-9]{1,20}):(?P<after>[A-Za-z0-9]{0,34})"
)
_GLOB = re.compile(r"([\\*?\[\]])")


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a page begins.

    Attributes:
        scan: cursor of Redis in the names of the bucket; 0 at their start.
        after: of what the scan returns there, only SIDs greater than this one are new.
    """

    bucket: int = 0
    scan: int = 0
    after: str = ""

    @classmethod
    def parse(cls, token: str | None) -> _Position:
        """The position in a page token. Raises `INVALID_PAGE_TOKEN`."""
        cursor = Cursor.parse(token)
        if not cursor.key:
            return cls()
        match = _POSITION.fullmatch(cursor.key)
        if match is None or cursor.backwards or int(match["scan"]) >= 2**64:
            raise invalid_token(token)
        return cls(int(match["bucket"], 16), int(match["scan"]), match["after"])

    def token(self) -> str:
        """The page token."""
        return Cursor.after(f"{self.bucket:02x}:{self.scan}:{self.after}")


class NameSearch:
    """Searches by name in every service."""

    def __init__(self, redis: Redis, objects: Objects) -> None:
        self._redis = redis
        self._objects = objects

    async def page(
        self,
        at: tuple[str, ObjectType],
        prefix: str,
        size: int,
        token: str | None,
        filled: list[int],
    ) -> Page[Any]:
        """At most `size` objects.

        Args:
            at: SID of a service, and the type.
            filled: the buckets that may hold objects, in ascending order.

        Raises:
            Refusal: `INVALID_PAGE_TOKEN`, or `UNAVAILABLE`.
        """
        start = _Position.parse(token)
        search = _Search(self._redis, at, prefix, size)
        following = await search.run(start, [each for each in filled if each >= start.bucket])
        service_sid, type_ = at
        addresses = [ObjectAddress(service_sid, type_, sid) for sid in search.found]
        states = await asyncio.gather(*(self._objects.get(each) for each in addresses))
        return Page(
            [state for state in states if state is not None],
            None,
            None if following is None else following.token(),
        )


class _Search:
    """The search for one page.

    Attributes:
        found: SIDs.
    """

    def __init__(self, redis: Redis, at: tuple[str, ObjectType], prefix: str, size: int) -> None:
        self.found: list[str] = []
        self._redis = redis
        self._service_sid, self._type = at
        # `*`, `?`, brackets and backslashes in the prefix mean themselves.
        self._pattern = _GLOB.sub(r"\\\1", prefix) + "*"
        self._prefix = prefix.encode()
        self._size = size
        self._work = 0

    async def run(self, start: _Position, buckets: list[int]) -> _Position | None:
        """Search from `start` on. Returns where the next page begins; None at the end."""
        position = start
        for begin in range(0, len(buckets), BUCKETS_AT_ONCE):
            group = buckets[begin : begin + BUCKETS_AT_ONCE]
            scans = [position.scan if each == start.bucket else 0 for each in group]
            replies = await asyncio.gather(*map(self._scan, group, scans))
            for bucket, scan, reply in zip(group, scans, replies, strict=True):
                after = start.after if bucket == start.bucket and scan == start.scan else ""
                rest = await self._take_bucket(_Position(bucket, scan, after), reply)
                if rest is not None:
                    return rest
        return None

    async def _take_bucket(
        self, position: _Position, reply: tuple[int, list[str]]
    ) -> _Position | None:
        """Take what a bucket has. Returns where the next page begins; None if it goes on here."""
        while True:
            following, sids = reply
            new = [sid for sid in sids if sid > position.after]
            room = self._size - len(self.found)
            self.found += new[:room]
            if len(new) > room:
                last = self.found[-1] if room else position.after
                return _Position(position.bucket, position.scan, last)
            self._work += SCAN_COUNT if following else SMALL_BUCKET
            if following == 0:
                if self._work < WORK_LIMIT:
                    return None
                last_bucket = position.bucket == BUCKETS - 1
                return None if last_bucket else _Position(position.bucket + 1)
            position = _Position(position.bucket, following)
            if self._work >= WORK_LIMIT:
                return position
            reply = await self._scan(position.bucket, position.scan)

    async def _scan(self, bucket: int, scan: int) -> tuple[int, list[str]]:
        """Scan a part of a bucket's names. Returns the cursor of the rest, 0 at the end; and the
        SIDs of the names with the prefix, in ascending order."""
        names = keys.names(keys.bucket_tag(self._service_sid, bucket), self._type)
        following, pairs = await self._redis.execute(
            "HSCAN", names, scan, "MATCH", self._pattern, "COUNT", SCAN_COUNT
        )
        found = zip(pairs[::2], pairs[1::2], strict=True)
        sids = {
            sid_of(pointer.decode()) for name, pointer in found if name.startswith(self._prefix)
        }
        return int(following), sorted(sids)
