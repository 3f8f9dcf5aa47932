"""Documents under SIDs that the account chose: the same on every wire, by SID and by name."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from support.account import Account
from support.api import DocumentsApi, unique
from support.callers import WIRES
from support.server import RunningServer, StartServer
from support.socket import native_socket
from support.store import WAIT_LIMIT, eventually
from support.stream import event_stream
from support.twilsock import twilsock_client
from syncline_protocol.sids import bucket_of_name
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import connect


def chosen(name: str | None, *, is_away: bool = True) -> str:
    """A SID whose bucket is not that of the name, or is."""
    bucket = 0 if name is None else bucket_of_name(name)
    return f"ET{(bucket + is_away) % 256:02x}{secrets.token_hex(15)}"


def error(reply: Any) -> tuple[int, int]:
    return reply.status_code, reply.json()["code"]


@pytest.mark.parametrize("form", ["data", "json"])
@pytest.mark.parametrize("is_away", [True, False])
def test_a_document_keeps_the_sid_that_it_is_created_with(
    api: DocumentsApi, form: str, is_away: bool
) -> None:
    name = unique()
    sid = chosen(name, is_away=is_away)
    spelling = "Sid" if form == "data" else "sid"
    given: Any = {form: {spelling: sid, "UniqueName": name, "Data": '{"a":1}'}}
    reply = api.call("POST", **given)
    assert reply.status_code == 201
    created = reply.json()
    assert (created["sid"], created["unique_name"]) == (sid, name)
    assert created["url"].endswith(f"/Documents/{sid}")
    assert api.fetch(sid) == api.fetch(name) == created
    stale = {"data": {"Data": "{}"}, "headers": {"If-Match": "1"}}
    for address in (sid, name):
        assert error(api.call("POST", address, **stale)) == (412, 54103)
        fresh = {**stale, "headers": {"If-Match": api.fetch(sid)["revision"]}}
        assert api.call("POST", address, **fresh).json()["sid"] == sid
        patch = {"content": '{"b":2}', "headers": {"Content-Type": "application/merge-patch+json"}}
        assert api.call("PATCH", address, **patch).json()["data"]["b"] == 2
    assert api.call("DELETE", name).status_code == 204
    for address in (sid, name):
        assert error(api.call("GET", address)) == (404, 20404)
        assert error(api.call("DELETE", address)) == (404, 20404)
    assert api.create(UniqueName=name)["sid"] != sid


def test_without_a_name(api: DocumentsApi) -> None:
    sid = chosen(None)
    assert api.create(Sid=sid)["sid"] == sid
    assert api.fetch(sid)["unique_name"] is None
    assert error(api.call("POST", data={"Sid": sid})) == (409, 20409)


def test_it_is_listed_once(api: DocumentsApi) -> None:
    name = unique()
    sid = chosen(name)
    api.create(Sid=sid, UniqueName=name)
    page, listed = api.page(PageSize=100), list[str]()
    while True:
        listed += [each["sid"] for each in page["documents"]]
        if page["meta"]["next_page_url"] is None:
            break
        page = api.page(page["meta"]["next_page_url"])
    assert listed.count(sid) == 1 and listed == sorted(listed)


def test_permissions_by_both(server: RunningServer) -> None:
    name = unique()
    sid = chosen(name)
    with Account(server) as account:
        service = account.service(AclEnabled="true")
        account.ok("POST", service, "Documents", data={"Sid": sid, "UniqueName": name})
        account.permit(service, name, "alice", "r")
        found = account.ok("GET", service, "Documents", sid, "Permissions", "alice")
        assert (found["document_sid"], found["read"], found["write"]) == (sid, True, False)
        for who, status in (("alice", 200), ("bob", 403)):
            token = server.token(who, service=service)
            with DocumentsApi(server, token, service) as theirs:
                for address in (sid, name):
                    assert theirs.call("GET", address).status_code == status
                    assert theirs.call("POST", address, data={"Data": "{}"}).status_code == 403
                assert error(theirs.call("POST", data={"UniqueName": name})) == (409, 54301)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("wire", WIRES)
async def test_every_wire_reads_writes_and_removes_it(
    server: RunningServer, api: DocumentsApi, wire: str, by_name: bool
) -> None:
    name = unique()
    sid = chosen(name)
    api.create(Sid=sid, UniqueName=name)
    address = name if by_name else sid
    async with WIRES[wire](server, "default", server.token()) as caller:
        open_by = sid if wire == "twilsock" else address
        for operation in ("get", "set", "set stale", "ttl", "merge", "increment", "open", "remove"):
            if operation not in caller.operations:
                continue
            outcome, text = await caller.do(operation, open_by if operation == "open" else address)
            if operation == "increment":
                continue  # it fits no object
            assert outcome == ("412/54103" if operation == "set stale" else "ok"), operation
            if operation in ("get", "set", "open"):
                assert sid in text
        if "remove" in caller.operations:
            assert error(api.call("GET", sid)) == (404, 20404)
            assert error(api.call("GET", name)) == (404, 20404)
        if caller.removed is not None:
            if "remove" not in caller.operations:
                api.call("DELETE", name)
            await caller.removed()


async def test_subscribers_by_both_receive_its_events(
    server: RunningServer, api: DocumentsApi
) -> None:
    name = unique()
    sid = chosen(name)
    api.create(Sid=sid, UniqueName=name)
    async with (
        native_socket(server) as by_sid,
        native_socket(server) as by_name,
        event_stream(server, name) as stream,
        twilsock_client(server, server.token()) as sdk,
    ):
        assert (await by_sid.document("open", document=sid))["sid"] == sid
        assert (await by_name.ok("open", document=name))["created"] is False
        await stream.next()
        await sdk.subscribe("establish", 1, {"object_sid": sid, "object_type": "document"})
        while (await sdk.event())["event_type"] != "subscription_established":
            pass
        await asyncio.to_thread(api.call, "POST", name, data={"Data": '{"a":1}', "Ttl": "1"})
        for socket in (by_sid, by_name):
            assert (await socket.event())["document"]["sid"] == sid
            assert (await socket.event())["event"] == "removed"
        event = await stream.next()
        assert event is not None and event.name == "updated"
        event = await stream.next()
        assert event is not None and event.name == "removed"
        assert (await sdk.event())["event"]["document_sid"] == sid
        assert (await sdk.event())["event_type"] == "document_removed"
    # It has expired: both addresses are free, the SID for the name that it had.
    assert api.create(Sid=sid, UniqueName=name)["sid"] == sid


async def test_the_sdk_opens_it_by_its_sid(server: RunningServer, api: DocumentsApi) -> None:
    name = unique()
    sid = chosen(name)
    api.create(Sid=sid, UniqueName=name, Data='{"a":1}')
    async with twilsock_client(server, server.token()) as client:
        for address in (sid, name):
            status, body = await client.call("GET", f"/v3/Documents/{address}")
            assert (status, body["sid"], body["unique_name"]) == (200, sid, name)
        status, body = await client.call("POST", "/v3/Documents", {"unique_name": name})
        assert (status, body["code"]) == (409, 54301)
        other = {"sid": chosen(None), "data": {}}
        assert (await client.call("POST", "/v3/Documents", other))[0] == 403


def test_a_token_cannot_choose(alices: DocumentsApi) -> None:
    sid = chosen(None)
    assert error(alices.call("POST", data={"Sid": sid})) == (403, 20403)
    assert error(alices.call("GET", sid)) == (404, 20404)


@pytest.mark.parametrize("sid", ["", "ET1", "ET" + "A" * 32, "IS" + "a" * 32, "ET" + "٣" * 32])
def test_what_is_no_sid_is_refused(api: DocumentsApi, sid: str) -> None:
    assert error(api.call("POST", data={"Sid": sid})) == (400, 20422)
    assert error(api.call("POST", json={"Sid": 1})) == (400, 20422)


def test_an_update_cannot_change_it(api: DocumentsApi) -> None:
    document = api.create()
    changed = {"Sid": chosen(None), "Data": "{}"}
    assert error(api.call("POST", document["sid"], data=changed)) == (400, 20422)
    assert api.fetch(document["sid"]) == document


async def test_nothing_stays_of_a_deleted_service_but_what_ends_by_itself(
    fresh_server: StartServer,
) -> None:
    server = fresh_server()
    with Account(server) as account:
        service = account.service()
        for number in range(8):
            name = unique(str(number))
            given = {"UniqueName": name, "Sid": chosen(name)}
            account.ok("POST", service, "Documents", data=given)
        account.ok("DELETE", service)
        done = f"service {service} is deleted: 8 objects removed"
        await eventually(lambda: done in server.log.read_text())
        unix = await connect(
            Address(path=str(server.data_dir / "redis" / "redis.sock")), WAIT_LIMIT
        )
        try:
            left = await unix.execute("KEYS", f"{{{service}*")
            assert all(b":ended:ET" in key or key.endswith(b":last_ended") for key in left)
        finally:
            unix.abort()
