"""Subscriptions and what comes of them, as each SDK asks for them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from support.api import unique
from support.server import RunningServer, StartServer
from support.twilsock import DIALECTS, Dialect, TwilsockClient, twilsock_client
from syncline_protocol.commands import Command, Unsubscribe
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import TYPES, ObjectType
from syncline_server.observability.metrics import Tally
from syncline_server.realtime.results import Answer
from syncline_server.realtime.twilsock.batches import Batch
from syncline_server.realtime.twilsock.item_reads import ItemReads
from syncline_server.realtime.twilsock.subscriptions import Subscriptions

both = pytest.mark.parametrize("dialect", DIALECTS)


async def create(client: TwilsockClient, **members: Any) -> Any:
    status, made = await client.call("POST", "/v3/Documents", members)
    assert status == 201, made
    return made


async def write(client: TwilsockClient, made: Any, **members: Any) -> Any:
    status, written = await client.call("POST", f"/v3/Documents/{made['sid']}", members)
    assert status == 200, written
    return written


def wanted(made: Any, last_event_id: int | None = None) -> dict[str, Any]:
    """The newest state that the client has is the one that it made, if nothing else is said."""
    known = made["last_event_id"] if last_event_id is None else last_event_id
    return {"object_sid": made["sid"], "object_type": "document", "last_event_id": known}


def established(made: Any, correlation_id: int, revision: int) -> dict[str, Any]:
    return {
        "event_type": "subscription_established",
        "event_protocol_version": 4,
        "correlation_id": correlation_id,
        "events": [
            {
                "object_sid": made["sid"],
                "object_type": "document",
                "replay_status": "completed",
                "last_event_id": revision,
            }
        ],
    }


@both
async def test_receipt_first_then_the_outcome(server: RunningServer, dialect: Dialect) -> None:
    async with twilsock_client(server, dialect=dialect) as client:
        made = await create(client)
        receipt = await client.subscribe("establish", 7, wanted(made))
        assert receipt == {
            "estimated_delivery_in_ms": 5000,
            "max_batch_size": 100,
            "ttl_in_s": -1,
        }
        assert await client.event() == established(made, 7, made["last_event_id"])


@both
async def test_who_missed_something_gets_the_newest_state_once(
    server: RunningServer, dialect: Dialect
) -> None:
    async with twilsock_client(server, dialect=dialect) as client:
        made = await create(client, unique_name=None, data={"n": 0}, ttl=60)
        await write(client, made, data={"n": 1})
        newest = await write(client, made, data={"n": 2})
        await client.subscribe("establish", 3, wanted(made))
        assert await client.event() == {
            "event_type": "document_updated",
            "event_protocol_version": 4,
            "correlation_id": 3,
            "event": {
                "id": newest["last_event_id"],
                "document_sid": made["sid"],
                "document_unique_name": None,
                "document_revision": newest["revision"],
                "document_data": {"n": 2},
                "date_created": newest["date_updated"],
                "date_expires": made["date_expires"],
            },
        }
        assert await client.event() == established(made, 3, newest["last_event_id"])


@pytest.mark.parametrize("known", [None, -1, "0", 1.5, True])
async def test_who_knows_nothing_gets_the_newest_state(server: RunningServer, known: Any) -> None:
    async with twilsock_client(server) as client:
        made = await create(client)
        request = {**wanted(made), "last_event_id": known}
        await client.subscribe("establish", 1, request)
        assert (await client.event())["event"]["id"] == made["last_event_id"]
        assert await client.event() == established(made, 1, made["last_event_id"])


@both
async def test_events_of_others_and_of_oneself(server: RunningServer, dialect: Dialect) -> None:
    async with (
        twilsock_client(server, server.token("ada"), dialect=dialect) as ada,
        twilsock_client(server, server.token("bob"), dialect=dialect) as bob,
    ):
        made = await create(ada, unique_name=unique())
        for client in (ada, bob):
            await client.subscribe("establish", 1, wanted(made))
            await client.event()
        written = await write(ada, made, data={"by": "ada"}, ttl=60)
        updated = {
            "event_type": "document_updated",
            "event_protocol_version": 4,
            "event": {
                "id": written["last_event_id"],
                "document_sid": made["sid"],
                "document_unique_name": made["unique_name"],
                "document_revision": written["revision"],
                "document_data": {"by": "ada"},
                "date_created": written["date_updated"],
                "date_expires": written["date_expires"],
            },
        }
        assert await ada.event() == await bob.event() == updated
        assert (await bob.call("DELETE", f"/v3/Documents/{made['sid']}"))[0] == 204
        removed = await ada.event()
        assert removed == await bob.event()
        assert removed["event_type"] == "document_removed"
        assert removed["event"]["document_sid"] == made["sid"]
        assert removed["event"]["document_unique_name"] == made["unique_name"]


async def test_time_to_live_alone_is_an_event_too(server: RunningServer) -> None:
    async with twilsock_client(server) as client:
        made = await create(client, data={"n": 1})
        await client.subscribe("establish", 1, wanted(made))
        await client.event()
        written = await write(client, made, ttl=60)
        event = (await client.event())["event"]
        assert event["id"] == written["last_event_id"] > made["last_event_id"]
        assert event["date_expires"] == written["date_expires"]
        assert event["document_data"] == {"n": 1}


async def test_reply_to_a_write_comes_before_its_event(server: RunningServer) -> None:
    async with twilsock_client(server) as client:
        made = await create(client)
        await client.subscribe("establish", 1, wanted(made))
        await client.event()
        for number in range(50):
            packet_id = await client.send(
                "message",
                b'{"data":{"n":%d}}' % number,
                http_request={
                    "method": "POST",
                    "host": "h",
                    "path": f"/v3/Documents/{made['sid']}",
                },
            )
            reply, event = await client.receive(), await client.receive()
            assert (reply.method, reply.id) == ("reply", packet_id)
            assert event.method == "notification"


@both
async def test_what_is_gone_and_what_never_was(server: RunningServer, dialect: Dialect) -> None:
    async with twilsock_client(server, dialect=dialect) as client:
        gone = await create(client)
        await client.call("DELETE", f"/v3/Documents/{gone['sid']}")
        for request, code in [
            (wanted(gone), 54100),
            ({**wanted(gone), "object_sid": "a name"}, 20404),
            ({"object_sid": f"ES{'0' * 32}", "object_type": "list"}, 54150),
            ({"object_sid": f"MP{'0' * 32}", "object_type": "map"}, 54200),
            ({"object_sid": f"TO{'0' * 32}", "object_type": "stream"}, 54250),
        ]:
            await client.subscribe("establish", 2, request)
            outcome = await client.event()
            assert outcome["event_type"] == "subscription_failed"
            assert outcome["correlation_id"] == 2
            (event,) = outcome["events"]
            assert event["object_sid"] == request["object_sid"]
            assert (event["error"]["status"], event["error"]["code"]) == (404, code)
            assert event["error"]["message"]


@both
async def test_canceling_ends_the_events(server: RunningServer, dialect: Dialect) -> None:
    async with twilsock_client(server, dialect=dialect) as client:
        made = await create(client)
        await client.subscribe("establish", 1, wanted(made))
        await client.event()
        cancel = {"object_sid": made["sid"], "object_type": "document"}
        for correlation_id in (2, 3):  # the second time there is nothing to end
            await client.subscribe("cancel", correlation_id, cancel)
            assert await client.event() == {
                "event_type": "subscription_canceled",
                "event_protocol_version": 4,
                "correlation_id": correlation_id,
                "events": [cancel],
            }
        await write(client, made, data={"n": 1})
        await client.ask("ping")
        assert client.unread == []


async def test_connection_holds_so_many_and_no_more(fresh_server: StartServer) -> None:
    server = fresh_server("--max-subscriptions=3")
    async with twilsock_client(server) as client:
        made = [await create(client) for _ in range(4)]
        for each in made[:3]:
            await client.subscribe("establish", 1, wanted(each))
            assert (await client.event())["event_type"] == "subscription_established"
        await client.subscribe("establish", 1, wanted(made[3]))
        (event,) = (await client.event())["events"]
        assert event["error"]["code"] == 54419
        await client.subscribe("cancel", 1, wanted(made[0]))
        await client.event()
        await client.subscribe("establish", 1, wanted(made[3]))
        assert (await client.event())["event_type"] == "subscription_established"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"action": "steal", "correlation_id": 1, "requests": []},
        {"action": "establish", "correlation_id": "1", "requests": []},
        {"action": "establish", "correlation_id": True, "requests": []},
        {"action": "establish", "correlation_id": 1},
        {"action": "establish", "correlation_id": 1, "requests": {}},
        {"action": "establish", "correlation_id": 1, "requests": [{}] * 1001},
        {"action": "establish", "correlation_id": 1, "requests": [None]},
        {"action": "establish", "correlation_id": 1, "requests": [{"object_sid": "ET"}]},
        {
            "action": "establish",
            "correlation_id": 1,
            "requests": [{"object_sid": "x" * 65, "object_type": "document"}],
        },
        {"action": "cancel", "correlation_id": 1, "requests": [{"object_type": "document"}]},
    ],
)
async def test_request_that_cannot_be_read_is_refused_whole(
    server: RunningServer, body: Any
) -> None:
    async with twilsock_client(server) as client:
        status, refusal = await client.call("POST", "/v4/Subscriptions", body)
        assert (status, refusal["status"]) == (400, 400)
        await client.ask("ping")
        assert client.unread == []


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.TOO_MANY_REQUESTS, Code.INTERNAL])
def test_what_may_succeed_later_has_no_outcome_yet(code: Code) -> None:
    """An SDK asks again for what has had no outcome, and never for what has failed."""
    frames: list[bytes] = []

    def submit(_: Command, answer: Answer) -> None:
        answer(Refusal(code, "Later."))

    request = {"object_sid": f"ET{'0' * 32}", "object_type": "document"}
    batch = {"action": "establish", "correlation_id": 1, "requests": [request]}
    subscriptions = Subscriptions(submit, frames.append, reads=ItemReads(), tally=Tally())
    subscriptions.carry_out(Batch.parse(orjson.dumps(batch), 100), "")
    assert frames == []


@pytest.mark.parametrize("type_", TYPES)
def test_server_ends_the_subscription_of_any_object(type_: ObjectType) -> None:
    sent = list[Command]()

    def submit(command: Command, _: Answer) -> None:
        sent.append(command)

    frames = list[bytes]()
    subscriptions = Subscriptions(submit, frames.append, reads=ItemReads(), tally=Tally())
    sid = type_.prefix + "0" * 32
    subscriptions.end(sid)
    [command] = sent
    assert isinstance(command, Unsubscribe)
    assert command.key == sid
    assert frames == []
