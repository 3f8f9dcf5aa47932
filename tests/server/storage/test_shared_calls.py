"""Calls of one turn that ask the same share one reply."""

from __future__ import annotations

import asyncio

import pytest

from support.store import Service
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT
from syncline_protocol.sids import SID_ENTROPY_BYTES, make_sid
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import Objects
from syncline_server.storage.rights import Right
from syncline_server.storage.shared_calls import SharedCalls


class Asked:
    """A store whose replies the test gives."""

    def __init__(self) -> None:
        self.turn = 0
        self.replies: list[asyncio.Future[int | None]] = []
        self.shared = SharedCalls(lambda: self.turn)

    def ask(self, key: str = "a") -> asyncio.Task[tuple[int | None, bool]]:
        async def call() -> int | None:
            self.replies.append(asyncio.get_running_loop().create_future())
            return await self.replies[-1]

        return asyncio.create_task(self.shared.first(key, call))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def asked() -> Asked:
    return Asked()


@pytest.mark.parametrize("reply", [7, None])
async def test_callers_of_one_turn_share_a_reply(asked: Asked, reply: int | None) -> None:
    tasks = [asked.ask() for _ in range(3)]
    await settle()
    [answer] = asked.replies
    answer.set_result(reply)
    assert [await task for task in tasks] == [(reply, True), (reply, False), (reply, False)]


async def test_no_one_gets_a_reply_to_what_was_sent_before(asked: Asked) -> None:
    first = asked.ask()
    await settle()
    asked.turn += 1
    second = asked.ask()
    await settle()
    assert len(asked.replies) == 2
    for number, answer in enumerate(asked.replies):
        answer.set_result(number)
    assert [await first, await second] == [(0, True), (1, True)]


async def test_other_keys_are_other_calls(asked: Asked) -> None:
    tasks = [asked.ask("a"), asked.ask("b")]
    await settle()
    for number, answer in enumerate(asked.replies):
        answer.set_result(number)
    assert [await task for task in tasks] == [(0, True), (1, True)]


async def test_a_failure_is_not_shared(asked: Asked) -> None:
    tasks = [asked.ask() for _ in range(3)]
    await settle()
    asked.replies[0].set_exception(ValueError)
    await settle()
    for answer in asked.replies[1:]:
        answer.set_result(1)
    with pytest.raises(ValueError):
        await tasks[0]
    assert [await task for task in tasks[1:]] == [(1, True), (1, True)]


async def test_who_leaves_takes_no_one_along(asked: Asked) -> None:
    first, second, third = (asked.ask() for _ in range(3))
    await settle()
    second.cancel()
    first.cancel()
    await settle()
    asked.replies[1].set_result(1)
    assert await third == (1, True)
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_a_call_that_has_ended_leaves_nothing(asked: Asked) -> None:
    for expected in range(3):
        task = asked.ask()
        await settle()
        asked.replies[-1].set_result(expected)
        assert await task == (expected, True)
    assert len(asked.replies) == 3 and not asked.shared._calls


async def test_reads_of_one_object_share_a_script(
    objects: Objects, service: Service, service_sid: str
) -> None:
    made = await service.create("herd")
    at = ObjectAddress(service_sid, DOCUMENT, "herd")
    states = await asyncio.gather(*[objects.get(at) for _ in range(5)])
    assert states[0] == made and all(state is states[0] for state in states)
    gone = ObjectAddress(service_sid, DOCUMENT, make_sid(DOCUMENT, 0, bytes(SID_ENTROPY_BYTES)))
    assert await asyncio.gather(*[objects.get(gone) for _ in range(3)]) == [None, None, None]


async def test_a_read_that_checks_rights_is_its_callers_own(
    objects: Objects, service: Service, service_sid: str
) -> None:
    await service.create("herd")
    at = ObjectAddress(service_sid, DOCUMENT, "herd")
    reads = [objects.get(at), objects.get(at, "stranger", Right.READ), objects.get(at)]
    found = await asyncio.gather(*reads, return_exceptions=True)
    assert found[0] is found[2]
    assert isinstance(found[1], Refusal) and found[1].code is Code.ACCESS_FORBIDDEN
