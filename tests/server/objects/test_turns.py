from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count

import pytest

from support.store import WAIT_LIMIT
from syncline_protocol.documents import Document, Updated
from syncline_protocol.objects import DOCUMENT
from syncline_protocol.sids import object_key
from syncline_server.objects.contests import SHORTEST_TURN, TurnKey
from syncline_server.objects.lapses import (
    LAPSE_MEMORY,
    LAPSES_LIMIT,
    LATE,
    POINTS,
    STALL,
    Lapses,
)
from syncline_server.objects.turns import (
    CROWD,
    ROUND_TRIPS,
    UNKNOWN_CALLERS_LIMIT,
    UNKNOWN_TURN,
    Attempt,
    Turns,
)
from syncline_server.observability.metrics import Limit

SERVICE = "IS" + "0" * 32
SID = "ET" + "0" * 32
NAME = "prefs"
KEY = TurnKey(SERVICE, SID)

LONG = 60.0
"""Seconds that no test waits."""

SHORT = 0.01
"""Seconds of a turn that a test waits for to end."""


def key_of(address: str, item: str | None = None) -> TurnKey:
    return TurnKey(SERVICE, object_key(DOCUMENT, address), item)


def updated(revision: int) -> Updated:
    return Updated(
        sid=SID,
        unique_name=NAME,
        revision=revision,
        previous=revision - 1,
        at_ms=1,
        by="alice",
        data=b"{}",
        expires_ms=None,
    )


def at(revision: int) -> Document:
    return Document(
        sid=SID,
        unique_name=NAME,
        revision=revision,
        data=b"{}",
        created_ms=1,
        updated_ms=1,
        expires_ms=None,
        created_by="alice",
        updated_by="alice",
    )


class Contender:
    """A client of which the newest document that it was given is known.

    Attributes:
        holds: the revision that it tries with; all begin with 0.
        more: whether other commands wait behind the one that is tried.
        is_refused_as_removed: whether its refusal was answered without a document.
        has_turn: whether the answer to `ask` gave it its turn.
        conflated: the keys for which it was told that it needs only the newest state.
    """

    def __init__(
        self, turns: Turns, identity: str, round_trip: float = LONG, *, item: str | None = None
    ) -> None:
        self.turns = turns
        self.item = item
        self.identity = identity
        self.round_trip = round_trip
        self.holds = 0
        self.more = False
        self.is_refused_as_removed = False
        self.has_turn = False
        self.conflated: list[str] = []
        self.given: asyncio.Task[None] | None = None

    def has_more(self, object_key: str) -> bool:
        return self.more

    def conflate(self, object_key: str) -> None:
        self.conflated.append(object_key)

    async def ask(self, address: str = SID) -> None:
        """Ask for its turn before it writes; returns when it waits, or has an answer."""
        self.given = asyncio.create_task(self._ask(address))
        await settled()

    async def _ask(self, address: str) -> None:
        newest = await self.turns.take_turn(
            key_of(address, self.item), identity=self.identity, client=self
        )
        self.has_turn = newest is not None
        if newest is not None:
            self.holds = newest.revision

    def contend(self, if_match: int | None, address: str = SID) -> Attempt:
        key = key_of(address, self.item)
        return self.turns.contend(key, if_match, identity=self.identity, client=self)

    async def lose(self, newest: Document) -> None:
        """Its write is refused; returns when it waits for its turn, or has it."""
        self.given = asyncio.create_task(self._lose(newest))
        await settled()

    async def _lose(self, newest: Document) -> None:
        async with self.contend(self.holds) as attempt:
            document = await attempt.lost(newest)
            if document is None:
                self.is_refused_as_removed = True
            else:
                self.holds = document.revision

    async def write(self, revision: int, *, if_match: int | None) -> None:
        """A write that succeeds, as soon as it is tried."""
        async with self.contend(if_match) as attempt:
            attempt.won(at(revision))
        await settled()

    @property
    def is_answered(self) -> bool:
        return self.given is not None and self.given.done()

    async def win(self, revision: int) -> None:
        """Its next write gets through; returns when others have been answered."""
        assert self.is_answered
        await self.write(revision, if_match=self.holds)
        self.holds = revision

    async def answered(self) -> None:
        """Wait until its refusal was answered."""
        assert self.given is not None
        await asyncio.wait_for(self.given, WAIT_LIMIT)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def settled() -> None:
    """What can go on without anybody's doing has done so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def begun(turns: Turns) -> Turns:
    """Somebody has written: revision 0 has given way to 1."""
    await Contender(turns, "first").write(1, if_match=0)
    return turns


@pytest.fixture
def limit_hits() -> Counter[Limit]:
    return Counter()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def turns(limit_hits: Counter[Limit]) -> Turns:
    return await begun(Turns(LONG, LONG, limit_hits))


@pytest.fixture
async def short(limit_hits: Counter[Limit], clock: Clock) -> Turns:
    """Turns that end soon; lapses are remembered by `clock`."""
    return await begun(Turns(SHORT, LONG, limit_hits, Lapses(clock)))


@pytest.fixture
def contenders(turns: Turns) -> list[Contender]:
    return [Contender(turns, name) for name in "abcd"]


async def test_without_a_contest_nobody_waits(turns: Turns) -> None:
    await Contender(turns, "a").write(2, if_match=1)


async def test_those_who_lost_are_answered_one_at_a_time_in_the_order_in_which_they_came(
    contenders: list[Contender],
) -> None:
    for contender in contenders:
        await contender.lose(at(1))
    for number, contender in enumerate(contenders):
        assert [each.is_answered for each in contenders] == [i <= number for i in range(4)]
        assert contender.holds == 1 + number
        await contender.win(2 + number)


@pytest.mark.parametrize("address", [SID, NAME])
async def test_nobody_spoils_a_turn(
    turns: Turns, contenders: list[Contender], address: str
) -> None:
    first, second, third, _ = contenders
    await first.lose(at(1))
    await second.lose(at(1))
    trying = asyncio.create_task(third.write(9, if_match=1))
    await settled()
    assert not trying.done()
    await first.win(2)
    assert second.is_answered and not trying.done()
    await second.win(3)
    await asyncio.wait_for(trying, WAIT_LIMIT)


class TestWhoAsksForItsTurn:
    async def test_without_a_contest_nobody_waits(self, contenders: list[Contender]) -> None:
        await contenders[0].ask()
        assert contenders[0].is_answered and not contenders[0].has_turn

    @pytest.mark.parametrize("address", [SID, NAME])
    async def test_is_answered_in_the_order_of_all_with_what_its_only_try_needs(
        self, contenders: list[Contender], address: str
    ) -> None:
        first, second, third, fourth = contenders
        await first.lose(at(1))
        await second.ask(address)
        await third.lose(at(1))
        await fourth.ask(address)
        for number, contender in enumerate(contenders):
            assert [each.is_answered for each in contenders] == [i <= number for i in range(4)]
            assert contender.holds == 1 + number
            await contender.win(2 + number)
        assert [each.has_turn for each in contenders] == [False, True, False, True]

    async def test_keeps_the_turn_that_it_has(self, contenders: list[Contender]) -> None:
        first, second, *_ = contenders
        await first.lose(at(1))
        await second.ask()
        await first.ask()
        assert first.has_turn and first.holds == 1 and not second.is_answered

    async def test_cannot_prolong_its_turn_by_asking_once_more(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        first, second, *_ = contenders
        await first.lose(at(1))
        await second.ask()
        contest = turns.contests.get(KEY)
        assert contest is not None and contest.timer is not None
        ends = contest.timer
        await first.ask()
        assert contest.timer is ends and not ends.cancelled()

    async def test_loses_a_turn_that_it_does_not_use(
        self, turns: Turns, contenders: list[Contender], limit_hits: Counter[Limit]
    ) -> None:
        first, _, third, _ = contenders
        near = Contender(turns, "near", SHORTEST_TURN / ROUND_TRIPS)
        await first.lose(at(1))
        await near.ask()
        await third.ask()
        await first.win(2)
        await third.answered()
        assert near.has_turn and third.has_turn and limit_hits[Limit.TURN_TIMEOUT] == 1

    async def test_gets_none_if_the_object_is_removed(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        first, second, *_ = contenders
        await first.lose(at(1))
        await second.ask()
        async with first.contend(first.holds) as attempt:
            attempt.won(None)
        await second.answered()
        assert not second.has_turn and len(turns.contests) == 0

    async def test_gives_way_to_commands_behind_it(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        first, second, third, _ = contenders
        await first.lose(at(1))
        await second.ask()
        turns.hurry(KEY, second)
        await second.answered()
        third.more = True
        await third.ask()
        assert third.is_answered and not second.has_turn and not third.has_turn

    async def test_passes_its_turn_on_when_it_is_cancelled(
        self, contenders: list[Contender]
    ) -> None:
        first, second, third, _ = contenders
        await first.lose(at(1))
        await second.ask()
        await third.ask()
        await first.win(2)
        assert second.given is not None
        # It has the turn, and may not have resumed.
        second.given.cancel()
        second.turns.contests.forget(second)
        await third.answered()
        assert third.has_turn


async def test_only_a_crowd_is_sent_the_newest_state_alone(turns: Turns) -> None:
    crowd = [Contender(turns, str(number)) for number in range(CROWD + 3)]
    await crowd[0].lose(at(1))
    for each in crowd[1:]:
        await each.ask()
    assert [each.conflated for each in crowd] == [[]] * (CROWD + 1) + [[KEY.object]] * 2


class TestWhatNeverWaits:
    async def test_an_unconditional_write(self, turns: Turns, contenders: list[Contender]) -> None:
        for contender in contenders[:3]:
            await contender.lose(at(1))
        stranger = Contender(turns, "stranger")
        await asyncio.wait_for(stranger.write(2, if_match=None), WAIT_LIMIT)

    async def test_a_patch_once_its_moment_has_passed(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        for contender in contenders[:3]:
            await contender.lose(at(1))
        patcher = object()
        await asyncio.wait_for(turns.wait_to_patch(KEY, patcher), WAIT_LIMIT)
        turns.end_patch(KEY, patcher, at(2))
        # The turn is still the first one's.
        await settled()
        assert [each.is_answered for each in contenders] == [True, False, False, False]

    async def test_a_patch_goes_before_all_turns_to_come(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        first, second, *_ = contenders
        await first.lose(at(1))
        await second.lose(at(1))
        patcher = object()
        patching = asyncio.create_task(turns.wait_to_patch(KEY, patcher))
        await settled()
        await first.win(2)
        assert patching.done() and not second.is_answered
        turns.end_patch(KEY, patcher, at(3))
        await second.answered()
        assert second.holds == 3

    async def test_what_is_sure_to_be_refused(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        for contender in contenders[:2]:
            await contender.lose(at(5))
        await asyncio.wait_for(Contender(turns, "late").write(9, if_match=1), WAIT_LIMIT)

    async def test_a_rival_of_a_lone_refusal(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        await contenders[0].lose(at(1))
        await asyncio.wait_for(Contender(turns, "other").write(2, if_match=1), WAIT_LIMIT)

    @pytest.mark.parametrize("come", ["before", "while it waits"])
    async def test_a_refusal_behind_which_other_commands_wait(
        self, turns: Turns, contenders: list[Contender], come: str
    ) -> None:
        first, second, *_ = contenders
        await first.lose(at(1))
        second.more = come == "before"
        await second.lose(at(1))
        if come != "before":
            assert not second.is_answered
            turns.hurry(key_of(NAME), second)
            await settled()
        assert second.is_answered
        assert second.holds == 1

    async def test_an_unconditional_write_of_a_holder_ends_its_turn(
        self, contenders: list[Contender]
    ) -> None:
        first, second, *_ = contenders
        await first.lose(at(1))
        await second.lose(at(1))
        await first.write(2, if_match=None)
        assert second.is_answered

    async def test_a_patch_of_a_holder_ends_its_turn(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        first, second, *_ = contenders
        await first.lose(at(1))
        await second.lose(at(1))
        turns.give_up(KEY, first)
        await settled()
        assert second.is_answered


class TestWhoEarnsNone:
    @pytest.mark.parametrize("if_match", [7, 10**15])
    async def test_who_names_a_revision_that_never_was(
        self, turns: Turns, contenders: list[Contender], if_match: int
    ) -> None:
        liar = Contender(turns, "liar")
        liar.holds = if_match
        await liar.lose(at(1))
        assert liar.is_answered
        for contender in contenders[:2]:
            await contender.lose(at(1))
        liar.holds = if_match
        await liar.lose(at(1))
        assert liar.is_answered
        # It gets no turn by approaching either: its write is tried, and refused.
        await asyncio.wait_for(liar.write(9, if_match=if_match), WAIT_LIMIT)

    async def test_revisions_of_events_count(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        await contenders[0].lose(at(1))
        turns.record_event(updated(5))
        late = Contender(turns, "late")
        late.holds = 5
        await late.lose(at(6))
        assert not late.is_answered

    async def test_who_lets_turns_go_by(
        self, short: Turns, limit_hits: Counter[Limit], clock: Clock
    ) -> None:
        revisions = count(2)
        absent = Contender(short, "absent")
        for number in range(LAPSES_LIMIT):
            clock.now += STALL
            present = Contender(short, f"present {number}")
            absent.holds = present.holds = 0
            await absent.lose(at(1))
            await present.lose(at(1))
            await present.answered()
            await present.win(next(revisions))
        assert limit_hits[Limit.TURN_TIMEOUT] == LAPSES_LIMIT
        # By another connection of the same identity too.
        again, one, two = (Contender(short, name) for name in ("absent", "one", "two"))
        for each in (one, again, two):
            each.holds = 0
            await each.lose(at(3))
        assert again.is_answered and not two.is_answered
        await two.answered()
        clock.now += LAPSE_MEMORY
        again.holds = 3
        await again.lose(at(4))
        three = Contender(short, "three")
        three.holds = 3
        await three.lose(at(4))
        await three.answered()
        assert limit_hits[Limit.TURN_TIMEOUT] == LAPSES_LIMIT + 2

    async def test_who_tries_with_an_old_revision_does_not_prolong_its_turn(
        self, short: Turns, limit_hits: Counter[Limit]
    ) -> None:
        loser, waiting = Contender(short, "loser"), Contender(short, "waiting")
        await loser.lose(at(2))
        await waiting.lose(at(2))
        while not waiting.is_answered:
            loser.holds = 1
            await loser.lose(at(2))
            await asyncio.sleep(SHORT / 10)
        # The turn of `waiting` may have timed out too, where this task was slow to run again.
        assert limit_hits[Limit.TURN_TIMEOUT] >= 1

    async def test_callers_without_a_connection_beyond_their_limit(
        self, turns: Turns, contenders: list[Contender]
    ) -> None:
        await contenders[0].lose(at(1))

        async def lose() -> None:
            async with turns.contend(KEY, 0, identity="rest") as attempt:
                await attempt.lost(at(1))

        waiting = [asyncio.create_task(lose()) for _ in range(UNKNOWN_CALLERS_LIMIT)]
        await settled()
        assert not any(each.done() for each in waiting)
        await asyncio.wait_for(lose(), WAIT_LIMIT)
        for each in waiting:
            each.cancel()


RESOLUTION = 0.002
"""Seconds by which the clock and the timers of the event loop may differ."""


def now() -> float:
    return asyncio.get_running_loop().time()


class TestHowLongATurnLasts:
    @pytest.mark.parametrize(
        ("round_trip", "length"),
        [
            (0.0, UNKNOWN_TURN),
            (0.001, SHORTEST_TURN),
            (0.03, ROUND_TRIPS * 0.03),
            (3.0, 0.2),
        ],
    )
    async def test_by_the_round_trip_of_its_client(
        self, limit_hits: Counter[Limit], round_trip: float, length: float
    ) -> None:
        turns = await begun(Turns(0.2, LONG, limit_hits))
        contender = Contender(turns, "a", round_trip)
        before = now()
        await contender.lose(at(1))
        assert before - RESOLUTION <= self.end(turns) - length <= now() + RESOLUTION

    async def test_each_lapse_in_a_contest_halves_the_next_turn(
        self, limit_hits: Counter[Limit]
    ) -> None:
        turns = await begun(Turns(4 * SHORTEST_TURN, LONG, limit_hits))
        contenders = [Contender(turns, str(number)) for number in range(5)]
        before = now()
        for each in contenders:
            await each.lose(at(1))
        for each, length in zip(contenders, (4, 2, 1, 1, 1), strict=True):
            await each.answered()
            end = self.end(turns) - length * SHORTEST_TURN
            assert before - RESOLUTION <= end <= now() + RESOLUTION
            before = now()

    async def test_a_try_that_is_under_way_is_waited_for(self, short: Turns) -> None:
        first, second = Contender(short, "a"), Contender(short, "b")
        await first.lose(at(1))
        await second.lose(at(1))
        async with first.contend(first.holds) as attempt:
            await asyncio.sleep(3 * SHORT)
            assert not second.is_answered
            attempt.won(at(2))
        await second.answered()
        assert second.holds == 2

    @staticmethod
    def end(turns: Turns) -> float:
        """Loop time at which the current turn ends."""
        contest = turns.contests.get(KEY)
        assert contest is not None and contest.timer is not None
        return contest.timer.when()


async def test_who_loses_again_keeps_others_waiting(
    turns: Turns, contenders: list[Contender]
) -> None:
    first, second, *_ = contenders
    await first.lose(at(1))
    await first.lose(at(2))
    assert first.is_answered
    trying = asyncio.create_task(second.write(9, if_match=2))
    await settled()
    assert not trying.done()
    await first.win(3)
    await asyncio.wait_for(trying, WAIT_LIMIT)


async def test_another_object_is_another_contest(contenders: list[Contender]) -> None:
    for contender in contenders[:2]:
        await contender.lose(at(1))
    async with contenders[2].contend(1, "other"):
        pass
    elsewhere = KEY._replace(service_sid="IS" + "1" * 32)
    async with contenders[2].turns.contend(elsewhere, 1, identity="a"):
        pass


async def test_rivals_of_one_item_do_not_wait_for_those_of_another(
    turns: Turns, contenders: list[Contender]
) -> None:
    first, second, third, fourth = contenders
    for each in contenders:
        each.item = "x"
    await Contender(turns, "somebody", item="x").write(1, if_match=0)
    for each in (first, second):
        await each.lose(at(1))
    third.item = "y"
    await asyncio.wait_for(third.write(2, if_match=1), WAIT_LIMIT)
    trying = asyncio.create_task(fourth.write(9, if_match=1))
    await settled()
    assert second.given is not None and not second.is_answered and not trying.done()
    await first.win(2)
    await second.win(3)
    await asyncio.wait_for(trying, WAIT_LIMIT)


async def test_who_comes_back_too_late_contends_as_before(short: Turns) -> None:
    late, other = Contender(short, "late"), Contender(short, "other")
    await late.lose(at(1))
    await other.lose(at(1))
    await other.answered()
    async with other.contend(other.holds) as attempt:
        trying = asyncio.create_task(late.write(9, if_match=1))
        await settled()
        assert not trying.done()
        attempt.won(at(2))
    await asyncio.wait_for(trying, WAIT_LIMIT)


async def test_nobody_waits_longer_than_the_limit(limit_hits: Counter[Limit]) -> None:
    turns = await begun(Turns(LONG, SHORT, limit_hits))
    first, second = Contender(turns, "first"), Contender(turns, "second")
    await first.lose(at(1))
    await second.lose(at(1))
    await second.answered()
    assert second.holds == 1
    assert limit_hits[Limit.TURN_WAIT] == 1


async def test_who_has_gone_has_no_turn(turns: Turns, contenders: list[Contender]) -> None:
    first, second, third, _ = contenders
    for contender in (first, second, third):
        await contender.lose(at(1))
    assert second.given is not None
    second.given.cancel()
    await settled()
    turns.contests.forget(first)
    await settled()
    assert third.is_answered


async def test_a_try_that_fails_otherwise_ends_the_turn(contenders: list[Contender]) -> None:
    first, second, *_ = contenders
    await first.lose(at(1))
    await second.lose(at(1))
    with pytest.raises(ZeroDivisionError):
        async with first.contend(first.holds):
            raise ZeroDivisionError
    await settled()
    assert second.is_answered


@pytest.mark.parametrize("how", ["in its turn", "unconditionally", "elsewhere"])
async def test_all_who_wait_learn_at_once_of_a_removal(
    turns: Turns, contenders: list[Contender], how: str
) -> None:
    first, second, third, other = contenders
    for contender in (first, second, third):
        await contender.lose(at(1))
    remover = other if how == "unconditionally" else first
    if_match = None if how == "unconditionally" else first.holds
    async with remover.contend(if_match) as attempt:
        if how == "elsewhere":
            attempt.found_removed()
        else:
            attempt.won(None)
    await settled()
    assert second.is_answered and third.is_answered
    assert second.is_refused_as_removed and third.is_refused_as_removed
    assert not turns.contests


class TestCallersWithoutAConnection:
    async def test_are_known_by_the_revision_that_they_were_given(self, turns: Turns) -> None:
        first, second = (asyncio.create_task(self.lose(turns)) for _ in range(2))
        await settled()
        assert first.done() and not second.done()
        async with turns.contend(KEY, first.result(), identity="rest") as attempt:
            attempt.won(at(2))
        assert await asyncio.wait_for(second, WAIT_LIMIT) == 2

    async def test_nothing_is_kept_for_them(self, turns: Turns) -> None:
        first, second = (asyncio.create_task(self.lose(turns)) for _ in range(2))
        await settled()
        assert first.done() and not second.done()
        await asyncio.wait_for(Contender(turns, "other").write(2, if_match=1), WAIT_LIMIT)
        second.cancel()

    async def test_one_that_loses_in_its_turn_is_answered_at_once(self, turns: Turns) -> None:
        first, second = (asyncio.create_task(self.lose(turns)) for _ in range(2))
        await settled()
        assert first.done() and not second.done()
        again = asyncio.create_task(self.lose(turns, if_match=first.result(), newest=3))
        assert await asyncio.wait_for(again, WAIT_LIMIT) == 3
        second.cancel()

    @staticmethod
    async def lose(turns: Turns, if_match: int = 0, newest: int = 1) -> int:
        async with turns.contend(KEY, if_match, identity="rest") as attempt:
            document = await attempt.lost(at(newest))
            assert document is not None
            return document.revision


class TestLapses:
    @pytest.fixture
    def lapses(self, clock: Clock) -> Lapses:
        return Lapses(clock)

    def lapse(self, lapses: Lapses, clock: Clock, times: int = 1) -> None:
        for _ in range(times):
            clock.now += STALL
            lapses.add("alice", SID, 1)

    def test_are_made_up_for_by_writes_in_contests_for_the_same_object(
        self, lapses: Lapses, clock: Clock
    ) -> None:
        for _ in range(3 * LAPSES_LIMIT):
            self.lapse(lapses, clock)
            for _ in range(POINTS):
                lapses.forgive("alice", SID)
        assert not lapses.exhausted("alice")
        assert len(lapses) == 0
        self.lapse(lapses, clock, LAPSES_LIMIT)
        for _ in range(100):
            lapses.forgive("alice", "ET" + "f" * 32)
        assert lapses.exhausted("alice")

    def test_of_a_machine_that_pauses_are_one(self, lapses: Lapses) -> None:
        for _ in range(100):
            lapses.add("alice", SID, 1)
        assert not lapses.exhausted("alice")

    def test_of_who_comes_late_do_not_count(self, lapses: Lapses, clock: Clock) -> None:
        for _ in range(3 * LAPSES_LIMIT):
            self.lapse(lapses, clock)
            lapses.come_late("alice", SID, 2)
            lapses.come_late("alice", SID, 1)
            lapses.come_late("alice", SID, 1)
            assert not lapses.exhausted("alice")
        self.lapse(lapses, clock, LAPSES_LIMIT)
        clock.now += LATE
        lapses.come_late("alice", SID, 1)
        assert lapses.exhausted("alice")

    def test_are_forgotten_after_a_while(self, lapses: Lapses, clock: Clock) -> None:
        self.lapse(lapses, clock, LAPSES_LIMIT)
        clock.now += LAPSE_MEMORY
        assert not lapses.exhausted("alice")
        assert len(lapses) == 0

    def test_are_remembered_of_a_bounded_number_of_identities(
        self, lapses: Lapses, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("syncline_server.objects.lapses.IDENTITIES_LIMIT", 3)
        for number in range(5):
            for _ in range(LAPSES_LIMIT):
                clock.now += STALL
                lapses.add(number, SID, 1)
        assert [lapses.exhausted(number) for number in range(5)] == [False] * 2 + [True] * 3


async def test_a_contest_ends_with_the_last_who_contends(
    turns: Turns, contenders: list[Contender]
) -> None:
    for contender in contenders:
        await contender.lose(at(1))
    for number, contender in enumerate(contenders):
        await contender.win(2 + number)
    assert not turns.contests


async def test_what_is_remembered_of_revisions_is_bounded(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncline_server.objects.recent_revisions.OBJECTS_LIMIT", 3)
    recent = turns._recent
    for number in range(5):
        recent.record(f"ET{number}", *range(100))
    assert len(recent) == 3
    assert not recent.has("ET0", 99)
    assert recent.has("ET4", 99) and not recent.has("ET4", 0)
