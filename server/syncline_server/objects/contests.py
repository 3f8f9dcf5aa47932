"""Contests: the clients that contend for one object or item, and the state of the current turn.

`turns` describes how a turn moves from state to state, and decides who may contend. This module
passes turns on and ends those whose time has run out.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from syncline_protocol.objects import type_of_sid
from syncline_protocol.sids import object_key
from syncline_server.observability.metrics import Limit

from .lapses import Lapses

__all__ = ["SHORTEST_TURN", "Contender", "Contest", "Contests", "State", "TurnKey", "subject"]

SHORTEST_TURN = 0.05
"""Seconds that a turn lasts at least, because an event loop may be busy."""

BUSY = 0.01
"""Seconds that a turn is prolonged by, once, if its timer fires late by more than that."""

LARGEST_DIVISOR = 2**16
"""Largest divisor of a turn's length. Each unused turn in a row doubles the divisor; this limit is
large enough to bring any setting down to `SHORTEST_TURN`."""


class TurnKey(NamedTuple):
    """What clients contend for: an object (`sids.object_key`), or one of its items."""

    service_sid: str
    object: str
    item: str | None = None


class State(Protocol):
    """An object or an item as a refusal shows it. An item has the SID and name of its object."""

    @property
    def sid(self) -> str: ...
    @property
    def unique_name(self) -> str | None: ...
    @property
    def revision(self) -> int: ...
    @property
    def data(self) -> bytes: ...


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


@dataclass(slots=True, eq=False, kw_only=True)
class Contest:
    """The writers that contend for one object or item.

    Attributes:
        keys: of the object, by SID and by unique name.
        newest: the newest state that this process has seen.
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

    keys: list[TurnKey]
    newest: State
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

    @property
    def subject(self) -> Hashable:
        """Identifies the object or item in `Lapses` and `RecentRevisions`."""
        return subject(self.newest.sid, self.keys[0].item)

    def is_turn_of(self, client: object | None, if_match: int | None) -> bool:
        if client is None:
            # REST: the next request may come over another connection. Only the revision that the
            # refusal gave shows that it is the holder's.
            return self.holder.client is None and if_match == self.given
        return client is self.holder.client

    def is_waited_for(self) -> bool:
        # A contender whose wait has ended stays in the queue until `pass_on` comes to it.
        return any(not each.turn.done() for each in self.waiting)

    def keep_newest(self, seen: State) -> None:
        """Keep the state if it is newer than `newest`, and not a write's answer without data."""
        if seen.data and seen.revision > self.newest.revision:
            self.newest = seen

    def use_turn(self) -> None:
        """Record a try of the holder with `given`: the timer leaves the turn alone meanwhile."""
        self.is_used = self.is_trying = True


class Contests:
    """The contests of one process, by each of their keys."""

    def __init__(self, turn_timeout: float, limit_hits: Counter[Limit], lapses: Lapses) -> None:
        """
        Args:
            turn_timeout: seconds that a turn lasts at most.
            limit_hits: counts the turns that the time-out ends.
        """
        self._turn_timeout = turn_timeout
        self._limit_hits = limit_hits
        self._lapses = lapses
        self._contests: dict[TurnKey, Contest] = {}

    def __len__(self) -> int:
        return len(self._contests)

    def get(self, key: TurnKey) -> Contest | None:
        return self._contests.get(key)

    def open(self, key: TurnKey, newest: State, holder: Contender) -> Contest:
        """Begin a contest with its first turn."""
        # By SID and by name: rivals that address the object differently must meet in one contest.
        keys = [key._replace(object=newest.sid)]
        if newest.unique_name is not None:
            name = object_key(type_of_sid(newest.sid), newest.unique_name)
            keys.append(key._replace(object=name))
        contest = Contest(keys=keys, newest=newest, holder=holder, given=newest.revision)
        self._contests.update(dict.fromkeys(keys, contest))
        return contest

    def close(self, key: TurnKey) -> None:
        """End the contest for an object that was removed: `newest` is no answer to anybody now."""
        contest = self.get(key)
        if contest is None:
            return
        # First, because the others wake up below and must not try for what is gone.
        contest.is_removed = True
        # Nobody gets a turn, so release all at once: each is then answered that it is removed.
        for each in contest.waiting:
            if not each.turn.done():
                each.turn.set_result(False)
        self.pass_on(contest)

    def end_turn(
        self, key: TurnKey, client: object | None, if_match: int | None, newest: State | None
    ) -> None:
        """End the turn that a write used, after it was applied or finally failed."""
        contest = self.get(key)
        if contest is None:
            return
        # A write of another client is no end of the turn: the holder still has its one try.
        is_over = contest.is_turn_of(client, if_match)
        # Before `pass_on`, so that the next holder is given the newest revision.
        if newest is not None:
            contest.keep_newest(newest)
        if is_over:
            self.pass_on(contest)

    def forget(self, client: object) -> None:
        """End all turns of a client."""
        # A set, because a contest stands under several keys, and a copy, because `pass_on` deletes.
        for contest in set(self._contests.values()):
            if contest.holder.client is client:
                self.pass_on(contest)

    def pass_on(self, contest: Contest) -> None:
        """Give the turn to the next contender; without one, the contest ends."""
        while contest.waiting:
            contender = contest.waiting.popleft()
            # Done: `hurry` released it, or it timed out or was cancelled and is still in the queue.
            if not contender.turn.done():
                contest.holder, contest.given = contender, contest.newest.revision
                contest.is_given = contest.is_used = contest.is_trying = contest.is_over = False
                contest.is_prolonged = False
                # The time starts again with the holder's answer (`is_given`). It starts here too,
                # because a holder that was cancelled meanwhile gets no answer.
                self.start_timer(contest)
                contender.turn.set_result(True)
                return
        if contest.timer is not None:
            contest.timer.cancel()
        for key in contest.keys:
            # An object that was created later may have taken over the name, with its own contest.
            if self._contests.get(key) is contest:
                del self._contests[key]

    def start_timer(self, contest: Contest) -> None:
        """Let the time of the turn begin."""
        if contest.timer is not None:
            contest.timer.cancel()
        # The shorter of what the server allows and what the client takes; less after unused turns.
        longest = min(contest.holder.length, self._turn_timeout)
        length = min(max(longest / contest.divisor, SHORTEST_TURN), self._turn_timeout)
        contest.timer = asyncio.get_running_loop().call_later(length, self._run_out, contest)

    def _run_out(self, contest: Contest) -> None:
        """End a turn whose time has run out."""
        if contest.is_trying:
            # The holder's write is in Redis' hands. `end_turn` or `Turns._lose_in_turn` ends the
            # turn when its result is known.
            contest.is_over = True
            return
        loop = asyncio.get_running_loop()
        is_late = contest.timer is not None and loop.time() - contest.timer.when() > BUSY
        if is_late and not contest.is_prolonged:
            # The loop was busy, so the holder's try may be in the socket and not read yet. Give the
            # loop time to read it before this counts as a lapse.
            contest.is_prolonged = True
            contest.timer = loop.call_later(BUSY, self._run_out, contest)
            return
        if not contest.is_used and contest.is_waited_for():
            self._limit_hits[Limit.TURN_TIMEOUT] += 1
            contest.divisor = min(2 * contest.divisor, LARGEST_DIVISOR)
            self._lapses.add(contest.holder.identity, contest.subject, contest.given)
        self.pass_on(contest)


def subject(sid: str, item: str | None) -> Hashable:
    """Identifies an object or an item: as `Event.conflation_key` of its events."""
    return sid if item is None else (sid, item)
