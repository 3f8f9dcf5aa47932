"""Unique names whose document lives in another bucket.

The SID of a document decides its bucket, and so does its name. If the caller chose the SID, the two
buckets can differ; the name's bucket then holds a pointer to the SID (name.lua). The two buckets
can be on different shards of a Cluster, so no script changes a pointer and its document in one
step: a pointer may lead to no document. Then the name counts as free, and the next reader releases
it.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any

from syncline_protocol.errors import Refusal
from syncline_protocol.sids import bucket_of_name, bucket_of_sid

from . import keys
from .commit import bits
from .redis.client import Redis
from .rights import Right
from .scripts import FETCH, NAME

__all__ = ["SID_LENGTH", "AwayNames", "is_away", "sid_of"]

SID_LENGTH = 34
"""Characters in a SID; a pointer begins with a SID and is longer."""

TAG_BYTES = 8
"""Random bytes that distinguish two pointers to one SID."""


def is_away(name: str | None, sid: str) -> bool:
    """True if this name and this SID belong to different buckets."""
    return name is not None and bucket_of_name(name) != bucket_of_sid(sid)


def sid_of(pointer: str) -> str:
    """The SID that a pointer leads to."""
    return pointer[:SID_LENGTH]


class AwayNames:
    """The pointers of all services. Every method raises `UNAVAILABLE` while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, service_sid: str, name: str, sid: str) -> tuple[bool, str]:
        """Claim a name for a document that is about to be created in another bucket.

        Returns:
            True and the new pointer; or False and the SID or pointer that has the name.
        """
        status, value = await self._run(service_sid, "claim", name, sid, _tag())
        return status == b"ok", value.decode()

    async def confirm(self, service_sid: str, name: str, pointer: str) -> bool:
        """Confirm a claim: its document was created. False if another document took the name."""
        [status] = await self._run(service_sid, "confirm", name, pointer, _tag())
        return bool(status == b"ok")

    async def release(
        self, service_sid: str, name: str, pointer: str, *, is_own: bool = False
    ) -> bool:
        """Free a name whose pointer leads to no document.

        Changes nothing if the name has another pointer by now.

        Args:
            is_own: True if the caller made the claim and knows that its document does not exist.

        Returns:
            False if the pointer is another caller's young claim, whose document may still come.
        """
        own = "1" if is_own else ""
        [status] = await self._run(service_sid, "release", name, pointer, own)
        return bool(status == b"ok")

    async def fetch(
        self, service_sid: str, name: str, pointer: str, who: str, needs: Right | None
    ) -> list[Any]:
        """The reply of fetch.lua for the document that a pointer leads to.

        Releases the name if the document does not exist. `who` and `needs` as in `Documents`.
        """
        sid = sid_of(pointer)
        reply: list[Any] = await self._redis.run(
            FETCH, keys.tag_of(service_sid, sid), sid, name, who, bits(needs)
        )
        if reply[0] == b"absent":
            with suppress(Refusal):
                await self.release(service_sid, name, pointer)
        return reply

    async def forget(self, service_sid: str, name: str, sid: str) -> None:
        """Free the name of a removed document. If that fails, the next reader frees it."""
        with suppress(Refusal):
            [found] = await self._run(service_sid, "look", name)
            pointer: str = found.decode()
            if len(pointer) > SID_LENGTH and sid_of(pointer) == sid:
                await self.fetch(service_sid, name, pointer, "", None)

    async def _run(self, service_sid: str, verb: str, name: str, *arguments: str) -> list[bytes]:
        tag = keys.tag_of(service_sid, name)
        reply: list[bytes] = await self._redis.commit(NAME, tag, verb, name, *arguments)
        return reply


def _tag() -> str:
    return secrets.token_hex(TAG_BYTES)
