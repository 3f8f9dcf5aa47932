"""What strangers send: each violation has its code and its sentence, and changes nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
import pytest

from support.account import Account
from support.api import DocumentsApi, unique
from support.limits import WAIT_LIMIT
from support.server import RunningServer

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}

LIMIT = 16_384


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


WRITES: list[tuple[dict[str, Any], int, int, str]] = [
    ({"data": {"Data": "null"}}, 400, 54101, "Data must be a JSON object; null"),
    ({"json": {"Data": None}}, 400, 54101, "Data must be a JSON object; null"),
    ({"data": {"Data": " "}}, 400, 54008, "Data is not valid JSON"),
    ({"data": {"Data": "{"}}, 400, 54008, "Data is not valid JSON"),
    ({"data": {"Data": "[1]"}}, 400, 54008, "Data must be a JSON object; an array"),
    ({"data": {"Data": "5"}}, 400, 54008, "Data must be a JSON object; 5"),
    ({"json": {"Data": [1]}}, 400, 54008, "Data must be a JSON object; an array"),
    ({"data": {"Data": '{"a":NaN}'}}, 400, 54008, "NaN"),
    ({"data": {"Data": '{"a":-Infinity}'}}, 400, 54008, "Infinity"),
    ({"data": {"Data": '{"a":1e400}'}}, 400, 54008, "Data is not acceptable JSON"),
    ({"data": {"Data": '{"a":%s}' % ("9" * 5000)}}, 400, 54008, "too large"),
    ({"data": {"Data": '{"a":1,"a":2}'}}, 400, 54008, '"a" stands twice'),
    ({"data": {"Data": '{"a":"\\ud800"}'}}, 400, 54008, "UTF-8"),
    ({"data": {"Data": nested(65)}}, 400, 54008, "more than 64 deep"),
    ({"data": {"Data": nested(3000)}}, 400, 54008, "deep"),
    ({"data": {"Data": '{"a":"%s"}' % ("x" * (LIMIT - 7))}}, 413, 54006, f"at most {LIMIT}"),
    ({"data": {"Data": '{"a":"%s"}' % ("é" * (LIMIT // 2))}}, 413, 54006, f"at most {LIMIT}"),
    ({"content": b"x" * 200_000, "headers": FORM}, 413, 54006, "The request body is too large"),
    ({"data": {"Ttl": "-1"}}, 400, 54011, "Ttl must be a whole number of seconds from 0"),
    ({"data": {"Ttl": "31536001"}}, 400, 54011, "to 31536000; 31536001 was given"),
    ({"data": {"Ttl": "1.5"}}, 400, 54011, "'1.5' was given"),
    ({"data": {"Ttl": "soon"}}, 400, 54011, "'soon' was given"),
    ({"data": {"Ttl": "9" * 5000}}, 400, 54011, "Ttl must be"),
    ({"data": {"Ttl": "١"}}, 400, 54011, "Ttl must be"),
    ({"json": {"Ttl": 1.5}}, 400, 54011, "1.5 was given"),
    ({"json": {"Ttl": True}}, 400, 54011, "true was given"),
    ({"json": {"ttl": {}}}, 400, 54011, "an object was given"),
    ({"data": {"Ttl": ["1", "1"]}}, 400, 20422, "Ttl must be given once"),
    ({"json": {"Ttl": 1, "ttl": 1}}, 400, 20422, "Ttl must be given once"),
    ({"content": b"Data=%", "headers": FORM}, 400, 20400, "Data in the form has a percent sign"),
    ({"content": b"Data=%ff", "headers": FORM}, 400, 20400, "Data in the form is not valid UTF-8"),
    ({"content": b"Data=\xff", "headers": FORM}, 400, 20400, "Data in the form is not valid UTF-8"),
    ({"content": b"&" * 1000, "headers": FORM}, 400, 20400, "more than 100 fields"),
    ({"content": b"\xff", "headers": JSON}, 400, 54008, "The request body is not valid UTF-8"),
    ({"content": b"{", "headers": JSON}, 400, 54008, "The request body is not valid JSON"),
    ({"content": b"[]", "headers": JSON}, 400, 54008, "must be a JSON object; an array"),
    ({"content": b"[" * 20_000, "headers": JSON}, 400, 54008, "The request body"),
    ({"content": b"[" * 100_000, "headers": JSON}, 413, 54006, "commas and opening brackets"),
    ({"content": b'{"Ttl":1,"Ttl":2}', "headers": JSON}, 400, 54008, '"Ttl" stands twice'),
    ({"content": b"x"}, 415, 20415, "Content-Type must be"),
    ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, 20415, "'text/plain'"),
    ({"files": {"Data": "{}"}}, 415, 20415, "'multipart/form-data'"),
    (
        {"content": b"x", "headers": {**FORM, "Content-Encoding": "gzip"}},
        415,
        20415,
        "Content-Encoding 'gzip' was given",
    ),
    (
        {"data": {"Data": "{}"}, "headers": {"Idempotency-Key": "x" * 65}},
        400,
        20422,
        "Idempotency-Key must have 1 to 64 characters",
    ),
]
"""Of a create as of an update: the request, the status, the code, and what the sentence holds."""

UPDATES: list[tuple[dict[str, Any], int, int, str]] = [
    ({}, 400, 54010, "An update needs Data or Ttl"),
    ({"data": {"UniqueName": "other"}}, 400, 54010, "An update needs Data or Ttl"),
    ({"json": {"ttl": None}}, 400, 54010, "An update needs Data or Ttl"),
    ({"data": {"Data": "{}"}, "headers": {"If-Match": "abc"}}, 400, 54003, "'abc' was given"),
    ({"data": {"Data": "{}"}, "headers": {"If-Match": ""}}, 400, 54003, "If-Match must be"),
    ({"data": {"Data": "{}"}, "headers": {"If-Match": '1, "2"'}}, 400, 54003, "one revision"),
    ({"data": {"Data": "{}"}, "headers": {"If-Match": 'W/"1"'}}, 400, 54003, "one revision"),
    ({"data": {"Data": "{}"}, "headers": {"If-Match": "9" * 17}}, 400, 54003, "one revision"),
    ({"data": {"Data": "{}"}, "headers": {"If-Match": "1"}}, 412, 54103, "expected revision"),
]

NAMES: list[tuple[dict[str, Any], int, int, str]] = [
    ({"data": {"UniqueName": ""}}, 400, 54302, "UniqueName must have 1 to 320 characters"),
    ({"data": {"UniqueName": "x" * 321}}, 400, 54302, "of 321 characters"),
    ({"data": {"UniqueName": "ET" + "a" * 32}}, 400, 54302, "not look like a SID"),
    ({"data": {"UniqueName": "AC" + "0" * 32}}, 400, 54302, "not look like a SID"),
    ({"json": {"UniqueName": 7}}, 400, 54302, "UniqueName must be a string; 7"),
    ({"json": {"UniqueName": {}}}, 400, 54302, "UniqueName must be a string; an object"),
    ({"content": b'{"UniqueName":"\\ud800"}', "headers": JSON}, 400, 54302, "UTF-8"),
]


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Iterator[DocumentsApi]:
    """The documents of a service that no other file uses, so that `sids` reads few."""
    with Account(server) as account, DocumentsApi(server, service=account.service()) as api:
        yield api


def check(reply: httpx2.Response, status: int, code: int, sentence: str) -> None:
    error = reply.json()
    assert (reply.status_code, error["status"], error["code"]) == (status, status, code)
    assert sentence in error["message"]
    assert len(error["message"]) < 400
    assert error["more_info"] == f"https://www.twilio.com/docs/errors/{code}"


def sids(api: DocumentsApi) -> set[str]:
    page = api.page(PageSize=100)
    found = [document["sid"] for document in page["documents"]]
    while page["meta"]["next_page_url"]:
        page = api.page(page["meta"]["next_page_url"])
        found += [document["sid"] for document in page["documents"]]
    return set(found)


@pytest.mark.parametrize(("request_", "status", "code", "sentence"), WRITES + UPDATES)
def test_a_refused_update_changes_nothing(
    api: DocumentsApi, request_: dict[str, Any], status: int, code: int, sentence: str
) -> None:
    document = api.create(Data='{"kept":true}')
    check(api.call("POST", document["sid"], **request_), status, code, sentence)
    assert api.fetch(document["sid"]) == document


@pytest.mark.parametrize(("request_", "status", "code", "sentence"), WRITES + NAMES)
def test_a_refused_create_creates_nothing(
    api: DocumentsApi, request_: dict[str, Any], status: int, code: int, sentence: str
) -> None:
    before = sids(api)
    check(api.call("POST", **request_), status, code, sentence)
    assert sids(api) <= before


def test_a_name_that_is_taken(api: DocumentsApi) -> None:
    document = api.create(UniqueName=unique(), Data='{"kept":true}')
    reply = api.call("POST", data={"UniqueName": document["unique_name"], "Data": "{}"})
    check(reply, 409, 54301, document["unique_name"])
    assert api.fetch(document["sid"]) == document


@pytest.mark.parametrize("encoded", [LIMIT, LIMIT * 3 // 4])
def test_the_largest_data_is_taken_however_it_is_encoded(api: DocumentsApi, encoded: int) -> None:
    data = {"a": "x" * (LIMIT - 8)}
    escaped = orjson.dumps(data).replace(b"x", b"\\u0078")
    assert len(escaped) > LIMIT * 5
    assert api.create(Data=escaped.decode())["data"] == data
    assert api.call("POST", json={"Data": data}).status_code == 201
    assert api.create(Data='{"a": %s 1}' % (" " * encoded))["data"] == {"a": 1}


def test_the_deepest_data_is_taken_from_form_and_json(api: DocumentsApi) -> None:
    deepest = orjson.loads(nested(64))
    assert api.create(Data=nested(64))["data"] == deepest
    assert api.call("POST", json={"Data": deepest}).json()["data"] == deepest


PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "operations": "application/json-patch+json",
    "increment": "application/vnd.syncline.increment+json",
}


@pytest.mark.parametrize(
    ("kind", "content", "status", "code"),
    [
        ("merge", "", 400, 54008),
        ("merge", "{", 400, 54008),
        ("merge", "[]", 400, 20422),
        ("merge", '{"a":"%s"}' % ("x" * LIMIT), 413, 54006),
        ("merge", nested(65), 400, 54008),
        ("merge", '{"a":"\\udfff"}', 400, 54008),
        ("operations", "{}", 400, 20422),
        ("operations", "[1]", 400, 20422),
        ("operations", '[{"op":"swap","path":"/a"}]', 400, 20422),
        ("operations", '[{"op":"add","path":"a","value":1}]', 400, 20422),
        ("operations", '[{"op":"remove","path":"/missing"}]', 409, 20409),
        ("operations", '[{"op":"test","path":"/kept","value":0}]', 409, 20409),
        ("operations", '[{"op":"replace","path":"","value":[]}]', 409, 20409),
        ("increment", "{}", 400, 20422),
        ("increment", '{"/n":"1"}', 400, 20422),
        ("increment", '{"/n":true}', 400, 20422),
        ("increment", '{"n":1}', 400, 20422),
        ("increment", '{"/n":1e999}', 400, 54008),
        ("increment", '{"/kept":1}', 409, 20409),
        ("increment", '{"/missing/n":1}', 409, 20409),
    ],
)
def test_a_refused_patch_changes_nothing(
    api: DocumentsApi, kind: str, content: str, status: int, code: int
) -> None:
    document = api.create(Data='{"kept":true}')
    headers = {"Content-Type": PATCH_TYPES[kind]}
    reply = api.call("PATCH", document["sid"], content=content, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text
    assert api.fetch(document["sid"]) == document


def test_a_patch_of_another_type_learns_the_allowed_types(api: DocumentsApi) -> None:
    reply = api.call("PATCH", api.create()["sid"], json={})
    check(reply, 415, 20415, "application/merge-patch+json")
    assert reply.headers["Accept-Patch"] == ", ".join(PATCH_TYPES.values())


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("PageSize=0", 54454),
        ("PageSize=-1", 54454),
        ("PageSize=ten", 54454),
        ("PageSize=-" + "9" * 5000, 54454),
        ("PageToken=", 54453),
        ("PageToken=garbage", 54453),
        ("PageToken=PA" + "x" * 32, 54453),
        ("PageToken=%00%E2%82%AC", 54453),
        ("PageToken=" + "x" * 5000, 54453),
        ("Page=-1", 20422),
        ("PageSize=%zz", 20400),
    ],
)
def test_a_page_that_cannot_be(api: DocumentsApi, query: str, code: int) -> None:
    reply = api.http.get(f"{api.url}?{query}")
    assert (reply.status_code, reply.json()["code"]) == (400, code)


@pytest.mark.parametrize("address", ["ET" + "0" * 32, "missing", "IS" + "0" * 32, "a/b", "x" * 999])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_document_that_is_not_there(api: DocumentsApi, method: str, address: str) -> None:
    requests: dict[str, dict[str, Any]] = {
        "GET": {},
        "POST": {"data": {"Data": "{}"}},
        "PATCH": {"content": "{}", "headers": {"Content-Type": PATCH_TYPES["merge"]}},
        "DELETE": {},
    }
    reply = api.call(method, address, **requests[method])
    assert (reply.status_code, reply.json()["code"]) == (404, 20404)
    collection = urlsplit(api.url).path.removeprefix("/v1")
    assert reply.json()["message"].startswith(f"The requested resource {collection}/")


def test_a_service_that_is_not_there(server: RunningServer) -> None:
    with DocumentsApi(server, service="IS" + "0" * 32) as api:
        check(api.call("GET"), 404, 54050, "There is no service")


@pytest.mark.parametrize("path", ["//", "/v1", "/v1/Services/default/Queues", "/v2", "/a%2Fb"])
def test_a_path_that_is_not_there(server: RunningServer, path: str) -> None:
    check(httpx2.get(server.url + path), 404, 20404, "was not found")


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND"])
def test_a_method_that_is_not_there(api: DocumentsApi, method: str) -> None:
    reply = api.call(method, "x")
    check(reply, 405, 20004, f"{method} is not allowed")
    assert reply.headers["Allow"] == "GET, POST, PATCH, DELETE, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/%ff", "/%zz", "/a%", "/%C3"])
def test_a_document_whose_address_is_malformed(server: RunningServer, path: str) -> None:
    head = f"GET /v1/Services/default/Documents{path} HTTP/1.1"
    check_raw(server, head, 400, 20400, "The document in the path")


@pytest.mark.parametrize("host", ["", "a b", "a/b", "x@y", '"><'])
def test_a_host_that_is_none(api: DocumentsApi, host: str) -> None:
    check(api.call("GET", headers={"Host": host}), 400, 20400, "Host must be one host name")


def test_no_host_at_all(server: RunningServer) -> None:
    user, password = server.basic
    authorization = httpx2.BasicAuth(user, password)
    request = next(authorization.sync_auth_flow(httpx2.Request("GET", server.url)))
    lines = [
        "GET /v1/Services/default/Documents HTTP/1.0",
        f"Authorization: {request.headers['Authorization']}",
    ]
    check_raw(server, "\r\n".join(lines), 400, 20400, "none was given")


def test_a_url_that_is_too_long(api: DocumentsApi) -> None:
    check(api.call("GET", "x" * 9000), 414, 20414, "at most 8192 bytes")


def test_headers_that_are_too_large(api: DocumentsApi) -> None:
    check(api.call("GET", headers={"A": "x" * 40_000}), 431, 20431, "at most 32768 bytes")


@pytest.mark.parametrize(
    "head",
    [
        "nonsense",
        "GET  HTTP/1.1",
        "BREW /pot HTTP/1.1",
        "GET / HTTP/3.0",
        "GET /\x01 HTTP/1.1",
        "POST / HTTP/1.1\r\nContent-Length: x",
        "POST / HTTP/1.1\r\nContent-Length: -1",
        "POST / HTTP/1.1\r\nContent-Length: " + "9" * 30,
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1\r\nA b: c",
    ],
)
def test_what_is_no_http(server: RunningServer, head: str) -> None:
    check_raw(server, head, 400, 20400, "Invalid HTTP request")


@pytest.mark.parametrize(
    "coding",
    ["gzip, chunked", "gzip", "chunked, gzip", "identity", "chunked\r\nTransfer-Encoding: chunked"],
)
def test_a_body_in_another_coding_than_chunked(server: RunningServer, coding: str) -> None:
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {coding}"
    check_raw(server, head, 400, 20400, "")


def test_the_coding_chunked_is_taken(server: RunningServer) -> None:
    head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked"
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_LIMIT) as connection:
        connection.sendall(f"{head}\r\n\r\n0\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def check_raw(server: RunningServer, head: str, status: int, code: int, sentence: str) -> None:
    """Send a head as it is; the reply must be the error, with an id."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_LIMIT) as connection:
        connection.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        reply = b"".join(iter(lambda: connection.recv(65_536), b""))
    received, _, body = reply.partition(b"\r\n\r\n")
    assert b"x-request-id: rq" in received.lower()
    error = orjson.loads(body)
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert (error["status"], error["code"]) == (status, code)
    assert sentence in error["message"]


AUTHORIZATIONS = [
    (None, 20003),
    ("", 20003),
    ("Digest x", 20003),
    ("Basic", 20003),
    ("Basic !!!", 20003),
    ("Basic eDp5", 20003),
    ("Basic " + "A" * 9000, 20003),
    ("Bearer", 20101),
    ("Bearer x.y.z", 20101),
    ("Bearer " + "x" * 9000, 20101),
]


@pytest.mark.parametrize(("authorization", "code"), AUTHORIZATIONS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_does_not_prove_to_be_anybody(
    api: DocumentsApi, method: str, authorization: str | None, code: int
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    reply = httpx2.request(method, api.url, headers=headers)
    check(reply, 401, code, "")
    assert reply.headers["WWW-Authenticate"].startswith(("Basic ", "Bearer "))


def test_a_token_never_counts_in_the_query(server: RunningServer, api: DocumentsApi) -> None:
    query = {"token": server.token(), "access_token": server.token()}
    check(httpx2.get(api.url, params=query), 401, 20003, "")


def test_a_token_that_has_expired(server: RunningServer) -> None:
    with DocumentsApi(server, server.token(ttl=-60)) as api:
        reply = api.call("GET")
    check(reply, 401, 20104, "expired")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="Syncline", error="invalid_token"'


def test_a_token_for_another_service(server: RunningServer) -> None:
    with DocumentsApi(server, server.token(service="IS" + "0" * 32)) as api:
        check(api.call("GET"), 403, 54056, "another service")
