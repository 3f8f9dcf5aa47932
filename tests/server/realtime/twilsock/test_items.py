"""The v3 API for the items of lists and maps, through the socket and over plain HTTP."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from support.api import unique
from support.server import RunningServer
from support.v3 import Call, below

KINDS = ("Lists", "Maps")

both = pytest.mark.parametrize("kind", KINDS)

MISSING = {"Lists": 54151, "Maps": 54201}
MISMATCH = {"Lists": 54155, "Maps": 54205}


async def create(call: Call, kind: str, **members: Any) -> Any:
    status, made = await call("POST", f"/v3/{kind}", members)
    assert status == 201, made
    return made


async def add(call: Call, made: Any, key: str = "k", **members: Any) -> Any:
    """Add an item; a list ignores the key."""
    body = {"key": key, "data": {"n": 0}, **members}
    status, item = await call("POST", below(made["links"]["items"]), body)
    assert status == 201, item
    return item


@both
async def test_collection_from_its_creation_to_its_end(
    server: RunningServer, call: Call, kind: str
) -> None:
    name = unique()
    made = await create(call, kind, unique_name=name, ttl=60)
    prefix = {"Lists": "ES", "Maps": "MP"}[kind]
    assert re.fullmatch(rf"{prefix}[0-9a-f]{{32}}", made["sid"])
    assert made["unique_name"] == name
    assert made["revision"] == str(made["last_event_id"])
    assert made["created_by"] == "alice"
    for date in ("date_created", "date_updated", "date_expires"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made[date])
    assert made["links"]["items"] == f"{made['url']}/Items"
    assert await call("GET", below(made["url"])) == (200, made)
    assert await call("GET", f"/v3/{kind}/{name}") == (200, made)
    status, refusal = await call("POST", f"/v3/{kind}", {"unique_name": name})
    assert (status, refusal["code"]) == (409, 54301)

    item = await add(call, made)
    fetched = (await call("GET", below(made["url"])))[1]
    assert fetched["revision"] == item["revision"]
    assert fetched["date_updated"] == item["date_updated"]

    status, changed = await call("POST", below(made["url"]), {"ttl": 0})
    assert (status, changed["date_expires"]) == (200, None)
    assert changed["unique_name"] == name
    assert await call("DELETE", below(made["url"]), payload=b"data_sync") == (204, None)
    for path in (made["url"], made["links"]["items"], item["url"]):
        status, refusal = await call("GET", below(path))
        assert (status, refusal["status"], refusal["code"]) == (404, 404, 54300)


@both
async def test_item_from_its_creation_to_its_end(call: Call, kind: str) -> None:
    made = await create(call, kind)
    item = await add(call, made, ttl=60)
    id_name, sid_name = {"Lists": ("index", "list_sid"), "Maps": ("key", "map_sid")}[kind]
    assert item[id_name] == {"Lists": 0, "Maps": "k"}[kind]
    assert item[sid_name] == made["sid"]
    assert item["revision"] == str(item["last_event_id"])
    assert made["last_event_id"] < item["last_event_id"] < 2**53
    # The Kotlin SDK takes it for a defect of the server if there is any.
    assert "data" not in item

    path = below(item["url"])
    assert await call("GET", path) == (200, {**item, "data": {"n": 0}})
    status, written = await call("POST", path, {"data": {"n": 1}})
    assert status == 200
    assert "data" not in written
    unchanged = (id_name, sid_name, "date_created", "date_expires", "url")
    assert {each: written[each] for each in unchanged} == {each: item[each] for each in unchanged}
    status, written = await call("POST", path, {"ttl": 0})
    assert (status, written["date_expires"]) == (200, None)
    assert (await call("GET", path))[1]["data"] == {"n": 1}

    status, removed = await call("DELETE", path, payload=b"data_sync")
    assert status == 200
    assert "data" not in removed
    assert removed[sid_name] == made["sid"]
    assert removed[id_name] == item[id_name]
    assert removed["last_event_id"] > written["last_event_id"]
    assert removed["date_updated"] and removed["date_created"]
    for method, body in (("GET", None), ("POST", {"data": {}}), ("DELETE", None)):
        status, refusal = await call(method, path, body)
        assert (status, refusal["status"], refusal["code"]) == (404, 404, MISSING[kind])


async def test_put_tells_whether_it_added_the_item(call: Call) -> None:
    made = await create(call, "Maps")
    path = f"{below(made['links']['items'])}/{quote('a/b é', safe='')}"
    status, added = await call("PUT", path, {"data": {"n": 0}, "ttl": 60})
    assert (status, added["key"]) == (201, "a/b é")
    status, replaced = await call("PUT", path, {"data": {"n": 1}})
    assert status == 200
    assert "data" not in replaced
    assert replaced["date_expires"] == added["date_expires"]
    assert (await call("GET", below(added["url"])))[1]["data"] == {"n": 1}


async def test_put_never_answers_404_while_the_map_exists(call: Call) -> None:
    """The JavaScript SDK would take the whole map for removed."""
    made = await create(call, "Maps")
    path = f"{below(made['links']['items'])}/k"
    for condition in (made["revision"], "*"):
        status, refusal = await call("PUT", path, {"data": {}}, If_Match=condition)
        assert (status, refusal["status"], refusal["code"]) == (412, 412, 54205)
    assert (await call("PUT", path, {"data": {}}, If_Match="-1"))[0] == 201
    status, refusal = await call("PUT", path, {"data": {}}, If_Match="-1")
    assert (status, refusal["code"]) == (412, 54205)
    await call("DELETE", below(made["url"]))
    for condition in ({}, {"If_Match": "-1"}, {"If_Match": made["revision"]}):
        status, refusal = await call("PUT", path, {"data": {}}, **condition)
        assert (status, refusal["status"], refusal["code"]) == (404, 404, 54300)


@both
async def test_condition(call: Call, kind: str) -> None:
    item = await add(call, await create(call, kind))
    path, revision = below(item["url"]), item["revision"]
    status, written = await call("POST", path, {"data": {"n": 1}}, If_Match=revision)
    assert status == 200
    for method, body in (("POST", {"data": {}}), ("DELETE", None)):
        status, refusal = await call(method, path, body, If_Match=revision)
        assert (status, refusal["status"], refusal["code"]) == (412, 412, MISMATCH[kind])
        status, refusal = await call(method, path, body, If_Match="latest")
        assert (status, refusal["code"]) == (400, 54003)
        status, refusal = await call(method, path, body, If_Match="-1")
        assert (status, refusal["code"]) == (412, MISMATCH[kind])
    assert (await call("DELETE", path, If_Match=written["revision"]))[0] == 200
    # The Kotlin SDK adds the item on exactly this pair of status and code.
    for condition in ({}, {"If_Match": revision}, {"If_Match": "-1"}):
        status, refusal = await call("POST", path, {"data": {}}, **condition)
        assert (status, refusal["status"], refusal["code"]) == (404, 404, MISSING[kind])


async def test_key_that_is_taken(call: Call) -> None:
    made = await create(call, "Maps")
    await add(call, made)
    body = {"key": "k", "data": {}}
    status, refusal = await call("POST", below(made["links"]["items"]), body)
    assert (status, refusal["status"], refusal["code"]) == (409, 409, 54208)


@both
async def test_one_item_by_a_query(call: Call, kind: str) -> None:
    """The JavaScript SDK takes an empty page for an item that does not exist, and needs `meta`."""
    made = await create(call, kind)
    item = await add(call, made, "a&b=c+d e")
    path = below(made["links"]["items"])
    name, found, lost = {
        "Lists": ("Index", "0", "1"),
        "Maps": ("Key", quote("a&b=c+d e", safe=""), "a"),
    }[kind]
    status, page = await call("GET", f"{path}?HideExpired=true&{name}={found}")
    assert status == 200
    assert page["items"] == [{**item, "data": {"n": 0}}]
    assert [page["meta"][each] for each in ("previous_token", "next_token")] == [None, None]
    # It precedes all other parameters.
    others = "From=nonsense&Order=up&PageToken=x"
    status, page = await call("GET", f"{path}?{others}&{name}={lost}")
    assert (status, page["items"]) == (200, [])
    assert [page["meta"][each] for each in ("previous_token", "next_token")] == [None, None]
    for wrong in ("", "x" * 321):
        status, refusal = await call("GET", f"{path}?{name}={wrong}")
        assert (status, refusal["code"]) == (400, {"Lists": 54458, "Maps": 54209}[kind])


async def test_blank_of_a_query_may_be_a_plus(call: Call) -> None:
    made = await create(call, "Maps")
    await add(call, made, "a b")
    path = below(made["links"]["items"])
    for key in ("a+b", "a%20b"):
        assert (await call("GET", f"{path}?Key={key}"))[1]["items"][0]["key"] == "a b"


@both
async def test_items_come_with_their_collection(call: Call, kind: str) -> None:
    made = await create(call, kind)
    items = [await add(call, made, key) for key in ("b", "a")]
    ordered = items if kind == "Lists" else items[::-1]
    status, fetched = await call("GET", f"{below(made['url'])}?Include=items")
    assert status == 200
    assert fetched["items"] == [{**each, "data": {"n": 0}} for each in ordered]
    assert fetched["last_event_id"] == items[1]["last_event_id"]
    plain = (await call("GET", f"{below(made['url'])}?Include=nothing"))[1]
    assert plain == {name: value for name, value in fetched.items() if name != "items"}


@both
async def test_repeated_request_is_applied_once(call: Call, kind: str) -> None:
    made = await create(call, kind)
    path = below(made["links"]["items"])
    request_id = unique("RQ")
    body = {"key": "k", "data": {"n": 0}}
    first, again = [await call("POST", path, body, Twilio_Request_Id=request_id) for _ in range(2)]
    assert first == again
    assert first[0] == 201
    assert len((await call("GET", path))[1]["items"]) == 1
    item, request_id = below(first[1]["url"]), unique("RQ")
    first, again = [
        await call("POST", item, {"data": {"n": 1}}, Twilio_Request_Id=request_id) for _ in range(2)
    ]
    assert first == again
    request_id = unique("RQ")
    first, again = [await call("DELETE", item, Twilio_Request_Id=request_id) for _ in range(2)]
    assert first[0] == again[0] == 200
    assert first[1]["last_event_id"] == again[1]["last_event_id"]


@both
async def test_collection_ttl_beside_an_item(call: Call, kind: str) -> None:
    made = await create(call, kind)
    item = await add(call, made, collection_ttl=60)
    assert item["date_expires"] is None
    assert (await call("GET", below(made["url"])))[1]["date_expires"] is not None
    await call("POST", below(item["url"]), {"data": {}, "collection_ttl": 0})
    assert (await call("GET", below(made["url"])))[1]["date_expires"] is None


@both
@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({"data": None}, 400, 0),
        ({"data": [1]}, 400, 54008),
        ({"data": {"s": "x" * 16_384}}, 413, 54006),
        ({"data": {}, "ttl": -1}, 400, 54011),
        ({"data": {}, "item_ttl": "soon"}, 400, 54011),
        ({"data": {}, "collection_ttl": 31_536_001}, 400, 54011),
    ],
)
async def test_bad_members(call: Call, kind: str, members: Any, status: int, code: int) -> None:
    made = await create(call, kind)
    item = await add(call, made)
    code = code or {"Lists": 54156, "Maps": 54206}[kind]
    writes = [("POST", below(made["links"]["items"])), ("POST", below(item["url"]))]
    writes += [("PUT", below(item["url"]))] if kind == "Maps" else []
    for method, path in writes:
        refused = await call(method, path, {"key": "new", **members})
        assert refused[0] == refused[1]["status"] == status
        assert refused[1]["code"] == code
        assert refused[1]["message"]
    assert (await call("GET", below(made["url"])))[1]["revision"] == item["revision"]


@both
async def test_what_is_missing_is_named(call: Call, kind: str) -> None:
    made = await create(call, kind)
    item = await add(call, made)
    items, code = below(made["links"]["items"]), {"Lists": 54156, "Maps": 54206}[kind]
    assert (await call("POST", items, {"key": "x"}))[1]["code"] == code
    assert (await call("POST", below(item["url"]), {}))[1]["code"] == 54010
    assert (await call("POST", below(made["url"]), {}))[1]["code"] == 54010
    if kind == "Maps":
        assert (await call("POST", items, {"data": {}}))[1]["code"] == 54209
        assert (await call("PUT", below(item["url"]), {}))[1]["code"] == code
        long = f"{items}/{'x' * 321}"
        assert (await call("PUT", long, {"data": {}}))[1]["code"] == 54209
    else:
        assert (await call("PUT", below(item["url"]), {"data": {}}))[1]["code"] == 20004
        for index in ("x", "-1", "01", "1.5", str(2**53)):
            status, refusal = await call("POST", f"{items}/{index}", {"data": {}})
            assert (status, refusal["code"]) == (400, 54458)


@both
async def test_collection_that_does_not_exist(call: Call, kind: str) -> None:
    prefix = {"Lists": "ES", "Maps": "MP"}[kind]
    for address in (prefix + "0" * 32, unique(), f"{prefix}111", "ET" + "0" * 32):
        base = f"/v3/{kind}/{address}"
        item = f"{base}/Items/0"
        calls: list[tuple[str, str, Any]] = [
            ("GET", base, None),
            ("POST", base, {"ttl": 1}),
            ("DELETE", base, None),
            ("GET", f"{base}?Include=items", None),
            ("GET", f"{base}/Items", None),
            ("GET", f"{base}/Items?Key=a&Index=0", None),
            ("POST", f"{base}/Items", {"key": "a", "data": {}}),
            ("GET", item, None),
            ("POST", item, {"data": {}}),
            ("DELETE", item, None),
        ]
        for method, path, body in calls:
            status, refusal = await call(method, path, body)
            assert (status, refusal["status"], refusal["code"]) == (404, 404, 54300), path


async def test_context_of_a_list_is_empty(call: Call) -> None:
    """Undocumented: `purpose` and `context` are accepted and not kept."""
    made = await create(call, "Lists", purpose="x", context={"a": 1})
    status, context = await call("GET", below(made["links"]["context"]))
    assert status == 200
    assert context == {"data": {}, "last_event_id": made["last_event_id"]}


async def test_indexes_are_never_given_again(call: Call) -> None:
    made = await create(call, "Lists")
    indexes = []
    for _ in range(3):
        item = await add(call, made)
        indexes.append(item["index"])
        await call("DELETE", below(item["url"]))
    assert indexes == [0, 1, 2]
