"""The versions of events: a client is answered in the one that it asked for."""

from __future__ import annotations

from typing import Any

import pytest

from support.server import RunningServer, StartServer
from support.twilsock import TwilsockClient, twilsock_client


async def create(client: TwilsockClient) -> Any:
    _, made = await client.call("POST", "/v3/Documents", {"data": {"n": 0}})
    return made


async def write(client: TwilsockClient, made: Any, n: int) -> None:
    body = {"data": {"n": n}}
    assert (await client.call("POST", f"/v3/Documents/{made['sid']}", body))[0] == 200


def wanted(made: Any, known: bool = True) -> dict[str, Any]:
    revision = {"last_event_id": made["last_event_id"]} if known else {}
    return {"object_sid": made["sid"], "object_type": "document", **revision}


def outcome(event: Any) -> tuple[int, str, Any]:
    """Version, type, and what the event is about; it must be in the form of its version."""
    version = event["event_protocol_version"]
    if event["event_type"].startswith("document_"):
        assert "events" not in event
        return version, event["event_type"], event["event"]
    if version == 3:
        assert "events" not in event
        return version, event["event_type"], event["event"]
    assert "event" not in event
    [only] = event["events"]
    return version, event["event_type"], only


@pytest.mark.parametrize(("asked", "version"), [(3, 3), (4, 4), (None, 3)])
@pytest.mark.parametrize("deflate", [False, True])
async def test_everything_comes_in_the_version_that_is_asked_for(
    server: RunningServer, fresh_server: StartServer, asked: int | None, version: int, deflate: bool
) -> None:
    if deflate:
        server = fresh_server("--deflate")
    async with twilsock_client(server) as client:
        made = await create(client)
        gone = {"object_sid": f"ET{'0' * 32}", "object_type": "document"}
        await client.subscribe("establish", 1, wanted(made, known=False), gone, version=asked)
        received = [outcome(await client.event()) for _ in range(3)]
        received.sort(key=lambda each: each[1])
        assert [(number, kind) for number, kind, _ in received] == [
            (version, "document_updated"),
            (version, "subscription_established"),
            (version, "subscription_failed"),
        ]
        assert received[1][2]["object_sid"] == made["sid"]
        assert received[2][2]["error"]["status"] == 404
        for n in (1, 2):
            await write(client, made, n)
            number, kind, event = outcome(await client.event())
            assert (number, kind, event["document_data"]) == (version, "document_updated", {"n": n})
        await client.subscribe("cancel", 2, wanted(made), version=asked)
        assert outcome(await client.event())[:2] == (version, "subscription_canceled")
        await client.subscribe("establish", 3, wanted(made, known=False), version=asked)
        await client.event(), await client.event()
        await client.call("DELETE", f"/v3/Documents/{made['sid']}")
        assert outcome(await client.event())[:2] == (version, "document_removed")


async def test_versions_on_one_connection(server: RunningServer) -> None:
    """Outcomes are in the version of their request, events in that of the newest request."""
    async with twilsock_client(server) as client:
        old, new = await create(client), await create(client)
        await client.subscribe("establish", 1, wanted(old), version=3)
        assert outcome(await client.event())[:2] == (3, "subscription_established")
        await write(client, old, 1)
        assert outcome(await client.event())[:2] == (3, "document_updated")
        await client.subscribe("establish", 2, wanted(new), version=4)
        assert outcome(await client.event())[:2] == (4, "subscription_established")
        for made in (old, new):
            await write(client, made, 2)
            version, kind, event = outcome(await client.event())
            assert (version, kind) == (4, "document_updated")
            assert event["document_sid"] == made["sid"]
        await client.subscribe("cancel", 3, wanted(new), version=3)
        assert outcome(await client.event())[:2] == (3, "subscription_canceled")
        await write(client, old, 3)
        assert outcome(await client.event())[:2] == (3, "document_updated")


async def test_each_connection_has_its_own(server: RunningServer) -> None:
    async with twilsock_client(server) as old, twilsock_client(server) as new:
        made = await create(old)
        for client, version in ((old, 3), (new, 4)):
            await client.subscribe("establish", 1, wanted(made), version=version)
            assert outcome(await client.event())[:2] == (version, "subscription_established")
        for n in range(5):
            await write(old, made, n)
            received = [outcome(await client.event()) for client in (old, new)]
            assert [each[0] for each in received] == [3, 4]
            assert [each[2]["document_data"] for each in received] == [{"n": n}] * 2


@pytest.mark.parametrize("version", [2, 5, 0, -3, "4", 3.5, True, [], {"a": 1}])
async def test_a_version_that_is_not_served_is_refused(server: RunningServer, version: Any) -> None:
    async with twilsock_client(server) as client:
        made = await create(client)
        body = {
            "event_protocol_version": version,
            "action": "establish",
            "correlation_id": 1,
            "requests": [wanted(made)],
        }
        status, refusal = await client.call("POST", "/v4/Subscriptions", body)
        assert status == 400
        assert "event_protocol_version must be 3 or 4" in refusal["message"]
        await client.ask("ping")
        assert client.unread == []
