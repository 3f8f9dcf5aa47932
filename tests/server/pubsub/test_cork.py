from __future__ import annotations

import asyncio
import logging

import pytest

from syncline_server.pubsub.cork import Cork, Corked
from syncline_server.pubsub.plain_outlets import FRAMES_LIMIT


class Client:
    """Attributes: `written`: what each write brought."""

    def __init__(self) -> None:
        self.corked: list[bytes] | None = None
        self.written: list[bytes] = []
        self.write = self.written.append


class Broken(Client):
    """One that cannot be written to."""

    def __init__(self) -> None:
        super().__init__()
        self.write = self.fail

    def fail(self, data: bytes) -> None:
        raise ValueError("broken")


class Ended(Broken):
    """One whose connection has ended, as uvloop says it."""

    def fail(self, data: bytes) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")


@pytest.fixture
async def cork() -> Cork:
    return Cork()


def by_number(clients: list[Client]) -> dict[int, Corked]:
    return dict(enumerate(clients))


async def end_turn() -> None:
    await asyncio.sleep(0)


async def test_what_is_put_in_one_turn_leaves_in_one_write(cork: Cork) -> None:
    client = Client()
    for frame in (b"a", b"b", b"c"):
        cork.add_frame(client, frame)
    assert client.written == []
    await end_turn()
    cork.add_frame(client, b"d")
    await end_turn()
    assert client.written == [b"abc", b"d"]


async def test_a_frame_for_many_that_comes_alone_is_written_at_once(cork: Cork) -> None:
    clients = [Client() for _ in range(3)]
    cork.write_to_all(by_number(clients), b"a")
    assert [client.written for client in clients] == [[b"a"]] * 3


async def test_those_after_it_wait_for_the_end_of_the_turn(cork: Cork) -> None:
    clients = [Client() for _ in range(3)]
    for frame in (b"a", b"b", b"c"):
        cork.write_to_all(by_number(clients), frame)
    assert [client.written for client in clients] == [[b"a"]] * 3
    await end_turn()
    assert [client.written for client in clients] == [[b"a", b"bc"]] * 3
    cork.write_to_all(by_number(clients), b"d")
    assert [client.written[-1] for client in clients] == [b"d"] * 3


async def test_no_frame_overtakes_another_of_its_client(cork: Cork) -> None:
    client, other = Client(), Client()
    cork.add_frame(client, b"reply")
    cork.write_to_all(by_number([client, other]), b"event")
    await end_turn()
    assert client.written == [b"replyevent"]
    assert other.written == [b"event"]


async def test_what_waits_can_be_written_before_its_time(cork: Cork) -> None:
    client = Client()
    cork.add_frame(client, b"a")
    cork.flush(client)
    cork.add_frame(client, b"b")
    assert client.written == [b"a"]
    await end_turn()
    assert client.written == [b"a", b"b"]


async def test_no_more_waits_than_may(cork: Cork) -> None:
    client = Client()
    for _ in range(FRAMES_LIMIT + 1):
        cork.add_frame(client, b"x")
    assert client.written == [b"x" * FRAMES_LIMIT]
    await end_turn()
    assert client.written == [b"x" * FRAMES_LIMIT, b"x"]


async def test_one_that_fails_keeps_nothing_from_the_others(
    cork: Cork, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [Client(), Broken(), Client()]
    with caplog.at_level(logging.ERROR):
        cork.write_to_all(by_number(clients), b"a")
        cork.write_to_all(by_number(clients), b"b")
        await end_turn()
    assert [client.written for client in clients] == [[b"a", b"b"], [], [b"a", b"b"]]
    assert len(caplog.records) == 2


async def test_a_connection_that_has_ended_is_no_error(
    cork: Cork, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [Client(), Ended(), Client()]
    with caplog.at_level(logging.INFO):
        cork.write_to_all(by_number(clients), b"a")
        cork.write_to_all(by_number(clients), b"b")
        await end_turn()
    assert [client.written for client in clients] == [[b"a", b"b"], [], [b"a", b"b"]]
    assert caplog.records == []


@pytest.mark.parametrize("failing", [Broken, Ended])
async def test_one_that_fails_where_frames_are_many_keeps_none_from_the_others(
    cork: Cork, failing: type[Client]
) -> None:
    clients = [Client(), failing(), Client()]
    for _ in range(FRAMES_LIMIT + 2):
        cork.write_to_all(by_number(clients), b"x")
    await end_turn()
    assert [b"".join(client.written) for client in clients] == [
        b"x" * (FRAMES_LIMIT + 2),
        b"",
        b"x" * (FRAMES_LIMIT + 2),
    ]
