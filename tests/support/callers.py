"""One client for each wire, all with the same operations on a document and the same outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from support.limits import WAIT_LIMIT
from support.server import RunningServer
from support.socket import NativeSocket, native_socket
from support.stream import EventStream, event_stream
from support.twilsock import TwilsockClient, twilsock_client

__all__ = ["NATIVE_REQUESTS", "STALE", "WIRES", "Caller", "Connect", "Outcome"]

STALE = "1"
"""A revision that no document has."""

ADDITION = '[{"op":"add","path":"/new","value":1}]'
"""A JSON patch."""

NATIVE_REQUESTS: dict[str, dict[str, Any]] = {
    "create": {"do": "open", "mode": "create_new"},
    "create taken": {"do": "open", "mode": "create_new"},
    "get": {"do": "get"},
    "open": {"do": "open", "mode": "open_existing"},
    "open or create": {"do": "open"},
    "set": {"do": "set", "data": {"new": 1}},
    "set stale": {"do": "set", "data": {"new": 1}, "if_match": STALE},
    "ttl": {"do": "ttl", "ttl": 60},
    "merge": {"do": "patch", "merge": {"new": 1}},
    "operations": {"do": "patch", "operations": orjson.loads(ADDITION)},
    "increment": {"do": "patch", "increment": {"/new": 1}},
    "remove": {"do": "remove"},
    "remove stale": {"do": "remove", "if_match": STALE},
}
"""Requests of the native protocol by operation, without the document's name."""

Outcome = tuple[str, str]
"""`ok`, or status and code as `403/54007`; and the whole reply as text."""

Do = Callable[[str, str], Awaitable[Outcome]]


class Caller:
    """A client of one wire.

    Attributes:
        operations: operations that the wire supports.
        do: runs an operation on the document with a SID or unique name.
        removed: waits for the `removed` event of the open document and returns it; None if the
            wire has no subscriptions.
    """

    def __init__(
        self, operations: set[str], do: Do, removed: Callable[[], Awaitable[Any]] | None = None
    ) -> None:
        self.operations = operations
        self.do = do
        self.removed = removed


Connect = Callable[[RunningServer, str, str | None], AbstractAsyncContextManager[Caller]]
"""Opens a caller for a service and a token; over HTTP, None is Basic and "" no credentials."""


@asynccontextmanager
async def rest(server: RunningServer, service: str, token: str | None) -> AsyncIterator[Caller]:
    """REST v1."""
    documents = f"{server.url}/v1/Services/{service}/Documents"
    form: dict[str, Any] = {"data": {"Data": '{"new":1}'}}
    stale = {"headers": {"If-Match": STALE}}
    requests: dict[str, tuple[str, str, Any]] = {
        "get": ("GET", "/{}", {}),
        "set": ("POST", "/{}", form),
        "set stale": ("POST", "/{}", form | stale),
        "ttl": ("POST", "/{}", {"data": {"Ttl": "60"}}),
        "merge": ("PATCH", "/{}", _patch("merge-patch", '{"new":1}')),
        "operations": ("PATCH", "/{}", _patch("json-patch", ADDITION)),
        "increment": ("PATCH", "/{}", _patch("vnd.syncline.increment", '{"/new":1}')),
        "remove": ("DELETE", "/{}", {}),
        "remove stale": ("DELETE", "/{}", stale),
        "list": ("GET", "", {}),
        "permissions": ("GET", "/{}/Permissions", {}),
        "permit": ("POST", "/{}/Permissions/alice", {"data": {"Read": "true"}}),
    }

    async def do(operation: str, address: str) -> Outcome:
        create = ("POST", "", {"data": {"UniqueName": address}})
        method, path, request = requests.get(operation, create)
        url = documents + path.format(quote(address, safe=""))
        reply = await http.request(method, url, **request)
        return _of_reply(reply.status_code, reply.content)

    async with _http(server, token) as http:
        yield Caller({*requests, "create", "create taken"}, do)


@asynccontextmanager
async def v3(server: RunningServer, service: str, token: str | None) -> AsyncIterator[Caller]:
    """The vendor's v3 API over HTTP."""

    async def do(operation: str, address: str) -> Outcome:
        method, path, body, headers = _v3_request(operation, address)
        url = f"{server.url}/v3/Services/{service}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request: Any = {"headers": named} if body is None else {"headers": named, "json": body}
        reply = await http.request(method, url, **request)
        return _of_reply(reply.status_code, reply.content)

    async with _http(server, token) as http:
        yield Caller(V3_OPERATIONS, do)


@asynccontextmanager
async def sse(server: RunningServer, service: str, token: str | None) -> AsyncIterator[Caller]:
    """Server-sent events."""
    opened: list[EventStream] = []

    async def do(operation: str, address: str) -> Outcome:
        # Entered without `with`: the stream stays open until the caller is closed.
        entered = event_stream(server, address, token=token, service=service)
        stream = await entered.__aenter__()
        streams.append(entered)
        if stream.response.status_code != 200:
            return _of_reply(stream.response.status_code, await stream.response.aread())
        state = await stream.next()
        opened.append(stream)
        return "ok", orjson.dumps(state.data).decode()

    async def removed() -> Any:
        event = await opened[-1].next()
        assert event.name == "removed"
        assert await opened[-1].rest() == []
        return event.data

    streams: list[AbstractAsyncContextManager[EventStream]] = []
    try:
        yield Caller({"open"}, do, removed)
    finally:
        for entered in streams:
            await entered.__aexit__(None, None, None)


@asynccontextmanager
async def native(server: RunningServer, service: str, token: str | None) -> AsyncIterator[Caller]:
    """The native protocol; the token determines the service."""

    async def do(operation: str, address: str) -> Outcome:
        reply = await socket.ask(document=address, **NATIVE_REQUESTS[operation])
        refusal = reply.get("error")
        outcome = "ok" if refusal is None else f"{refusal['status']}/{refusal['code']}"
        return outcome, orjson.dumps(reply).decode()

    async def removed() -> Any:
        event = await socket.event()
        assert event["event"] == "removed"
        return event["document"]

    socket: NativeSocket
    async with native_socket(server, token) as socket:
        yield Caller(set(NATIVE_REQUESTS), do, removed)


@asynccontextmanager
async def twilsock(server: RunningServer, service: str, token: str | None) -> AsyncIterator[Caller]:
    """The vendor's protocol, as its SDKs use it; the token determines the service."""

    async def do(operation: str, address: str) -> Outcome:
        if operation == "open":
            return await _subscribe(client, address)
        method, path, body, headers = _v3_request(operation, address)
        status, reply = await client.call(method, f"/v3{path}", body, **headers)
        return _of_reply(status, orjson.dumps(reply))

    async def removed() -> Any:
        event = await client.event()
        assert event["event_type"] == "document_removed"
        return event["event"]

    client: TwilsockClient
    async with twilsock_client(server, token) as client:
        yield Caller({*V3_OPERATIONS, "open"}, do, removed)


V3_OPERATIONS = {
    "create",
    "create taken",
    "get",
    "set",
    "set stale",
    "ttl",
    "remove",
    "remove stale",
}
"""Operations of the vendor's v3 API."""


def _v3_request(operation: str, address: str) -> tuple[str, str, Any, dict[str, Any]]:
    """Method, path below the service, body (None sends none), and headers with `_` for `-`."""
    body = {
        "set": {"data": {"new": 1}},
        "set stale": {"data": {"new": 1}},
        "ttl": {"ttl": 60},
    }.get(operation)
    headers = {"If_Match": STALE} if operation.endswith("stale") else {}
    path = f"/Documents/{quote(address, safe='')}"
    if operation.startswith("create"):
        return "POST", "/Documents", {"unique_name": address, "data": {}}, {}
    if operation.startswith("remove"):
        return "DELETE", path, None, headers
    return ("GET" if body is None else "POST"), path, body, headers


def _patch(kind: str, body: str) -> dict[str, Any]:
    return {"content": body, "headers": {"Content-Type": f"application/{kind}+json"}}


async def _subscribe(client: TwilsockClient, sid: str) -> Outcome:
    wanted = {"object_sid": sid, "object_type": "document"}
    await client.subscribe("establish", 1, wanted)
    packets = [await client.event()]
    if packets[0]["event_type"] == "document_updated":
        packets.append(await client.event())
    [outcome] = packets[-1]["events"]
    error = outcome.get("error")
    text = orjson.dumps(packets).decode()
    return ("ok" if error is None else f"{error['status']}/{error['code']}"), text


def _http(server: RunningServer, token: str | None) -> httpx2.AsyncClient:
    # Skip loading certificates, which takes time: the server has no TLS.
    return httpx2.AsyncClient(
        auth=server.basic if token is None else None,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=WAIT_LIMIT,
        verify=False,
    )


def _of_reply(status: int, body: bytes) -> Outcome:
    text = body.decode()
    return ("ok" if status < 400 else f"{status}/{orjson.loads(body)['code']}"), text


WIRES: dict[str, Connect] = {
    "rest": rest,
    "v3": v3,
    "sse": sse,
    "native": native,
    "twilsock": twilsock,
}
"""Function that opens a caller, by the name of its wire."""
