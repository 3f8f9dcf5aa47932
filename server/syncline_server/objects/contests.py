"""Contests: the clients that contend for one object, and the state of the current turn (`turns`).

`turns` describes how a turn moves from state to state.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from syncline_protocol.documents import Document

__all__ = ["Contender", "Contest"]


@dataclass(slots=True, eq=False)
class Contender:
    """A writer that waits for a turn or has it.

    Attributes:
        client: None for a caller without a connection; only the revision that it was given
            identifies it.
        identity: None for a patch, which causes no lapses.
        length: seconds that its turn lasts.
        turn: True in its turn; False if it is answered without one (`Turns.hurry`).
    """

    client: object | None
    identity: Hashable | None
    length: float
    turn: asyncio.Future[bool] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True, eq=False)
class Contest:
    """The writers that contend for one object.

    Attributes:
        keys: service and address of the object, by SID and by unique name.
        newest: the newest document that this process has seen.
        holder: the contender that has the turn.
        given: the revision that the holder received; only a write that names it uses the turn.
        is_given: True once the holder received an answer in this turn; its time counts from there.
        is_used: True once the holder has tried with `given`.
        is_trying: True while such a try is under way; the timer does not end the turn meanwhile.
        is_over: True if the turn's time ran out during a try.
        is_prolonged: True once the turn was prolonged because the event loop was busy.
        is_removed: True once the object was removed; the contest is over.
        crowded: True once a second writer had to wait, or the holder lost again. Only then do other
            conditional writes wait for the turn, so that a single refusal delays nobody.
        waiting: the contenders that get the next turns, in order.
        divisor: of a turn's length. Each unused turn doubles it, a success resets it.
        timer: ends the turn; None in the contest's first turn until the holder has its answer.
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
    is_removed: bool = False
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
        """Keep the document if it is newer than `newest`, and not a write's answer without data."""
        if seen.data and seen.revision > self.newest.revision:
            self.newest = seen
