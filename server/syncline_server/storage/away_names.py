"""Unique names of documents that live in another bucket than their name's.

A SID names its bucket, and so does a name. Where whoever created the document chose its SID, the
two can differ; the name's bucket then holds a pointer (name.lua). Buckets can be in different
shards of a Cluster, so a pointer and its document do not change in one step: a pointer may lead to
nothing. That counts as no document, and the next reader releases the name.
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
"""Characters in a SID; a pointer begins with one and has more."""

TAG_BYTES = 8
"""Random bytes that tell two pointers to one SID apart."""


def is_away(name: str | None, sid: str) -> bool:
    """True where a document with this name and SID lives in another bucket than the name's."""
    return name is not None and bucket_of_name(name) != bucket_of_sid(sid)


def sid_of(pointer: str) -> str:
    """The SID that a pointer leads to."""
    return pointer[:SID_LENGTH]


class AwayNames:
    """The pointers of all services. Every method raises `UNAVAILABLE` while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, service_sid: str, name: str, sid: str) -> tuple[bool, str]:
        """Reserve a name for a document that is about to be created in another bucket.

        Returns:
            whether that was done; and the pointer, or the SID or the pointer that has the name.
        """
        status, value = await self._run(service_sid, "claim", name, sid, _tag())
        return status == b"ok", value.decode()

    async def confirm(self, service_sid: str, name: str, pointer: str) -> bool:
        """The document is there. False where the name has gone to another one meanwhile."""
        [status] = await self._run(service_sid, "confirm", name, pointer, _tag())
        return bool(status == b"ok")

    async def release(
        self, service_sid: str, name: str, pointer: str, *, is_own: bool = False
    ) -> bool:
        """Free a name whose pointer led to nothing; nothing happens if it has another one now.

        `is_own`: the claim is the caller's. False where it is not, and may still become a document.
        """
        own = "1" if is_own else ""
        [status] = await self._run(service_sid, "release", name, pointer, own)
        return bool(status == b"ok")

    async def follow(
        self, service_sid: str, name: str, pointer: str, who: str, needs: Right | None
    ) -> list[Any]:
        """The reply of `fetch.lua` at the end of a pointer; one that leads to nothing is released.

        `who` and `needs` as in `Documents`.
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
        """Free the name of a document that is gone. Should that fail, the next reader does it."""
        with suppress(Refusal):
            [found] = await self._run(service_sid, "look", name)
            pointer: str = found.decode()
            if len(pointer) > SID_LENGTH and sid_of(pointer) == sid:
                await self.follow(service_sid, name, pointer, "", None)

    async def _run(self, service_sid: str, verb: str, name: str, *arguments: str) -> list[bytes]:
        tag = keys.tag_of(service_sid, name)
        reply: list[bytes] = await self._redis.commit(NAME, tag, verb, name, *arguments)
        return reply


def _tag() -> str:
    return secrets.token_hex(TAG_BYTES)
