"""Contests: clients that lost against each other, and whose turn it is (`turns`)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from syncline_protocol.documents import Document

__all__ = ["Contender", "Contest"]


@dataclass(slots=True, eq=False)
class Contender:
    """One that waits for a turn, or has it.

    Attributes:
        client: None for a caller without a connection, who is known by the revision it was given.
        identity: None for patches, which no identity's lapses concern.
    """

    client: object | None
    identity: Hashable | None
    length: float
    turn: asyncio.Future[bool] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True, eq=False)
class Contest:
    """Those who contend for one object.

    Attributes:
        newest: the document as it was last seen.
        holder: whose turn it is.
        given: the revision that the holder was given: only a try with this one uses the turn.
        is_given: True once the holder was answered in this turn; the turn is measured from there.
        is_used: True once the holder has tried with `given`.
        is_trying: True while such a try is under way; the turn does not end meanwhile.
        is_over: True if the time of the turn ran out during a try.
        is_prolonged: True once the turn was made longer because the event loop was busy.
        crowded: True once somebody had to wait, or the holder lost again: only then does the
            turn keep other conditional writes waiting, so that a lone refusal costs nobody.
        waiting: whose turn comes later.
        divisor: of the length of turns: each that is not used halves the next one.
    """

    keys: list[tuple[str, str]]
    newest: Document
    holder: Contender
    given: int
    is_given: bool = False
    is_used: bool = False
    is_trying: bool = False
    is_over: bool = False
    is_prolonged: bool = False
    crowded: bool = False
    waiting: deque[Contender] = field(default_factory=deque)
    divisor: int = 1
    timer: asyncio.TimerHandle | None = None

    def is_turn_of(self, client: object | None, if_match: int | None) -> bool:
        if client is None:
            return self.holder.client is None and if_match == self.given
        return client is self.holder.client

    def is_waited_for(self) -> bool:
        return any(not each.turn.done() for each in self.waiting)

    def note_newest(self, seen: Document) -> None:
        """Keep the document, if it is newer than what is known."""
        if seen.data and seen.revision > self.newest.revision:
            self.newest = seen
