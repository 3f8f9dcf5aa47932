"""Turns: under contention, refused conditional writes are answered one at a time.

The first try of a write is optimistic. The refusals of those that lost are blocked and released
one after the other, each with the newest document: the client that gets one can try again without a
rival in this process, so that all get through in the order in which they came. Clients need not
know. Rivals in other processes are met by the optimistic path.

Unconditional writes never wait for a turn, and patches wait at most `PATCH_WAIT`. A turn lasts
a few round trips of its client. One that is not used counts against the client's identity
(`Lapses`), and a write that is conditional on a revision which the object did not have lately earns
none (`RecentRevisions`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable
from types import TracebackType
from typing import Protocol, Self

from syncline_protocol.documents import Document

from .contests import Contender, Contest
from .lapses import Lapses
from .recent_revisions import RecentRevisions

__all__ = ["PATCH_WAIT", "Attempt", "Client", "Turns"]

ROUND_TRIPS = 4
"""Round trips of its client that a turn lasts."""

SHORTEST_TURN = 0.05
"""Seconds that a turn lasts at least: an event loop may be busy."""

BUSY = 0.01
"""Seconds by which a turn is longer, once, where its end comes late by as much."""

LARGEST_DIVISOR = 2**16
"""Turns in a row that nobody uses halve the next one, down to `SHORTEST_TURN`, from any setting."""

UNKNOWN_TURN = 0.1
"""Seconds that a turn lasts where no round trip is known: of a client's first requests, and of a
caller without a connection, which may come back by another one, or not at all."""

UNKNOWN_CALLERS_LIMIT = 128
"""Callers without a connection that wait for turns in one process; more are answered at once, so
that they cannot take up all requests that the process carries out (`Settings.max_requests`)."""

PATCH_WAIT = 0.01
"""Seconds that a patch waits for a turn to be used, at most."""


class Client(Protocol):
    """One connected client through all its tries."""

    @property
    def round_trip(self) -> float:
        """Smoothed seconds from a reply to the client's next request; 0 while not known."""

    def has_more(self, address: str) -> bool:
        """True if commands wait for the end of the one that names this object."""


class Turns:
    """The contests of one process."""

    def __init__(
        self,
        turn_timeout: float,
        wait_timeout: float,
        bounds: Counter[str],
        lapses: Lapses | None = None,
    ) -> None:
        """
        Args:
            turn_timeout: seconds that a turn lasts at most.
            wait_timeout: seconds that a refusal is blocked at most.
            bounds: counts what the time-outs end.
        """
        self._turn_timeout = turn_timeout
        self._wait_timeout = wait_timeout
        self._bounds = bounds
        self._lapses = Lapses() if lapses is None else lapses
        self._recent = RecentRevisions()
        self._contests: dict[tuple[str, str], Contest] = {}
        self._unknown_callers = 0

    def contend(
        self,
        service_sid: str,
        address: str,
        if_match: int | None,
        *,
        identity: Hashable,
        client: Client | None = None,
    ) -> Attempt:
        """One try of a write.

            async with turns.contend(…) as attempt:
                written = …                              # perhaps refused:
                newest = await attempt.lost(refused)     # when it is the client's turn
                attempt.won(written)

        Left without either, the write failed for another reason.

        Args:
            if_match: None for an unconditional write, which waits for nobody.
            identity: whose lapses count.
            client: None for a caller without a connection.
        """
        return Attempt(self, (service_sid, address), if_match, identity, client)

    def record_revision(self, sid: str, revision: int) -> None:
        """An event came by: its revision was the object's."""
        self._recent.extend(sid, revision)

    async def wait_to_patch(self, service_sid: str, address: str, patcher: object) -> None:
        """Let a turn be used before a patch would spoil it, for `PATCH_WAIT` at most."""
        contest = self._contests.get((service_sid, address))
        if contest is None or not contest.crowded or contest.holder.client is None:
            return
        contender = Contender(patcher, None, SHORTEST_TURN)
        contest.waiting.appendleft(contender)
        if await self._wait(contest, contender, PATCH_WAIT):
            contest.is_used = contest.is_trying = True

    def end_patch(
        self, service_sid: str, address: str, patcher: object, newest: Document | None
    ) -> None:
        """The patch was carried out, or failed. `newest`: the document since then, if known."""
        self._end((service_sid, address), patcher, None, newest)

    def give_up(self, service_sid: str, address: str, client: object | None) -> None:
        """The client does something else with the object: it needs its turn no more."""
        if client is not None:
            self._end((service_sid, address), client, None, None)

    def hurry(self, service_sid: str, address: str, client: object) -> None:
        """Other commands of the client wait behind its refusal: answer it now, without a turn."""
        contest = self._contests.get((service_sid, address))
        for each in contest.waiting if contest is not None else ():
            if each.client is client and not each.turn.done():
                each.turn.set_result(False)

    def forget(self, client: object) -> None:
        """The client has gone."""
        for contest in set(self._contests.values()):
            if contest.holder.client is client:
                self._pass_on(contest)

    async def _approach(self, attempt: Attempt) -> None:
        """Return when a write may be tried: at once, unless it would spoil another one's turn."""
        contest = self._contests.get(attempt.key)
        if attempt.if_match is None or contest is None:
            return
        self._lapses.come_late(attempt.identity, contest.newest.sid, attempt.if_match)
        if contest.is_turn_of(attempt.client, attempt.if_match):
            if attempt.if_match == contest.given:
                contest.is_used = contest.is_trying = True
            return
        if not contest.crowded or contest.holder.client is None:
            # Others may have the revision that a caller without a connection was given: there is
            # nothing to be kept for that one.
            return
        sid, newest = contest.newest.sid, contest.newest.revision
        if attempt.if_match < newest or not self._recent.has(sid, attempt.if_match):
            return  # it is sure to be refused, and spoils nothing
        if await self._wait_in_turn(contest, attempt):
            contest.given = attempt.if_match
            contest.is_used = contest.is_trying = True

    async def _lose(self, attempt: Attempt, newest: Document) -> Document:
        """Return when the refusal may be answered, with the document to answer."""
        if attempt.if_match is None:
            return newest
        # 1. Was it ever in the contest? Look before the newest revision is recorded.
        is_recent = self._recent.has(newest.sid, attempt.if_match)
        self._recent.record(newest.sid, newest.revision)
        contest = self._contests.get((attempt.key[0], newest.sid))
        # 2. Wait, unless the turn is the client's already. Meanwhile others write.
        if contest is not None:
            contest.note_newest(newest)
            if contest.is_turn_of(attempt.client, attempt.if_match):
                has_turn = self._lose_in_turn(contest, attempt)
            else:
                has_turn = is_recent and await self._wait_in_turn(contest, attempt)
        elif is_recent and not self._lapses.exhausted(attempt.identity):
            contest, has_turn = self._open(attempt, newest), True
        else:
            return newest
        # 3. Answer with the newest that is known by now. The turn begins with the first answer.
        if has_turn:
            contest.given = contest.newest.revision
            if not contest.is_given:
                contest.is_given = True
                self._set_timer(contest)
        return contest.newest

    def _lose_in_turn(self, contest: Contest, attempt: Attempt) -> bool:
        """The holder was refused. It keeps its turn to the end that this had, and no further."""
        if attempt.if_match == contest.given:
            contest.crowded = True
        is_over = contest.is_over and contest.is_given
        contest.is_trying = contest.is_over = False
        if is_over:
            self._pass_on(contest)
        return not is_over

    def _win(self, attempt: Attempt, newest: Document | None) -> None:
        if newest is not None and attempt.if_match is not None:
            self._recent.record(newest.sid, attempt.if_match, newest.revision)
        elif newest is not None:
            self._recent.extend(newest.sid, newest.revision)
        contest = self._contests.get(attempt.key)
        if contest is not None and attempt.if_match is not None:
            contest.divisor = 1
            self._lapses.forgive(attempt.identity, contest.newest.sid)
        self._end(attempt.key, attempt.client, attempt.if_match, newest)

    def _end(
        self,
        key: tuple[str, str],
        client: object | None,
        if_match: int | None,
        newest: Document | None,
    ) -> None:
        """A write was carried out, or failed for good: a turn that it used is over."""
        contest = self._contests.get(key)
        if contest is None:
            return
        is_over = contest.is_turn_of(client, if_match)
        if newest is not None:
            contest.note_newest(newest)
        if is_over:
            self._pass_on(contest)

    def _contender(self, attempt: Attempt) -> Contender:
        client = attempt.client
        round_trip = 0.0 if client is None else client.round_trip
        return Contender(client, attempt.identity, ROUND_TRIPS * round_trip or UNKNOWN_TURN)

    def _open(self, attempt: Attempt, newest: Document) -> Contest:
        service_sid, _ = attempt.key
        addresses = [newest.sid, newest.unique_name]
        keys = [(service_sid, address) for address in addresses if address is not None]
        contest = Contest(keys, newest, self._contender(attempt), newest.revision)
        self._contests.update(dict.fromkeys(keys, contest))
        return contest

    async def _wait_in_turn(self, contest: Contest, attempt: Attempt) -> bool:
        """True once it is the client's turn; False where it is not to wait, or not any longer."""
        client = attempt.client
        if self._lapses.exhausted(attempt.identity):
            return False
        contender = self._contender(attempt)
        contest.crowded = True
        if client is not None:
            # What the client has sent since then must not wait for a turn.
            if client.has_more(attempt.key[1]):
                return False
            contest.waiting.append(contender)
            return await self._wait(contest, contender, self._wait_timeout)
        if self._unknown_callers >= UNKNOWN_CALLERS_LIMIT:
            return False
        self._unknown_callers += 1
        try:
            contest.waiting.append(contender)
            return await self._wait(contest, contender, self._wait_timeout)
        finally:
            self._unknown_callers -= 1

    async def _wait(self, contest: Contest, contender: Contender, timeout: float) -> bool:
        """True once the turn of one that waits has come; False if that takes too long."""
        try:
            async with asyncio.timeout(timeout):
                return await contender.turn
        except TimeoutError:
            if contest.holder is contender:
                return True  # it came at the same time
            if contender.identity is not None:
                self._bounds["turn_wait"] += 1
            return False
        except asyncio.CancelledError:
            if contest.holder is contender:
                self._pass_on(contest)  # the turn came too late
            raise
        finally:
            if contender in contest.waiting:
                contest.waiting.remove(contender)

    def _set_timer(self, contest: Contest) -> None:
        if contest.timer is not None:
            contest.timer.cancel()
        longest = min(contest.holder.length, self._turn_timeout)
        length = min(max(longest / contest.divisor, SHORTEST_TURN), self._turn_timeout)
        contest.timer = asyncio.get_running_loop().call_later(length, self._run_out, contest)

    def _run_out(self, contest: Contest) -> None:
        """The time of a turn has run out."""
        if contest.is_trying:
            contest.is_over = True  # for its try to find out
            return
        loop = asyncio.get_running_loop()
        is_late = contest.timer is not None and loop.time() - contest.timer.when() > BUSY
        if is_late and not contest.is_prolonged:
            # The loop was busy. The try may have come, and has not been read yet.
            contest.is_prolonged = True
            contest.timer = loop.call_later(BUSY, self._run_out, contest)
            return
        if not contest.is_used and contest.is_waited_for():
            self._bounds["turn_timeout"] += 1
            contest.divisor = min(2 * contest.divisor, LARGEST_DIVISOR)
            self._lapses.add(contest.holder.identity, contest.newest.sid, contest.given)
        self._pass_on(contest)

    def _pass_on(self, contest: Contest) -> None:
        """The next one's turn; without one, the contest is over."""
        while contest.waiting:
            contender = contest.waiting.popleft()
            if not contender.turn.done():
                contest.holder, contest.given = contender, contest.newest.revision
                contest.is_given = contest.is_used = contest.is_trying = contest.is_over = False
                contest.is_prolonged = False
                self._set_timer(contest)
                contender.turn.set_result(True)
                return
        if contest.timer is not None:
            contest.timer.cancel()
        for key in contest.keys:
            if self._contests.get(key) is contest:
                del self._contests[key]


class Attempt:
    """One try of a write, from `Turns.contend`."""

    __slots__ = ("_is_settled", "_turns", "client", "identity", "if_match", "key")

    def __init__(
        self,
        turns: Turns,
        key: tuple[str, str],
        if_match: int | None,
        identity: Hashable,
        client: Client | None,
    ) -> None:
        self.key, self.if_match = key, if_match
        self.identity, self.client = identity, client
        self._turns = turns
        self._is_settled = False

    async def __aenter__(self) -> Self:
        await self._turns._approach(self)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_settled:
            self._turns._end(self.key, self.client, self.if_match, None)

    async def lost(self, newest: Document) -> Document:
        """The write was refused because the object is at another revision.

        Returns:
            the newest document, once it is the client's turn to receive it.
        """
        self._is_settled = True
        return await self._turns._lose(self, newest)

    def won(self, newest: Document | None) -> None:
        """The write was carried out; `newest` is the document since then, None if removed."""
        self._is_settled = True
        self._turns._win(self, newest)
