"""Operation ids on every wire: a repetition is answered as the first time, and nothing else is
taken for one, whichever object it is for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import orjson
import pytest

from support.api import DocumentsApi, unique
from support.server import RunningServer
from support.socket import native_socket
from support.twilsock import twilsock_client

REUSED = (409, 20409)

Verdict = tuple[int, int | None]
"""The status of an answer, and the code of an error."""

Ask = Callable[["Write", str], Awaitable[Verdict]]
"""Makes a write under an operation id."""


@dataclass(frozen=True)
class Write:
    """One request.

    Attributes:
        do: `create`, `set`, `remove`, or the kind of a patch.
        document: its unique name; None for a new document without one.
    """

    do: str
    document: str | None
    body: Any = None
    ttl: int | None = None
    if_match: str | None = None


@pytest.fixture
def api(server: RunningServer) -> Iterator[DocumentsApi]:
    with DocumentsApi(server) as api:
        yield api


@asynccontextmanager
async def rest(server: RunningServer) -> AsyncIterator[Ask]:
    documents = f"{server.url}/v1/Services/default/Documents"
    headers = {"Authorization": f"Bearer {server.token('alice')}"}
    async with httpx2.AsyncClient(headers=headers) as http:

        async def ask(write: Write, op: str) -> Verdict:
            url = (
                documents if write.do == "create" else f"{documents}/{quote(write.document or '')}"
            )
            members: dict[str, Any] = {} if write.ttl is None else {"Ttl": write.ttl}
            request: dict[str, Any] = {"headers": {"Idempotency-Key": op}}
            if write.if_match is not None:
                request["headers"]["If-Match"] = write.if_match
            if write.do in PATCHES:
                request |= {"params": members, "content": orjson.dumps(write.body)}
                request["headers"]["Content-Type"] = PATCHES[write.do]
            elif write.do != "remove":
                members |= {} if write.body is None else {"Data": write.body}
                if write.do == "create" and write.document is not None:
                    members["UniqueName"] = write.document
                request["json"] = members
            method = METHODS.get(write.do, "PATCH")
            reply = await http.request(method, url, **request)
            return reply.status_code, reply.json()["code"] if reply.is_error else None

        yield ask


PATCHES = {
    "merge": "application/merge-patch+json",
    "operations": "application/json-patch+json",
    "increment": "application/vnd.syncline.increment+json",
}
METHODS = {"create": "POST", "set": "POST", "remove": "DELETE"}


@asynccontextmanager
async def native(server: RunningServer) -> AsyncIterator[Ask]:
    async with native_socket(server, server.token("alice")) as socket:

        async def ask(write: Write, op: str) -> Verdict:
            members: dict[str, Any] = {"op": op}
            if write.document is not None:
                members["document"] = write.document
            if write.ttl is not None:
                members["ttl"] = write.ttl
            if write.if_match is not None:
                members["if_match"] = write.if_match
            match write.do:
                case "create":
                    verb, data = "open", {} if write.body is None else {"data": write.body}
                    members |= {"mode": "create_new", **data}
                case "set":
                    verb = "ttl" if write.body is None else "set"
                    members |= {} if write.body is None else {"data": write.body}
                case "remove":
                    verb = "remove"
                case kind:
                    verb = "patch"
                    members[kind] = write.body
            reply = await socket.ask(verb, **members)
            error = reply.get("error")
            return (200, None) if error is None else (error["status"], error["code"])

        yield ask


@asynccontextmanager
async def twilsock(server: RunningServer) -> AsyncIterator[Ask]:
    """It has no patches."""
    async with twilsock_client(server, server.token("alice")) as client:

        async def ask(write: Write, op: str) -> Verdict:
            path = "/v3/Documents" + ("" if write.do == "create" else f"/{write.document}")
            headers: dict[str, Any] = {"Twilio_Request_Id": op}
            if write.if_match is not None:
                headers["If_Match"] = write.if_match
            body: dict[str, Any] = {} if write.body is None else {"data": write.body}
            body |= {} if write.ttl is None else {"ttl": write.ttl}
            if write.do == "create" and write.document is not None:
                body["unique_name"] = write.document
            given = None if write.do == "remove" else body
            status, answer = await client.call(METHODS[write.do], path, given, **headers)
            return status, answer["code"] if status >= 400 else None

        yield ask


WIRES = {"rest": rest, "native": native, "twilsock": twilsock}


def first_requests(name: str, wire: str) -> list[Write]:
    """One of each kind that a wire has, for a document that is there."""
    patches = [
        Write("merge", name, {"b": 1}),
        Write("operations", name, [{"op": "add", "path": "/c", "value": 1}]),
        Write("increment", name, {"/n": 1}),
    ]
    return [
        Write("set", name, {"n": 2}),
        Write("set", name, ttl=600),
        *([] if wire == "twilsock" else patches),
        Write("remove", name),
    ]


def others(write: Write, name: str) -> list[Write]:
    """Requests that differ from it in one thing; `name` is of another document."""
    changed = [
        Write(write.do, name, write.body, write.ttl, write.if_match),
        Write(write.do, write.document, write.body, write.ttl, "1"),
        Write("set", write.document, {"n": 7}),
        Write("create", unique(), {"n": 7}),
        Write("create", None),
    ]
    if write.do != "remove":
        changed += [Write("remove", write.document), Write("remove", name)]
        changed.append(Write(write.do, write.document, write.body, 60))
    return changed


@pytest.mark.parametrize("wire", WIRES)
async def test_only_a_repetition_takes_an_operation_id_again(
    server: RunningServer, api: DocumentsApi, wire: str
) -> None:
    async with WIRES[wire](server) as ask:
        kinds = len(first_requests("", wire))
        for kind in range(kinds):
            name, other = unique(), unique()
            api.create(UniqueName=name, Data='{"n":1}')
            untouched = api.create(UniqueName=other, Data='{"n":1}')
            write, op = first_requests(name, wire)[kind], unique("op")
            status, code = await ask(write, op)
            assert code is None, (write, status, code)
            stored = api.call("GET", name).text
            for another in others(write, other):
                assert await ask(another, op) == REUSED, (write, another)
                assert api.call("GET", name).text == stored
                assert api.fetch(other) == untouched
                if another.do == "create" and another.document is not None:
                    assert api.call("GET", another.document).status_code == 404
            assert await ask(write, op) == (status, None)
            assert api.call("GET", name).text == stored


@pytest.mark.parametrize("wire", WIRES)
async def test_a_creation_takes_its_operation_id_alone(
    server: RunningServer, api: DocumentsApi, wire: str
) -> None:
    async with WIRES[wire](server) as ask:
        for name in (unique(), None):
            write, op = Write("create", name, {"n": 1}), unique("op")
            first = await ask(write, op)
            assert first[1] is None
            for another in (
                Write("create", name, {"n": 2}),
                Write("create", name, {"n": 1}, 60),
                Write("create", unique(), {"n": 1}),
                Write("set", name or unique(), {"n": 1}),
            ):
                assert await ask(another, op) == REUSED, another
            assert await ask(write, op) == first
            if name is not None:
                assert api.fetch(name)["data"] == {"n": 1}


async def test_an_operation_id_holds_for_all_documents_of_the_service(
    server: RunningServer, api: DocumentsApi
) -> None:
    """Whichever of the buckets they are in."""
    async with rest(server) as ask:
        op = unique("op")
        first = unique()
        assert await ask(Write("create", first, {"n": 1}), op) == (201, None)
        for _ in range(40):
            assert await ask(Write("create", unique(), {"n": 1}), op) == REUSED


@pytest.mark.parametrize("wire", WIRES)
async def test_what_one_wire_has_applied_is_repeated_on_another(
    server: RunningServer, api: DocumentsApi, wire: str
) -> None:
    """As our clients do, when they fall back to REST and come back."""
    async with WIRES[wire](server) as one, rest(server) as two:
        name, op, later = unique(), unique("op"), unique("op")
        assert (await one(Write("create", name, {"n": 1}), op))[1] is None
        revision = api.fetch(name)["revision"]
        assert await two(Write("create", name, {"n": 1}), op) == (201, None)
        write = Write("set", name, {"n": 2}, 600, revision)
        assert (await one(write, later))[1] is None
        assert await two(write, later) == (200, None)
        assert await two(Write("set", name, {"n": 3}, 600, revision), later) == REUSED
        assert api.fetch(name)["data"] == {"n": 2}


async def test_each_identity_has_operation_ids_of_its_own(
    server: RunningServer, api: DocumentsApi
) -> None:
    name, op = unique(), unique("op")
    async with native(server) as ask:
        assert await ask(Write("create", name, {"n": 1}), op) == (200, None)
    reply = api.call("POST", data={"Data": "{}"}, headers={"Idempotency-Key": op})
    assert reply.status_code == 201


async def test_a_request_that_was_refused_has_not_used_its_operation_id(
    server: RunningServer, api: DocumentsApi
) -> None:
    name, op = unique(), unique("op")
    api.create(UniqueName=name, Data='{"n":1}')
    async with rest(server) as ask:
        assert await ask(Write("set", name, {"n": 2}, if_match="1"), op) == (412, 54103)
        revision = api.fetch(name)["revision"]
        assert await ask(Write("set", name, {"n": 2}, if_match=revision), op) == (200, None)
