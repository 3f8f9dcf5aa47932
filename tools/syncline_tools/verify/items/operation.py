"""Writes of items, and what carries them to a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from syncline import JsonObject
from syncline_tools.verify.records import content_of

from .collection import Collection
from .records import Part

__all__ = ["ABSENT", "Operation", "Refused", "Reply", "Sender", "batch_member"]

ABSENT = -1
"""As a condition: the item must not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What to do with one item; members as of `Part`."""

    do: str
    key: str | None = None
    data: JsonObject | None = None
    if_match: int | None = None
    ttl: int | None = None

    @property
    def part(self) -> Part:
        """As the history has it."""
        content = None if self.data is None or self.do == "merge" else content_of(self.data)
        return Part(do=self.do, key=self.key, if_match=self.if_match, content=content, ttl=self.ttl)

    @property
    def members(self) -> JsonObject:
        """What a body has beside the key."""
        given = {"data": self.data, "ttl": self.ttl}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The reply to a write that was applied; members as of `ItemsAnswered`.

    Attributes:
        is_resent: True if an earlier attempt was refused for the moment: it may have been applied,
            and have had its event.
    """

    keys: tuple[str | None, ...]
    revisions: tuple[int | None, ...]
    is_repeated: bool = False
    is_resent: bool = False


class Refused(Exception):
    """The server refuses a request, and will refuse it again.

    Attributes:
        code: of the refusal.
        newest: revision of the item that a condition did not match; None if it is not known.
    """

    def __init__(self, code: int, newest: int | None, text: str = "") -> None:
        super().__init__(text or str(code))
        self.code = code
        self.newest = newest


class Sender(Protocol):
    """Carries writes over one wire.

    Attributes:
        can_batch: False of a wire without batches and patches.
    """

    can_batch: bool

    @property
    def connection(self) -> int | None:
        """As of `ItemsInvoked`."""

    async def send(
        self,
        op: str,
        collection: Collection,
        operations: list[Operation],
        receive: Callable[[Reply], None],
    ) -> None:
        """Send a write until it is answered: one operation by itself, or several as a batch.

        Args:
            op: operation id.
            receive: called when the reply comes, before anything that comes after it is looked at.

        Raises:
            Refused: it will not be carried out.
            SynclineError: nobody will ever know.
        """

    async def close(self) -> None:
        """End all connections."""


def batch_member(collection: Collection, operation: Operation) -> JsonObject:
    """An operation as a batch has it, in REST and in the native protocol."""
    member: JsonObject = {"op": operation.do, **operation.members}
    if operation.key is not None:
        member[collection.id_name] = collection.show_id(operation.key)
    if operation.if_match is not None:
        member["if_match"] = str(operation.if_match)
    return member
