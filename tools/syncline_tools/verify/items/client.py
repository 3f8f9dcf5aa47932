"""A simulated client that writes items, on any wire."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from syncline import SynclineError
from syncline_tools.verify.client import SETTLE_TIMEOUT
from syncline_tools.verify.history import History
from syncline_tools.verify.records import Outcome

from .collection import Collection
from .operation import Operation, Refused, Reply, Sender
from .records import ItemsAnswered, ItemsInvoked

__all__ = ["ItemWriter"]


class ItemWriter:
    """Writes until the outcome is known.

    Attributes:
        known: the newest revision that it knows of each item, by collection and key; None once it
            is known to be absent.
    """

    def __init__(self, name: str, sender: Sender, history: History) -> None:
        self.name = name
        self.known: dict[tuple[str, str], int | None] = {}
        self._sender = sender
        self._history = history

    @property
    def can_batch(self) -> bool:
        """As of `Sender`."""
        return self._sender.can_batch

    async def write(
        self, number: int, op: str, collection: Collection, operations: list[Operation]
    ) -> ItemsAnswered:
        """Carry out one operation by itself, or several as a batch.

        Args:
            number: of the write, in the history; the data names it.
            op: operation id.
        """
        self._history.add(
            ItemsInvoked(
                at=self._history.now(),
                write=number,
                client=self.name,
                collection=collection.sid,
                parts=tuple(each.part for each in operations),
                is_batch=len(operations) > 1,
                connection=self._sender.connection,
            )
        )
        writing = _Writing(number, self._sender, self._history)
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                await self._sender.send(op, collection, operations, writing.acknowledge)
        except Refused as refused:
            writing.refuse(refused)
            if len(operations) == 1 and operations[0].key is not None:
                self.known[collection.sid, operations[0].key] = refused.newest
        except (TimeoutError, SynclineError):
            pass
        finally:
            answer = writing.answer or writing.end(Outcome.UNKNOWN)
        self._learn(collection, operations, answer)
        return answer

    def _learn(
        self, collection: Collection, operations: list[Operation], answer: ItemsAnswered
    ) -> None:
        if answer.outcome is Outcome.ACKNOWLEDGED:
            for operation, key, revision in zip(
                operations, answer.keys, answer.revisions, strict=True
            ):
                if key is not None:
                    is_gone = operation.do == "remove"
                    self.known[collection.sid, key] = None if is_gone else revision


@dataclass(slots=True)
class _Writing:
    """A write under way; its first answer goes into the history at once, and stays."""

    number: int
    sender: Sender
    history: History
    answer: ItemsAnswered | None = None

    def acknowledge(self, reply: Reply) -> None:
        self.end(
            Outcome.ACKNOWLEDGED,
            keys=reply.keys,
            revisions=reply.revisions,
            is_repeated=reply.is_repeated,
            connection=None if reply.is_resent else self.sender.connection,
        )

    def refuse(self, refused: Refused) -> None:
        self.end(Outcome.REFUSED, code=refused.code)

    def end(self, outcome: Outcome, **known: Any) -> ItemsAnswered:
        if self.answer is None:
            at = self.history.now()
            self.answer = ItemsAnswered(at=at, write=self.number, outcome=outcome, **known)
            self.history.add(self.answer)
        return self.answer
