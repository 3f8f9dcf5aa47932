"""Turns: under contention, refused conditional writes are answered one at a time.

The first try of a conditional write is optimistic. If it loses, its refusal is blocked and released
in turn, with the newest state. The client that receives it can try again without a rival in this
process, so all writers get through in the order in which they came. Clients need not know of turns.
A rival in another process can still win; then the write loses again and keeps its turn.

Unconditional writes never wait for a turn, and patches wait at most `PATCH_WAIT`. A turn lasts a
few round trips of its client. A turn that is not used counts against the client's identity
(`Lapses`). A write that names a revision which the object did not have lately earns no turn
(`RecentRevisions`).

A turn passes through these states, in the fields of `Contest`:

    begun     `Contests` made a contender the holder. Its client has no answer yet.
    given     `_lose` or `take_turn` answers the client with revision `given` (`is_given`). The
              turn's time starts.
    trying    the client's next write names `given` (`is_used`, `is_trying`). The timer cannot end
              the turn now; it only records that the time is over (`is_over`).
    won       the write was applied: `_win` passes the turn on.
    lost      another writer was quicker: given again, or passed on if `is_over`.
    run out   the timer fired outside of a try: passed on. A lapse if the turn was never used while
              others waited.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable
from types import TracebackType
from typing import Protocol, Self, TypeVar, cast

from syncline_protocol.item_commands import ABSENT
from syncline_protocol.objects import Event
from syncline_server.observability.metrics import Limit

from .contests import SHORTEST_TURN, Contender, Contest, Contests, State, TurnKey, subject
from .lapses import Lapses
from .recent_revisions import RecentRevisions

__all__ = ["PATCH_WAIT", "Attempt", "Client", "Turns"]

_State = TypeVar("_State", bound=State)

ROUND_TRIPS = 4
"""Round trips of its client that a turn lasts."""

UNKNOWN_TURN = 0.1
"""Seconds that a turn lasts if no round trip is known: for a client's first requests, and for a
caller without a connection, which may come back on another connection or not at all."""

UNKNOWN_CALLERS_LIMIT = 128
"""Callers without a connection that may wait for turns in one process. Further ones are answered at
once, so that waiting requests cannot use up `Settings.max_requests`."""

CROWD = 8
"""Writers that wait for turns, from which on a further one that allows it is sent only the newest
state meanwhile (`Client.conflate`): with fewer, each can as well be sent every state."""

PATCH_WAIT = 0.01
"""Seconds that a patch waits for a turn to be used, at most."""


class Client(Protocol):
    """One connected client: the same object in all its tries."""

    @property
    def round_trip(self) -> float:
        """Smoothed seconds from a reply to the client's next request; 0 while not known."""

    def has_more(self, object_key: str) -> bool:
        """True if further commands of the client wait for the one that writes this object."""

    def conflate(self, object_key: str) -> None:
        """Send the client only the newest state of this object, until the reply to its write."""


class Turns:
    """Who may write when, in one process.

    Attributes:
        contests: those that are under way.
    """

    def __init__(
        self,
        turn_timeout: float,
        wait_timeout: float,
        limit_hits: Counter[Limit],
        lapses: Lapses | None = None,
    ) -> None:
        """
        Args:
            turn_timeout: seconds that a turn lasts at most.
            wait_timeout: seconds that a refusal is blocked at most.
            limit_hits: counts the turns and the waits that the time-outs end.
        """
        self._wait_timeout = wait_timeout
        self._limit_hits = limit_hits
        self._lapses = Lapses() if lapses is None else lapses
        self._recent = RecentRevisions()
        self.contests = Contests(turn_timeout, limit_hits, self._lapses)
        self._unknown_callers = 0

    def contend(
        self,
        key: TurnKey,
        if_match: int | None,
        *,
        identity: Hashable,
        client: Client | None = None,
        conflates: bool = False,
    ) -> Attempt:
        """One try of a write. This is the one place that drives a turn.

            async with turns.contend(…) as attempt:
                written = …                              # perhaps refused:
                newest = await attempt.lost(refused)     # returns in the client's turn
                attempt.won(written)

        A body that ends without `lost` or `won` means that the write failed for another reason.

        Args:
            if_match: None for an unconditional write, which never waits.
            identity: the identity that lapses count against.
            client: None for a caller without a connection.
            conflates: as in `commands.Write`.
        """
        attempt = Attempt(self, key, if_match, identity=identity, client=client)
        attempt.conflates = conflates
        return attempt

    async def take_turn(self, key: TurnKey, *, identity: Hashable, client: Client) -> State | None:
        """Wait for the client's turn before its first try; returns the newest state then.

        None if it gets no turn: nobody contends, it may not wait or waited too long, or the object
        was removed.
        """
        contest = self.contests.get(key)
        if contest is None:
            return None
        if not contest.is_turn_of(client, None):
            attempt = self.contend(key, None, identity=identity, client=client, conflates=True)
            if not await self._wait_in_turn(contest, attempt):
                return None
        if contest.is_removed:
            return None
        self._give(contest)
        return contest.newest

    def record_event(self, event: Event) -> None:
        """Remember the revision of an event as one that its object or item had."""
        for about, revision in event.revisions:
            self._recent.extend(about, revision)

    async def wait_to_patch(self, key: TurnKey, patcher: object) -> None:
        """Wait until the current turn is used, for `PATCH_WAIT` at most: a patch would spoil it."""
        contest = self.contests.get(key)
        # Without rivals, or with a holder that may not come back, a patch can spoil nothing.
        if contest is None or not contest.crowded or contest.holder.client is None:
            return
        contender = Contender(patcher, None, SHORTEST_TURN)
        # At the head of the queue: the patch waits for the current turn only.
        contest.waiting.appendleft(contender)
        # If the wait is too long, the patch goes on without a turn.
        if await self._wait(contest, contender, PATCH_WAIT):
            contest.use_turn()

    def end_patch(self, key: TurnKey, patcher: object, newest: State | None) -> None:
        """End the turn of a patch; `newest` is the state after it, None if not known."""
        self.contests.end_turn(key, patcher, None, newest)

    def give_up(self, key: TurnKey, client: object | None) -> None:
        """End the client's turn: it does something else with the object."""
        if client is not None:
            self.contests.end_turn(key, client, None, None)

    def hurry(self, key: TurnKey, client: object) -> None:
        """Release the client's blocked refusal now, without a turn: its other commands wait."""
        contest = self.contests.get(key)
        for each in contest.waiting if contest is not None else ():
            # Done: `pass_on` has given the client its turn, but `_wait` has not resumed yet.
            if each.client is client and not each.turn.done():
                each.turn.set_result(False)

    async def _approach(self, attempt: Attempt) -> None:
        """Return when a conditional write may be tried: at once, unless it would spoil a rival's
        turn."""
        assert attempt.if_match is not None
        contest = self.contests.get(attempt.key)
        if contest is None:
            return
        # Before the turn is looked at: this may be the try of a turn that has just run out.
        self._lapses.come_late(attempt.identity, contest.subject, attempt.if_match)
        if contest.is_turn_of(attempt.client, attempt.if_match):
            # A write that names another revision than `given` does not use the turn.
            if attempt.if_match == contest.given:
                contest.use_turn()
            return
        if not contest.crowded or contest.holder.client is None:
            # A holder without a connection is known by its revision only. Other writers may have
            # that revision too, so the turn cannot be kept for it.
            return
        is_recent = self._recent.has(contest.subject, attempt.if_match)
        if attempt.if_match < contest.newest.revision or not is_recent:
            return  # certain to be refused, so it cannot spoil the turn
        # This write could succeed, and the holder would lose in its own turn: let it go first.
        if await self._wait_in_turn(contest, attempt):
            # `pass_on` has set `given` to the newest revision, but this try names its own. If the
            # holder wrote meanwhile, the try loses, and `_lose_in_turn` keeps the turn for it.
            contest.given = attempt.if_match
            contest.use_turn()

    async def _lose(self, attempt: Attempt, newest: State) -> State | None:
        """Return when the refusal may be answered, with the state to send; None if removed."""
        if attempt.if_match is None:
            return newest
        # 1. Did the object have that revision lately? Only then was the write in the contest. Ask
        #    before `record`, which may push the oldest revision out.
        about = subject(newest.sid, attempt.key.item)
        is_recent = self._recent.has(about, attempt.if_match)
        self._recent.record(about, newest.revision)
        if newest.revision == ABSENT:
            # The item was removed, by a batch or in another process, and nobody's turn has a state
            # to begin with: each of the others is answered what is there now.
            self.contests.close(attempt.key._replace(object=newest.sid))
            return newest
        contest = self.contests.get(attempt.key._replace(object=newest.sid))
        # 2. Wait for a turn, unless the client has it already. Rivals write during the wait, so
        #    `newest` is out of date after it.
        if contest is not None:
            contest.keep_newest(newest)
            if contest.is_turn_of(attempt.client, attempt.if_match):
                has_turn = self._lose_in_turn(contest, attempt)
            else:
                has_turn = is_recent and await self._wait_in_turn(contest, attempt)
        elif is_recent and not self._lapses.exhausted(attempt.identity):
            contest = self.contests.open(attempt.key, newest, self._contender(attempt))
            has_turn = True
        else:
            return newest
        if contest.is_removed:
            return None
        # 3. Answer with the newest state that is known now. The first answer of a turn starts
        #    its timer. After a loss within the turn the timer runs on, so losing cannot prolong it.
        if has_turn:
            self._give(contest)
        return contest.newest

    def _give(self, contest: Contest) -> None:
        """The holder is answered with the newest state."""
        contest.given = contest.newest.revision
        if not contest.is_given:
            contest.is_given = True
            self.contests.start_timer(contest)

    def _lose_in_turn(self, contest: Contest, attempt: Attempt) -> bool:
        """True if the holder keeps its turn after a refusal: to the end of its time, no longer."""
        # The holder named the revision that it was given and lost all the same: rivals do write.
        if attempt.if_match == contest.given:
            contest.crowded = True
        # If `_approach` used the turn at once, no answer has started its time: it is not over.
        is_over = contest.is_over and contest.is_given
        contest.is_trying = contest.is_over = False
        if is_over:
            self.contests.pass_on(contest)
        return not is_over

    def _win(self, attempt: Attempt, newest: State | None) -> None:
        if newest is not None:
            about = subject(newest.sid, attempt.key.item)
            if attempt.if_match is None:
                self._recent.extend(about, newest.revision)
            else:
                self._recent.record(about, attempt.if_match, newest.revision)
        contest = self.contests.get(attempt.key)
        if contest is None:
            return
        # An unconditional write shows nothing about whether its client uses turns.
        if attempt.if_match is not None:
            contest.divisor = 1
            self._lapses.forgive(attempt.identity, contest.subject)
        if newest is None:
            self.contests.close(attempt.key)
        else:
            self.contests.end_turn(attempt.key, attempt.client, attempt.if_match, newest)

    def _contender(self, attempt: Attempt) -> Contender:
        round_trip = 0.0 if attempt.client is None else attempt.client.round_trip
        return Contender(attempt.client, attempt.identity, ROUND_TRIPS * round_trip or UNKNOWN_TURN)

    async def _wait_in_turn(self, contest: Contest, attempt: Attempt) -> bool:
        """True once it is the client's turn; False if it may not wait, or waited too long."""
        client = attempt.client
        if self._lapses.exhausted(attempt.identity):
            return False
        # Even if this client may not wait: its rivals must not take the turn of another client.
        contest.crowded = True
        if client is not None:
            # Commands that the client has sent after this one must not wait for a turn (`hurry` is
            # for those that come later).
            if client.has_more(attempt.key.object):
                return False
            # Only after `has_more`, which says that a reply follows at once.
            if attempt.conflates and len(contest.waiting) >= CROWD:
                client.conflate(attempt.key.object)
        elif self._unknown_callers >= UNKNOWN_CALLERS_LIMIT:
            return False
        self._unknown_callers += client is None
        contender = self._contender(attempt)
        contest.waiting.append(contender)
        try:
            return await self._wait(contest, contender, self._wait_timeout)
        finally:
            self._unknown_callers -= client is None

    async def _wait(self, contest: Contest, contender: Contender, timeout: float) -> bool:
        """True once it is the contender's turn; False after `timeout` seconds, or after `hurry`.

        `Contests` makes a contender the holder and sets its future, but this coroutine only resumes
        in a later step of the loop. The timeout or a cancellation can come in between. So both ask
        whether `contender` is the holder by now: a turn must neither be lost nor be left without a
        task that ends it.
        """
        try:
            async with asyncio.timeout(timeout):
                return await contender.turn
        except TimeoutError:
            if contest.holder is contender:
                return True
            if contender.identity is not None:
                self._limit_hits[Limit.TURN_WAIT] += 1
            return False
        except asyncio.CancelledError:
            if contest.holder is contender:
                self.contests.pass_on(contest)
            raise
        finally:
            # `pass_on` has removed it already, except after a time-out, `hurry` or a cancellation.
            if contender in contest.waiting:
                contest.waiting.remove(contender)


class Attempt:
    """One try of a write, from `Turns.contend`."""

    __slots__ = ("_is_settled", "_turns", "client", "conflates", "identity", "if_match", "key")

    def __init__(
        self,
        turns: Turns,
        key: TurnKey,
        if_match: int | None,
        *,
        identity: Hashable,
        client: Client | None,
    ) -> None:
        self.key, self.if_match = key, if_match
        self.identity, self.client = identity, client
        self.conflates = False
        self._turns = turns
        self._is_settled = False

    async def __aenter__(self) -> Self:
        if self.if_match is not None:
            await self._turns._approach(self)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_settled:
            self._turns.contests.end_turn(self.key, self.client, self.if_match, None)

    async def lost(self, newest: _State) -> _State | None:
        """Report that the write was refused because the object is at another revision.

        Returns:
            the newest state, in the client's turn, or without a turn if it earns none; None if
            the object was removed during the wait.
        """
        self._is_settled = True
        # All states of a contest are of one type, because its key names one object or item.
        return cast("_State | None", await self._turns._lose(self, newest))

    def won(self, newest: State | None) -> None:
        """Report that the write was applied; `newest` is the state now, None if removed."""
        self._is_settled = True
        self._turns._win(self, newest)

    def found_removed(self) -> None:
        """Report that the write was refused because the object is removed."""
        self._is_settled = True
        self._turns.contests.close(self.key)
