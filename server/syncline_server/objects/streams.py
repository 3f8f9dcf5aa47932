"""Operations on streams and their messages."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline_protocol.objects import STREAM
from syncline_protocol.streams import Publish
from syncline_server.storage.rights import Right

from .access import Access
from .contended_writes import Client, blocking
from .headers import Headers

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["Published", "Streams"]


@dataclass(frozen=True, slots=True)
class Published:
    """The reply to `Publish`.

    Attributes:
        message_sid: SID of the message.
        repeated: True if the operation id showed that it had been published before.
    """

    message_sid: str
    repeated: bool

    @property
    def marks(self) -> tuple[Hashable, ...]:
        """As in `Marked`. The event of a repetition came with the first attempt, if at all."""
        return () if self.repeated else (self.message_sid,)


class Streams(Headers):
    """As `Headers`, and `publish`."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, STREAM)
        self.handlers = {**self.handlers, Publish: self.publish}
        self._streams = backend.streams

    async def publish(
        self, access: Access, command: Publish, client: Client | None = None
    ) -> Published:
        """Publish a message. Grants must allow writing; a stream has no permissions."""
        needs = await self._check(access, command.address, Right.WRITE)
        at = self._at(access, command.address)
        author = access.author(needs)
        with blocking(client, command):
            return Published(*await self._streams.publish(at, author, command.data, command.op))
