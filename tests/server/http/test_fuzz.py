"""No request whatever is answered with 5xx, and every refusal has the vendor's body."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import orjson
from hypothesis import given
from hypothesis import strategies as st

from support.api import DocumentsApi, unique
from support.limits import WAIT_LIMIT
from support.server import RunningServer
from support.strategies import json_values, text

METHODS = st.sampled_from(["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"])

MEDIA_TYPES = st.sampled_from(
    [
        "application/x-www-form-urlencoded",
        "application/json",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/vnd.syncline.increment+json",
        "text/plain; charset=",
    ]
)

printable = st.binary(max_size=30).map(lambda raw: bytes(32 + byte % 95 for byte in raw).strip())

parameters = st.dictionaries(
    st.sampled_from(["UniqueName", "Data", "Ttl", "unique_name", "data", "ttl"]) | text,
    json_values,
    max_size=4,
)

operations = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"])},
        optional={
            "path": text.map("/{}".format),
            "from": text.map("/{}".format),
            "value": json_values,
        },
    ),
    max_size=4,
)

bodies = (
    st.binary(max_size=200)
    | (parameters | operations | json_values).map(orjson.dumps)
    | parameters.map(lambda given: urlencode(given).encode())
)

settings = st.dictionaries(
    st.sampled_from(
        ["FriendlyName", "WebhookUrl", "reachability_debouncing_window", "Read", "manage"]
    ),
    json_values | text | st.sampled_from(["true", "http://a.test", "5000"]),
    max_size=4,
).map(orjson.dumps) | st.binary(max_size=50)

headers = st.fixed_dictionaries(
    {"Content-Type": MEDIA_TYPES | printable},
    optional={
        "If-Match": st.sampled_from(["*", "1", '"1"']) | printable,
        "Idempotency-Key": printable,
        "Content-Encoding": printable,
        "Origin": printable,
        "Access-Control-Request-Method": printable,
        "Host": printable,
    },
)

addresses = text.map(lambda name: quote(name, safe="")) | printable.map(
    lambda raw: raw.decode().replace("?", "%")
)

queries = st.none() | printable | st.sampled_from([b"PageSize=%31", b"PageToken=PA0", b"Ttl=1"])


def check(reply: httpx2.Response) -> None:
    assert reply.status_code < 500, reply.text
    assert reply.headers["X-Request-Id"].startswith("RQ")
    if reply.status_code >= 400 and reply.request.method != "HEAD":
        error = reply.json()
        assert error["status"] == reply.status_code
        assert error["code"] >= 20000
        assert error["message"]


@given(METHODS, addresses, queries, headers, bodies)
def test_any_request_about_a_document(
    api: DocumentsApi,
    method: str,
    address: str,
    query: bytes | None,
    headers: dict[str, Any],
    body: bytes,
) -> None:
    path = httpx2.URL(api.url).path + (f"/{address}" if address else "")
    target = path.encode() + (b"" if query is None else b"?" + query)
    # Otherwise the client corrects the URL, or refuses it.
    raw = {"target": target.replace(b" ", b"%")}
    check(api.http.request(method, api.url, headers=headers, content=body, extensions=raw))


@given(st.sampled_from(["POST", "PATCH"]), headers, bodies)
def test_any_write_to_a_document(
    api: DocumentsApi, method: str, headers: dict[str, Any], body: bytes
) -> None:
    name = unique("fuzz")
    api.create(UniqueName=name, Data='{"a":{"b":[1,"x"]},"n":1}')
    check(api.call(method, name, headers={**headers, "Host": "sync.test"}, content=body))
    data = api.fetch(name)["data"]
    assert isinstance(data, dict)


item_bodies = bodies | st.fixed_dictionaries(
    {},
    optional={
        "operations": st.lists(
            st.fixed_dictionaries(
                {"op": st.sampled_from(["add", "put", "update", "remove"]) | json_values},
                optional={
                    "key": text | json_values,
                    "index": st.integers(0, 3) | json_values,
                    "data": json_values,
                    "ttl": st.integers(-1, 5) | json_values,
                    "if_match": text | json_values,
                },
            ),
            max_size=4,
        ),
        "Key": text | json_values,
        "data": json_values,
        "item_ttl": json_values,
        "collection_ttl": st.integers(-1, 5) | json_values,
    },
).map(orjson.dumps)

item_queries = queries | st.sampled_from(
    [
        b"Order=desc",
        b"Order=",
        b"From=1&Bounds=exclusive",
        b"From=%00",
        b"PageToken=PTW10",
        b"Key=a",
    ]
)


@given(
    METHODS,
    st.sampled_from(["Lists", "Maps"]),
    st.sampled_from(["Items", "Batch", "Messages"]) | addresses.map("Items/{}".format),
    item_queries,
    headers,
    item_bodies,
)
def test_any_request_about_an_item(
    api: DocumentsApi,
    method: str,
    plural: str,
    path: str,
    query: bytes | None,
    headers: dict[str, Any],
    body: bytes,
) -> None:
    collection = httpx2.URL(api.url).path.replace("Documents", plural)
    api.http.post(api.url.replace("Documents", plural), data={"UniqueName": "fuzzed"})
    target = f"{collection}/fuzzed/{path}".encode() + (b"" if query is None else b"?" + query)
    raw = {"target": target.replace(b" ", b"%")}
    check(api.http.request(method, api.url, headers=headers, content=body, extensions=raw))


@given(st.sampled_from(["GET", "POST"]), st.none() | addresses, queries, headers, settings)
def test_any_request_about_a_service(
    api: DocumentsApi,
    method: str,
    address: str | None,
    query: bytes | None,
    headers: dict[str, Any],
    body: bytes,
) -> None:
    path = "/v1/Services" if address is None else f"/v1/Services/{address}"
    target = path.encode() + (b"" if query is None else b"?" + query)
    raw = {"target": target.replace(b" ", b"%")}
    check(api.http.request(method, api.url, headers=headers, content=body, extensions=raw))


@given(st.sampled_from(["GET", "POST", "DELETE"]), addresses, queries, headers, settings)
def test_any_request_about_a_permission(
    api: DocumentsApi,
    method: str,
    identity: str,
    query: bytes | None,
    headers: dict[str, Any],
    body: bytes,
) -> None:
    api.call("POST", data={"UniqueName": "fuzzed"})
    path = f"{httpx2.URL(api.url).path}/fuzzed/Permissions/{identity}"
    target = path.encode() + (b"" if query is None else b"?" + query)
    raw = {"target": target.replace(b" ", b"%")}
    check(api.http.request(method, api.url, headers=headers, content=body, extensions=raw))


@given(METHODS.map(str.encode) | printable, printable, st.binary(max_size=100))
def test_any_bytes_are_answered_or_dropped(
    server: RunningServer, method: bytes, target: bytes, rest: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_LIMIT) as connection:
        connection.sendall(method + b" /" + target + b" HTTP/1.1\r\n" + rest + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        reply = connection.recv(65_536)
    assert not reply.startswith(b"HTTP/1.1 5")
