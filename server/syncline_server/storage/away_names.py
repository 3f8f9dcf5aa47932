"""Unique names whose object lives in another bucket.

The SID of an object decides its bucket, and so does its name. If the caller chose the SID, the two
buckets can differ; the name's bucket then holds a pointer to the SID (name.lua). The two buckets
can be on different shards of a Cluster, so no script changes a pointer and its object in one
step: a pointer may lead to no object. Then the name counts as free, and the next reader releases
it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from syncline_protocol.errors import Refusal
from syncline_protocol.sids import bucket_of_name, bucket_of_sid

from . import keys
from .keys import ObjectAddress
from .redis.client import Redis
from .redis.connection import Argument
from .replies import Reply
from .results import forbidden
from .rights import Right
from .scripts import NAME, OBJECT_SCRIPTS, Script, by_name

__all__ = ["SID_LENGTH", "AwayNames", "is_away", "sid_of"]

SID_LENGTH = 34
"""Characters in a SID; a pointer begins with a SID and is longer."""

SUFFIX_BYTES = 8
"""Random bytes that distinguish two pointers to one SID."""


def is_away(name: str | None, sid: str) -> bool:
    """True if this name and this SID belong to different buckets."""
    return name is not None and bucket_of_name(name) != bucket_of_sid(sid)


def sid_of(pointer: str) -> str:
    """The SID that a pointer leads to."""
    return pointer[:SID_LENGTH]


class AwayNames:
    """The pointers of all services. Every method raises `UNAVAILABLE` while Redis is away.

    `at` leads to an object by its name.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, at: ObjectAddress, sid: str) -> tuple[bool, str]:
        """Claim a name for an object that is about to be created in another bucket.

        Returns:
            True and the new pointer; or False and the SID or pointer that has the name.
        """
        status, value = await self._run("claim", at, sid=sid, suffix=_suffix())
        return status == b"ok", value.decode()

    async def confirm(self, at: ObjectAddress, pointer: str) -> bool:
        """Confirm a claim: its object was created. False if another object took the name."""
        [status] = await self._run("confirm", at, pointer=pointer, suffix=_suffix())
        return status == b"ok"

    async def release(self, at: ObjectAddress, pointer: str, *, is_own: bool = False) -> bool:
        """Free a name whose pointer leads to no object.

        Changes nothing if the name has another pointer by now.

        Args:
            is_own: True if the caller made the claim and knows that its object does not exist.

        Returns:
            False if the pointer is another caller's young claim, whose object may still come.
        """
        own = "1" if is_own else None
        [status] = await self._run("release", at, pointer=pointer, own=own)
        return status == b"ok"

    async def read(
        self,
        script: Script,
        at: ObjectAddress,
        who: str = "",
        needs: Right | None = None,
        *,
        asked: Mapping[str, Argument | None] = MappingProxyType({}),
        pointer: str | None = None,
    ) -> Reply:
        """The reply of a script that reads an object (lib/readable.lua), in whatever bucket it is.

        Args:
            needs: rights that the identity `who` must have; None where permissions are not checked.
            asked: arguments of this script that others do not have.
            pointer: that of the name, if the caller has read it already.

        Raises:
            Refusal: `ACCESS_FORBIDDEN`.
        """
        arguments: dict[str, Argument | None] = {**at.lookup, **asked}
        if needs is not None:
            arguments |= {"identity": who, "needs": int(needs)}
        if pointer is None:
            reply: Reply = await self._redis.run(script, at.tag, *by_name(arguments))
            pointer = reply[1].decode() if reply[0] == b"moved" else None
        if pointer is not None:
            sid = arguments["sid"] = sid_of(pointer)
            tag = keys.tag_of(at.service_sid, sid)
            reply = await self._redis.run(script, tag, *by_name(arguments))
            if reply[0] == b"absent":
                # The pointer leads to no object. If the name cannot be freed now, the next reader
                # frees it.
                with suppress(Refusal):
                    await self.release(at, pointer)
        if reply[0] == b"forbidden":
            raise forbidden()
        return reply

    async def forget(self, at: ObjectAddress, sid: str) -> None:
        """Free the name of a removed object. If that fails, the next reader frees it."""
        with suppress(Refusal):
            [found] = await self._run("look", at)
            pointer: str = found.decode()
            if len(pointer) > SID_LENGTH and sid_of(pointer) == sid:
                await self.read(OBJECT_SCRIPTS[at.type.name].fetch, at, pointer=pointer)

    async def _run(self, verb: str, at: ObjectAddress, **others: str | None) -> list[bytes]:
        names = keys.names_part(at.type)
        arguments = by_name({"verb": verb, "name": at.name, "names": names, **others})
        reply: list[bytes] = await self._redis.commit(NAME, at.tag, *arguments)
        return reply


def _suffix() -> str:
    return secrets.token_hex(SUFFIX_BYTES)
