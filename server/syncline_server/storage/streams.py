"""Streams in Redis: a header, and messages that are published and not stored."""

from __future__ import annotations

import secrets

from syncline_protocol.objects import STREAM
from syncline_protocol.streams import MESSAGE_PREFIX

from .author import Author
from .keys import ObjectAddress
from .objects import Objects
from .redis.client import Redis
from .results import absent
from .scripts import MESSAGE, by_name

__all__ = ["Streams"]

ENTROPY_BYTES = 16
"""Random bytes in the SID of a message."""


class Streams:
    """The messages of all streams."""

    def __init__(self, redis: Redis, objects: Objects) -> None:
        self._redis = redis
        self._objects = objects

    async def publish(self, service_sid: str, address: str, author: Author, data: bytes) -> str:
        """Publish a message; returns its SID.

        Raises:
            Refusal: no such stream exists; `UNAVAILABLE`.
        """
        at = ObjectAddress(service_sid, STREAM, address)
        message_sid = MESSAGE_PREFIX + secrets.token_hex(ENTROPY_BYTES)
        publish, channel = self._redis.publishing
        arguments = {
            "sid": at.sid or None,
            "name": at.name or None,
            "identity": author.identity,
            "publish": publish,
            "channel": channel,
            "message": message_sid,
            "data": data,
        }
        # A message whose reply is lost may have been published. Nothing is stored that would show
        # it, so the caller receives the error, which says so.
        reply = await self._redis.run(MESSAGE, at.tag, *by_name(arguments))
        if reply[0] == b"trouble":
            _, words, reply = reply
            self._objects.committer.note_trouble(service_sid, reply[1].decode(), words)
        if reply[0] != b"ok":
            raise absent(STREAM, address)
        return message_sid
