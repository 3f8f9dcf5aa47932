from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from support.store import PATIENCE
from syncline_protocol.documents import Document
from syncline_server.objects.turns import LAPSES_LIMIT, Turns

SERVICE = "IS" + "0" * 32
SID = "ET" + "0" * 32
NAME = "prefs"

LONG = 60.0
"""Seconds that no test waits."""


def at(revision: int) -> Document:
    return Document(SID, NAME, revision, b"{}", 1, 1, None, "alice", "alice")


class Contender:
    """A client of whom the newest document that it was told is known."""

    def __init__(self, turns: Turns, name: str) -> None:
        self.turns = turns
        self.name = name
        self.told: asyncio.Task[Document] | None = None

    async def lose(self, newest: Document) -> None:
        """Its write is refused; returns when it waits for its turn, or has it."""
        self.told = asyncio.create_task(self.turns.after_refusal(SERVICE, self, newest))
        await asyncio.sleep(0)

    @property
    def has_turn(self) -> bool:
        return self.told is not None and self.told.done()

    async def win(self, revision: int) -> None:
        """Its next write gets through; returns when others have heard of it."""
        assert self.told is not None
        self.turns.after_write(SERVICE, SID, self, self.told.result().revision, at(revision))
        await settled()


async def settled() -> None:
    """What can go on without anybody's doing has done so."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def bounds() -> Counter[str]:
    return Counter()


@pytest.fixture
def turns(bounds: Counter[str]) -> Turns:
    return Turns(LONG, LONG, bounds)


@pytest.fixture
def contenders(turns: Turns) -> list[Contender]:
    return [Contender(turns, name) for name in "abcd"]


async def test_without_a_contest_nobody_waits(turns: Turns) -> None:
    await turns.approach(SERVICE, SID, object(), 5)
    turns.after_write(SERVICE, SID, object(), 5, at(6))


async def test_those_who_lost_are_told_one_at_a_time_in_the_order_in_which_they_came(
    contenders: list[Contender],
) -> None:
    for contender in contenders:
        await contender.lose(at(1))
    for number, contender in enumerate(contenders):
        assert [each.has_turn for each in contenders] == [i <= number for i in range(4)]
        await contender.win(2 + number)


async def test_each_is_told_the_newest_document(contenders: list[Contender]) -> None:
    for contender in contenders:
        await contender.lose(at(1))
    for number, contender in enumerate(contenders):
        assert contender.told is not None
        assert contender.told.result().revision == 1 + number
        await contender.win(2 + number)


@pytest.mark.parametrize("address", [SID, NAME])
async def test_nobody_spoils_a_turn(
    turns: Turns, contenders: list[Contender], address: str
) -> None:
    first, second, *_ = contenders
    await first.lose(at(1))
    await second.lose(at(1))
    stranger = object()
    trying = asyncio.create_task(turns.approach(SERVICE, address, stranger, 1))
    await settled()
    assert not trying.done()
    await first.win(2)
    assert second.has_turn and not trying.done()
    await second.win(3)
    await asyncio.wait_for(trying, PATIENCE)


async def test_a_write_that_is_sure_to_be_refused_does_not_wait_to_find_out(
    turns: Turns, contenders: list[Contender]
) -> None:
    for contender in contenders[:2]:
        await contender.lose(at(5))
    await asyncio.wait_for(turns.approach(SERVICE, SID, object(), 4), PATIENCE)


async def test_a_lone_refusal_holds_up_nobody(turns: Turns, contenders: list[Contender]) -> None:
    await contenders[0].lose(at(1))
    await asyncio.wait_for(turns.approach(SERVICE, SID, object(), 1), PATIENCE)


async def test_who_loses_again_holds_up_others(turns: Turns, contenders: list[Contender]) -> None:
    first = contenders[0]
    await first.lose(at(1))
    await first.lose(at(2))
    assert first.has_turn
    trying = asyncio.create_task(turns.approach(SERVICE, SID, object(), 2))
    await settled()
    assert not trying.done()
    await first.win(3)
    await asyncio.wait_for(trying, PATIENCE)


async def test_another_document_is_another_contest(
    turns: Turns, contenders: list[Contender]
) -> None:
    for contender in contenders[:2]:
        await contender.lose(at(1))
    await asyncio.wait_for(turns.approach(SERVICE, "other", object(), 1), PATIENCE)
    await asyncio.wait_for(turns.approach("IS" + "1" * 32, SID, object(), 1), PATIENCE)


async def test_who_does_not_come_back_loses_its_turn(bounds: Counter[str]) -> None:
    turns = Turns(0.01, LONG, bounds)
    absent, present = Contender(turns, "absent"), Contender(turns, "present")
    await absent.lose(at(1))
    await present.lose(at(1))
    assert present.told is not None
    await asyncio.wait_for(present.told, PATIENCE)
    assert bounds["turn_timeout"] == 1


async def test_who_lets_turns_go_by_gets_no_other_while_the_contest_lasts(
    bounds: Counter[str],
) -> None:
    turns = Turns(0.01, LONG, bounds)
    absent = Contender(turns, "absent")
    for number in range(LAPSES_LIMIT):
        next_one = Contender(turns, f"next {number}")
        await absent.lose(at(1))
        await next_one.lose(at(1))
        assert next_one.told is not None
        await asyncio.wait_for(next_one.told, PATIENCE)
    await absent.lose(at(1))
    assert absent.has_turn
    assert bounds["turn_timeout"] >= LAPSES_LIMIT


async def test_who_comes_back_too_late_contends_as_before(bounds: Counter[str]) -> None:
    turns = Turns(0.01, LONG, bounds)
    late, other = Contender(turns, "late"), Contender(turns, "other")
    await late.lose(at(1))
    await other.lose(at(1))
    assert other.told is not None
    await asyncio.wait_for(other.told, PATIENCE)
    trying = asyncio.create_task(turns.approach(SERVICE, SID, late, 1))
    await settled()
    assert not trying.done()
    await other.win(2)
    await asyncio.wait_for(trying, PATIENCE)


async def test_nobody_waits_for_ever(bounds: Counter[str]) -> None:
    turns = Turns(LONG, 0.01, bounds)
    first, second = Contender(turns, "first"), Contender(turns, "second")
    await first.lose(at(1))
    await second.lose(at(1))
    assert second.told is not None
    assert (await asyncio.wait_for(second.told, PATIENCE)).revision == 1
    assert bounds["turn_wait"] == 1


async def test_who_has_gone_has_no_turn(turns: Turns, contenders: list[Contender]) -> None:
    first, second, third, _ = contenders
    for contender in (first, second, third):
        await contender.lose(at(1))
    assert second.told is not None
    second.told.cancel()
    await settled()
    turns.forget(first)
    await settled()
    assert third.has_turn


async def test_a_caller_without_a_session_is_known_by_the_revision_that_it_was_told(
    turns: Turns,
) -> None:
    first = asyncio.create_task(turns.after_refusal(SERVICE, None, at(1)))
    second = asyncio.create_task(turns.after_refusal(SERVICE, None, at(1)))
    await settled()
    assert first.done() and not second.done()
    await asyncio.wait_for(turns.approach(SERVICE, SID, None, 1), PATIENCE)
    turns.after_write(SERVICE, SID, None, 1, at(2))
    assert (await asyncio.wait_for(second, PATIENCE)).revision == 2


async def test_nothing_is_kept_for_a_caller_without_a_session(turns: Turns) -> None:
    first = asyncio.create_task(turns.after_refusal(SERVICE, None, at(1)))
    second = asyncio.create_task(turns.after_refusal(SERVICE, None, at(1)))
    await settled()
    assert first.done() and not second.done()
    await asyncio.wait_for(turns.approach(SERVICE, SID, object(), 1), PATIENCE)
    turns.after_write(SERVICE, SID, None, 1, at(2))
    await asyncio.wait_for(second, PATIENCE)


async def test_a_contest_ends_with_the_last_who_contends(
    turns: Turns, contenders: list[Contender]
) -> None:
    for contender in contenders:
        await contender.lose(at(1))
    for number, contender in enumerate(contenders):
        await contender.win(2 + number)
    assert not turns._contests
