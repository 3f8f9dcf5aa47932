"""The v3 API for documents, through the socket and over plain HTTP."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from support.api import unique
from support.server import RunningServer
from support.v3 import Call, below


async def create(call: Call, **members: Any) -> Any:
    status, made = await call("POST", "/v3/Documents", members)
    assert status == 201, made
    return made


async def test_document_from_its_creation_to_its_end(server: RunningServer, call: Call) -> None:
    name = unique()
    made = await create(call, unique_name=name, data={"n": 0}, ttl=60)
    assert re.fullmatch(r"ET[0-9a-f]{32}", made["sid"])
    assert made["unique_name"] == name
    assert made["account_sid"] == server.credentials.account_sid
    assert made["revision"] == str(made["last_event_id"])
    assert 0 < made["last_event_id"] < 2**53
    assert made["created_by"] == "alice"
    for date in ("date_created", "date_updated", "date_expires"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made[date])
    # The Kotlin SDK takes it for a defect of the server if there is any.
    assert "data" not in made

    status, fetched = await call("GET", below(made["url"]))
    assert (status, fetched) == (200, {**made, "data": {"n": 0}})
    assert await call("GET", f"/v3/Documents/{name}") == (200, fetched)

    status, written = await call("POST", below(made["url"]), {"data": {"n": 1}})
    assert status == 200
    assert "data" not in written
    assert written["last_event_id"] > made["last_event_id"]
    unchanged = ("sid", "unique_name", "date_created", "date_expires", "url", "links")
    assert {each: written[each] for each in unchanged} == {each: made[each] for each in unchanged}

    assert await call("DELETE", below(made["url"])) == (204, None)
    assert (await call("GET", below(made["url"])))[0] == 404


async def test_nothing_has_to_be_given(call: Call) -> None:
    made = await create(call)
    assert made["unique_name"] is None
    assert made["date_expires"] is None
    assert (await call("GET", f"/v3/Documents/{made['sid']}"))[1]["data"] == {}
    assert (await create(call, ttl=0))["date_expires"] is None


async def test_service_may_be_named(call: Call) -> None:
    made = await create(call)
    service = made["service_sid"]
    status, again = await call("POST", f"/v3/Services/{service}/Documents", {})
    assert status == 201
    assert below(again["url"]) == f"/v3/Services/{service}/Documents/{again['sid']}"
    other = f"IS{'0' * 32}"
    status, refusal = await call("GET", f"/v3/Services/{other}/Documents/{made['sid']}")
    assert (status, refusal["code"]) in [(403, 54056), (404, 54050)]


async def test_condition(call: Call) -> None:
    made = await create(call)
    path = f"/v3/Documents/{made['sid']}"
    status, written = await call("POST", path, {"data": {"n": 1}}, If_Match=made["revision"])
    assert status == 200
    status, refusal = await call("POST", path, {"data": {"n": 2}}, If_Match=made["revision"])
    assert (status, refusal["status"], refusal["code"]) == (412, 412, 54103)
    status, refusal = await call("POST", path, {"data": {}}, If_Match="latest")
    assert (status, refusal["code"]) == (400, 54003)
    status, refusal = await call("DELETE", path, If_Match=made["revision"])
    assert (status, refusal["code"]) == (412, 54103)
    assert await call("DELETE", path, If_Match=written["revision"]) == (204, None)


async def test_repeated_request_is_applied_once(call: Call) -> None:
    request_id = unique("RQ")
    name = unique()
    first, again = [
        await call("POST", "/v3/Documents", {"unique_name": name}, Twilio_Request_Id=request_id)
        for _ in range(2)
    ]
    assert first == again
    path = f"/v3/Documents/{name}"
    request_id = unique("RQ")
    condition = {"If_Match": first[1]["revision"], "Twilio_Request_Id": request_id}
    first, again = [await call("POST", path, {"data": {"n": 1}}, **condition) for _ in range(2)]
    assert first == again
    assert first[0] == 200


@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({"data": None}, 400, 54101),
        ({"data": [1]}, 400, 54008),
        ({"data": 1}, 400, 54008),
        ({"data": {"s": "x" * 16_384}}, 413, 54006),
        ({"ttl": -1}, 400, 54011),
        ({"ttl": 31_536_001}, 400, 54011),
        ({"ttl": "soon"}, 400, 54011),
        ({"unique_name": ""}, 400, 54302),
        ({"unique_name": "x" * 321}, 400, 54302),
        ({"unique_name": f"ET{'0' * 32}"}, 400, 54302),
        ({"unique_name": 1}, 400, 54302),
    ],
)
async def test_bad_members(call: Call, members: Any, status: int, code: int) -> None:
    refused = await call("POST", "/v3/Documents", members)
    assert refused[0] == refused[1]["status"] == status
    assert refused[1]["code"] == code
    assert refused[1]["message"]


async def test_body_that_is_none(call: Call) -> None:
    made = await create(call)
    path = f"/v3/Documents/{made['sid']}"
    for payload in (b"nonsense", b"[]", b"\xff", b'{"data":{},"data":{}}', b'{"data":NaN}'):
        status, refusal = await call("POST", path, payload=payload)
        assert (status, refusal["code"]) == (400, 54008), payload
    assert (await call("POST", path, {}))[1]["code"] == 54010


async def test_body_of_a_delete_is_not_looked_at(call: Call) -> None:
    made = await create(call)
    assert await call("DELETE", f"/v3/Documents/{made['sid']}", payload=b"data_sync") == (204, None)


async def test_what_is_not_there_is_named_by_how_it_was_addressed(call: Call) -> None:
    for address, code in [(f"ET{'0' * 32}", 54100), (unique(), 54300), ("ET111", 54300)]:
        for method, body in [("GET", None), ("POST", {"ttl": 1}), ("DELETE", None)]:
            status, refusal = await call(method, f"/v3/Documents/{address}", body)
            assert (status, refusal["status"], refusal["code"]) == (404, 404, code)


async def test_name_that_is_taken(call: Call) -> None:
    name = unique()
    await create(call, unique_name=name)
    status, refusal = await call("POST", "/v3/Documents", {"unique_name": name})
    assert (status, refusal["status"], refusal["code"]) == (409, 409, 54301)


@pytest.mark.parametrize("name", ["a/b c", "a%2Fb", "grüße", "\U0001f642", "..", "?#&", "\x00"])
async def test_names_are_percent_encoded_in_paths(call: Call, name: str) -> None:
    made = await create(call, unique_name=unique() + name)
    address = quote(made["unique_name"], safe="")
    assert (await call("GET", f"/v3/Documents/{address}"))[1]["sid"] == made["sid"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v3/Lists/x/Nothing", 404, 20404),
        ("POST", "/v3/Permissions", 404, 20404),
        ("POST", "/v3/Insights/x/Items", 404, 20404),
        ("GET", "/v3/Documents/x/Permissions", 404, 20404),
        ("GET", "/v3/Documents/", 404, 20404),
        ("GET", "/v5/Documents/x", 404, 20404),
        ("PUT", "/v3/Documents/x", 405, 20004),
        ("DELETE", "/v3/Documents", 405, 20004),
        ("GET", "/v3/Documents/%zz", 400, 20400),
        ("GET", "/v3/Documents/%ff", 400, 20400),
    ],
)
async def test_paths_and_methods_that_are_not_there(
    call: Call, method: str, path: str, status: int, code: int
) -> None:
    refused = await call(method, path)
    assert (refused[0], refused[1]["status"], refused[1]["code"]) == (status, status, code)


async def test_configuration_names_every_link_that_the_kotlin_sdk_demands(call: Call) -> None:
    status, body = await call("GET", "/v3/Configuration")
    assert status == 200
    service = (await create(call))["service_sid"]
    base = f"/v3/Services/{service}"
    assert {name: below(url) for name, url in body["links"].items()} == {
        "subscriptions": "/v4/Subscriptions",
        "documents": f"{base}/Documents",
        "lists": f"{base}/Lists",
        "list_items": f"{base}/Lists/{{listId}}/Items",
        "list_item": f"{base}/Lists/{{listId}}/Items/{{itemId}}",
        "maps": f"{base}/Maps",
        "map_items": f"{base}/Maps/{{mapId}}/Items",
        "map_item": f"{base}/Maps/{{mapId}}/Items/{{itemId}}",
        "streams": f"{base}/Streams",
        "stream_messages": f"{base}/Streams/{{streamId}}/Messages",
        "insights_items": f"{base}/Insights/{{indexName}}/Items",
    }
