"""Lists, maps and streams under SIDs that the account chose."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from support.api import unique
from support.collections import CollectionsApi, error
from support.server import RunningServer
from syncline_protocol.objects import LIST, MAP, STREAM, ObjectType
from syncline_protocol.sids import bucket_of_name


@pytest.fixture(params=[LIST, MAP, STREAM], ids=lambda type_: type_.name)
def type_(request: pytest.FixtureRequest) -> ObjectType:
    found: ObjectType = request.param
    return found


@pytest.fixture
def api(server: RunningServer, type_: ObjectType) -> Iterator[CollectionsApi]:
    with CollectionsApi(server, type_.plural.capitalize()) as api:
        yield api


def chosen(type_: ObjectType, name: str = "", *, is_away: bool = True) -> str:
    """A SID whose bucket is not that of the name, or is."""
    return f"{type_.prefix}{(bucket_of_name(name) + is_away) % 256:02x}{secrets.token_hex(15)}"


@pytest.mark.parametrize("form", ["data", "json"])
@pytest.mark.parametrize("is_away", [True, False])
def test_an_object_keeps_the_sid_that_it_is_created_with(
    api: CollectionsApi, type_: ObjectType, form: str, is_away: bool
) -> None:
    name = unique()
    sid = chosen(type_, name, is_away=is_away)
    spelling = "Sid" if form == "data" else "sid"
    given: Any = {form: {spelling: sid, "UniqueName": name, "Ttl": 60}}
    reply = api.call("POST", **given)
    assert reply.status_code == 201
    created = reply.json()
    assert (created["sid"], created["unique_name"]) == (sid, name)
    assert created["url"].endswith(f"/{sid}")
    assert api.ok("GET", sid) == api.ok("GET", name) == created
    for address in (sid, name):
        assert api.ok("POST", address, data={"Ttl": "0"})["sid"] == sid
    assert error(api.call("POST", data={"Sid": sid})) == (409, 20409)
    api.ok("DELETE", name)
    for address in (sid, name):
        assert api.call("GET", address).status_code == 404
    assert api.ok("POST", data={"UniqueName": name})["sid"] != sid


@pytest.mark.parametrize("type_", [LIST, MAP], indirect=True, ids=lambda type_: type_.name)
def test_a_removed_object_comes_back_under_its_sid_without_its_items(
    api: CollectionsApi, type_: ObjectType
) -> None:
    name = unique()
    sid = chosen(type_, name)
    given = {"Sid": sid, "UniqueName": name}
    before = api.ok("POST", data=given)
    key = {"Key": "k"} if type_ is MAP else {}
    api.ok("POST", name, "Items", data={"Data": "{}", **key})
    api.ok("DELETE", sid)
    again = api.ok("POST", data=given)
    assert int(again["revision"]) > int(before["revision"])
    assert api.ok("GET", name, "Items")["items"] == []
    # An application that knows the SID under its name must not find another object there.
    api.ok("DELETE", sid)
    assert error(api.call("POST", data={**given, "UniqueName": unique()})) == (409, 20409)


def test_a_sid_of_another_type_or_form_is_refused(api: CollectionsApi, type_: ObjectType) -> None:
    for sid in ("", "x", f"ET{secrets.token_hex(16)}", chosen(type_).upper()):
        assert error(api.call("POST", data={"Sid": sid})) == (400, 20422)
    assert error(api.call("POST", json={"Sid": 1})) == (400, 20422)
    made = api.ok("POST")["sid"]
    assert api.call("POST", made, data={"Sid": chosen(type_), "Ttl": "1"}).status_code == 400


def test_a_token_holder_may_not_choose(server: RunningServer, type_: ObjectType) -> None:
    with CollectionsApi(server, type_.plural.capitalize(), server.token("alice")) as alices:
        assert error(alices.call("POST", data={"Sid": chosen(type_)})) == (403, 20403)
