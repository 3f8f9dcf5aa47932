"""Streams in Redis: a header, and messages that are published and not stored."""

from __future__ import annotations

import secrets

from syncline_protocol.streams import MESSAGE_PREFIX

from . import operations
from .author import Author
from .commit import Commit
from .keys import ObjectAddress
from .objects import Objects
from .scripts import MESSAGE

__all__ = ["Streams"]

ENTROPY_BYTES = 16
"""Random bytes in the SID of a message."""


class Streams:
    """The messages of all streams."""

    def __init__(self, objects: Objects) -> None:
        self._committer = objects.committer

    async def publish(
        self, at: ObjectAddress, author: Author, data: bytes, op: str | None = None
    ) -> tuple[str, bool]:
        """Publish a message.

        Returns:
            its SID, and True if the operation id showed that it had been published before.

        Raises:
            Refusal: no such stream exists; `UNAVAILABLE`. A message whose reply is lost may have
                been published; with an operation id, publishing it again publishes it once.
        """
        fingerprint = "" if op is None else operations.fingerprint("publish", data, None, None)
        reply = await self._committer.apply(
            Commit(
                at=at,
                script=MESSAGE,
                verb="publish",
                author=author,
                op=op,
                fingerprint=fingerprint,
                parameters={
                    "message": MESSAGE_PREFIX + secrets.token_hex(ENTROPY_BYTES),
                    "data": data,
                },
            )
        )
        return reply[-1].decode(), reply[0] == b"repeated"
