"""Turns: under contention, refused conditional writes are answered one at a time.

The first try of a write is optimistic. The refusals of those that lost are held back and released
one after the other, each with the newest document: who gets one can try again without a rival in
this process, so that all get through in the order in which they came. Clients need not know. Rivals
in other processes are met by the optimistic path.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field

from syncline_protocol.documents import Document

__all__ = ["Turns"]


LAPSES_LIMIT = 3
"""Turns in a row that a contender may let go by; then it is told of its refusals at once. A caller
without a session may let none go by: a slow one cannot be told from one that does not try again."""


STRANGERS_SHARE = 0.1
"""Of a turn's time, what a caller without a session has: others wait for it in vain more often."""


@dataclass(slots=True, eq=False)
class _Contest:
    """Those who contend for one document.

    Attributes:
        newest: the document as it was last seen.
        holder: whose turn it is; None for a caller that only the revision tells.
        told: the revision that the holder was told.
        crowded: True once somebody had to wait, or lost again: only then does the holder's turn
            hold up others, so that a lone refusal costs nobody anything.
        waiting: whose turn comes later, and what wakes each.
        lapses: turns in a row that contenders let go by.
    """

    keys: list[tuple[str, str]]
    newest: Document
    holder: object | None
    told: int
    crowded: bool = False
    waiting: deque[tuple[object | None, asyncio.Future[None]]] = field(default_factory=deque)
    lapses: Counter[object | None] = field(default_factory=Counter)
    alarm: asyncio.TimerHandle | None = None

    def is_turn_of(self, contender: object | None, if_match: int | None) -> bool:
        if contender is None:
            return self.holder is None and if_match == self.told
        return contender is self.holder


class Turns:
    """The contests of one process.

    A contender is an object that stands for one client through its tries, such as its session;
    None for a caller without one, who is known by the revision that it was told.
    """

    def __init__(self, turn_timeout: float, wait_timeout: float, bounds: Counter[str]) -> None:
        """
        Args:
            turn_timeout: seconds in which a contender must try again; then the next one may.
            wait_timeout: seconds that a refusal is held back, at most.
            bounds: counts what the time-outs end.
        """
        self._turn_timeout = turn_timeout
        self._wait_timeout = wait_timeout
        self._bounds = bounds
        self._contests: dict[tuple[str, str], _Contest] = {}

    async def approach(
        self, service_sid: str, address: str, contender: object | None, if_match: int | None
    ) -> None:
        """Return when a write may be tried: at once, unless it would spoil another one's turn.

        `if_match` is None for a write that is sure to get through once it is tried.
        """
        contest = self._contests.get((service_sid, address))
        if contest is None or not contest.crowded or contest.is_turn_of(contender, if_match):
            return
        if contest.holder is None:
            return  # others may hold the same revision: there is nothing to be kept for it
        if if_match is not None and if_match < contest.newest.revision:
            return  # it is sure to be refused, and spoils nothing
        if await self._wait(contest, contender) and if_match is not None:
            contest.told = if_match

    async def after_refusal(
        self, service_sid: str, contender: object | None, newest: Document
    ) -> Document:
        """Return when the contender may be told of its refusal, with the document to tell.

        `newest` is the document of the refusal.
        """
        contest = self._contests.get((service_sid, newest.sid))
        if contest is None:
            contest = self._open(service_sid, contender, newest)
            has_turn = True
        else:
            contest.crowded = True
            _note(contest, newest)
            is_holder = contender is not None and contender is contest.holder
            has_turn = is_holder or await self._wait(contest, contender)
        if has_turn:
            contest.told = contest.newest.revision
            self._set_alarm(contest)
        return contest.newest

    def after_write(
        self,
        service_sid: str,
        address: str,
        contender: object | None,
        if_match: int | None,
        newest: Document | None,
    ) -> None:
        """A write was carried out, or failed for good: a turn that it used is over.

        `newest`: the document as it is since then; None if that is not known.
        """
        contest = self._contests.get((service_sid, address))
        if contest is None:
            return
        is_over = contest.is_turn_of(contender, if_match)
        if newest is not None:
            _note(contest, newest)
        if is_over:
            del contest.lapses[contender]
            self._pass_on(contest)

    def forget(self, contender: object) -> None:
        """The contender has gone."""
        for contest in set(self._contests.values()):
            if contest.holder is contender:
                self._pass_on(contest)

    def _open(self, service_sid: str, holder: object | None, newest: Document) -> _Contest:
        addresses = [newest.sid, newest.unique_name]
        keys = [(service_sid, address) for address in addresses if address is not None]
        contest = _Contest(keys, newest, holder, newest.revision)
        self._contests.update(dict.fromkeys(keys, contest))
        return contest

    async def _wait(self, contest: _Contest, contender: object | None) -> bool:
        """True once it is the contender's turn; False if that takes too long."""
        if contest.lapses[contender] >= (LAPSES_LIMIT if contender is not None else 1):
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        contest.waiting.append((contender, turn))
        try:
            async with asyncio.timeout(self._wait_timeout):
                await turn
        except TimeoutError:
            self._bounds["turn_wait"] += 1
            return False
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on(contest)  # it came too late
            raise
        return True

    def _set_alarm(self, contest: _Contest) -> None:
        if contest.alarm is not None:
            contest.alarm.cancel()
        is_known = contest.holder is not None
        timeout = self._turn_timeout if is_known else self._turn_timeout * STRANGERS_SHARE
        contest.alarm = asyncio.get_running_loop().call_later(timeout, self._give_up, contest)

    def _give_up(self, contest: _Contest) -> None:
        if contest.waiting:
            self._bounds["turn_timeout"] += 1
            contest.lapses[contest.holder] += 1
        self._pass_on(contest)

    def _pass_on(self, contest: _Contest) -> None:
        """The next one's turn; without one, the contest is over."""
        while contest.waiting:
            contender, turn = contest.waiting.popleft()
            if not turn.done():
                contest.holder, contest.told = contender, contest.newest.revision
                self._set_alarm(contest)
                turn.set_result(None)
                return
        if contest.alarm is not None:
            contest.alarm.cancel()
        for key in contest.keys:
            if self._contests.get(key) is contest:
                del self._contests[key]


def _note(contest: _Contest, seen: Document) -> None:
    if seen.data and seen.revision > contest.newest.revision:
        contest.newest = seen
