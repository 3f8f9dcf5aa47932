"""Lists, maps and streams themselves, over REST."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.api import DocumentsApi, unique
from support.collections import CollectionsApi, error
from support.server import RunningServer

PREFIXES = {"Lists": "ES", "Maps": "MP", "Streams": "TO"}


@pytest.fixture(scope="module", params=list(PREFIXES))
def plural(request: pytest.FixtureRequest) -> str:
    plural: str = request.param
    return plural


@pytest.fixture(scope="module")
def objects(server: RunningServer, plural: str) -> Iterator[CollectionsApi]:
    with CollectionsApi(server, plural) as objects:
        yield objects


def test_create_and_fetch(objects: CollectionsApi, plural: str, server: RunningServer) -> None:
    name = unique("a/b é 🎉")
    reply = objects.call("POST", data={"UniqueName": name, "Ttl": "60"})
    assert reply.status_code == 201
    created = reply.json()
    assert created["sid"].startswith(PREFIXES[plural]) and len(created["sid"]) == 34
    assert created["unique_name"] == name
    assert created["account_sid"] == server.credentials.account_sid
    assert created["url"].endswith(f"/{plural}/{created['sid']}")
    assert (created["created_by"], created["updated_by"]) == ("system", "system")
    life = datetime.fromisoformat(created["date_expires"]) - datetime.fromisoformat(
        created["date_created"]
    )
    assert life == timedelta(seconds=60)
    assert objects.fetch(created["sid"]) == objects.fetch(name) == created
    assert "etag" not in reply.headers


def test_a_stream_has_no_revision_and_other_links(objects: CollectionsApi, plural: str) -> None:
    created = objects.create()
    nested = ("messages",) if plural == "Streams" else ("items", "permissions")
    assert created["links"] == {name: f"{created['url']}/{name.capitalize()}" for name in nested}
    assert ("revision" in created) is (plural != "Streams")


def test_the_expiry_is_all_that_an_update_changes(objects: CollectionsApi) -> None:
    created = objects.create(UniqueName=unique())
    assert created["date_expires"] is None
    limited = objects.ok("POST", created["sid"], data={"Ttl": 3600})
    assert limited["date_expires"] is not None
    assert limited["unique_name"] == created["unique_name"]
    assert objects.fetch(created["sid"]) == limited
    assert objects.ok("POST", created["sid"], json={"ttl": 0})["date_expires"] is None


def test_the_ttl_of_the_collection_counts_more(objects: CollectionsApi, plural: str) -> None:
    reply = objects.call("POST", data={"Ttl": "60", "CollectionTtl": "0"})
    if plural == "Streams":
        assert error(reply) == (400, 20001)
        return
    assert reply.json()["date_expires"] is None
    limited = objects.ok("POST", reply.json()["sid"], json={"collection_ttl": 60, "ttl": 0})
    assert limited["date_expires"] is not None


def test_delete_ends_the_object_and_frees_its_name(objects: CollectionsApi) -> None:
    name = unique()
    first = objects.create(UniqueName=name)
    reply = objects.call("DELETE", name)
    assert (reply.status_code, reply.content) == (204, b"")
    for address in (name, first["sid"]):
        for method in ("GET", "DELETE"):
            assert error(objects.call(method, address)) == (404, 20404)
        assert error(objects.call("POST", address, data={"Ttl": "1"})) == (404, 20404)
    assert objects.create(UniqueName=name)["sid"] != first["sid"]


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"UniqueName": ""}, 400, 54302),
        ({"UniqueName": "x" * 321}, 400, 54302),
        ({"UniqueName": "MP" + "0" * 32}, 400, 54302),
        ({"Ttl": "-1"}, 400, 54011),
        ({"Ttl": "1.5"}, 400, 54011),
        ({"Ttl": "31536001"}, 400, 54011),
        ({"Data": "{}"}, 400, 20001),
        ({"uniqueName": "a"}, 400, 20001),
    ],
)
def test_the_errors_of_create(
    objects: CollectionsApi, parameters: dict[str, str], status: int, code: int
) -> None:
    assert error(objects.call("POST", data=parameters)) == (status, code)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [({}, 54010), ({"Ttl": "x"}, 54011), ({"UniqueName": "a"}, 20001), ({"Data": "{}"}, 20001)],
)
def test_the_errors_of_update(
    objects: CollectionsApi, parameters: dict[str, str], code: int
) -> None:
    created = objects.create()
    assert error(objects.call("POST", created["sid"], data=parameters)) == (400, code)
    assert objects.fetch(created["sid"]) == created


def test_the_longest_name(objects: CollectionsApi) -> None:
    name = unique().ljust(320, "é")
    assert objects.create(UniqueName=name)["unique_name"] == name
    assert objects.fetch(name)["unique_name"] == name


def test_names_are_unique_among_the_objects_of_a_type(
    server: RunningServer, api: DocumentsApi
) -> None:
    name = unique()
    sids = {api.create(UniqueName=name)["sid"]}
    for plural in PREFIXES:
        with CollectionsApi(server, plural) as objects:
            sids.add(objects.create(UniqueName=name)["sid"])
            assert error(objects.call("POST", data={"UniqueName": name})) == (409, 54301)
            assert objects.fetch(name)["sid"] in sids
            objects.ok("DELETE", name)
    assert len(sids) == 4
    assert api.fetch(name)["sid"] in sids


def test_the_sid_of_another_type_is_not_found(server: RunningServer, api: DocumentsApi) -> None:
    document = api.create()["sid"]
    for plural in PREFIXES:
        with CollectionsApi(server, plural) as objects:
            assert error(objects.call("GET", document)) == (404, 20404)


def test_a_repeated_operation_is_applied_once(objects: CollectionsApi) -> None:
    key = {"Idempotency-Key": unique()}
    first = objects.call("POST", headers=key)
    again = objects.call("POST", headers=key)
    assert again.status_code == 201
    assert again.json()["sid"] == first.json()["sid"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    other = objects.call("POST", headers=key, data={"UniqueName": unique()})
    assert error(other) == (409, 20409)
    deletion = {"Idempotency-Key": unique()}
    for _ in range(2):
        assert objects.call("DELETE", first.json()["sid"], headers=deletion).status_code == 204


def test_a_listing_leads_through_all_objects(objects: CollectionsApi, plural: str) -> None:
    made = {objects.create()["sid"] for _ in range(7)}
    page = objects.ok("GET", params={"PageSize": 3})
    assert page["meta"]["key"] == plural.lower()
    found: list[Any] = []
    while True:
        assert len(page[plural.lower()]) <= 3
        found += [each["sid"] for each in page[plural.lower()]]
        following = page["meta"]["next_page_url"]
        if following is None:
            break
        page = objects.page(following)
    assert len(set(found)) == len(found)
    assert made <= set(found)


@pytest.mark.parametrize(
    ("query", "code"),
    [({"PageSize": "0"}, 54454), ({"PageToken": "x"}, 54453), ({"Page": "x"}, 20422)],
)
def test_the_errors_of_a_listing(objects: CollectionsApi, query: dict[str, str], code: int) -> None:
    assert error(objects.call("GET", params=query)) == (400, code)


def test_a_token_of_another_listing_is_refused(server: RunningServer) -> None:
    with CollectionsApi(server, "Lists") as lists, CollectionsApi(server, "Maps") as maps:
        for _ in range(2):
            lists.create()
        following = lists.ok("GET", params={"PageSize": 1})["meta"]["next_page_url"]
        token = following.partition("PageToken=")[2].partition("&")[0]
        assert error(maps.call("GET", params={"PageToken": token})) == (400, 54453)


def test_the_identity_of_a_token_signs_what_it_creates(server: RunningServer, plural: str) -> None:
    with CollectionsApi(server, plural, server.token("alice")) as objects:
        created = objects.create()
        assert (created["created_by"], created["updated_by"]) == ("alice", "alice")
        objects.ok("DELETE", created["sid"])


def test_other_methods_are_not_allowed(objects: CollectionsApi) -> None:
    sid = objects.create()["sid"]
    for method, segments in [("PATCH", (sid,)), ("PUT", (sid,)), ("DELETE", ())]:
        reply = objects.call(method, *segments)
        assert error(reply) == (405, 20004)
        assert "GET" in reply.headers["Allow"]
