from __future__ import annotations

import re
from datetime import datetime, timedelta

import httpx2
import pytest

from support.api import DocumentsApi, unique
from support.server import RunningServer

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def error(reply: httpx2.Response) -> tuple[int, int]:
    body = reply.json()
    assert body["status"] == reply.status_code
    return body["status"], body["code"]


def test_create_gives_the_resource(api: DocumentsApi, server: RunningServer) -> None:
    name = unique()
    reply = api.call("POST", data={"UniqueName": name, "Data": '{"a": 1}'})
    document = reply.json()
    assert reply.status_code == 201
    assert reply.headers["ETag"] == document["revision"]
    assert document["unique_name"] == name
    assert document["account_sid"] == server.credentials.account_sid
    assert document["data"] == {"a": 1}
    assert document["date_expires"] is None
    assert document["date_created"] == document["date_updated"]
    assert DATE.fullmatch(document["date_created"])
    assert document["url"].startswith(f"{server.url}/v1/Services/{document['service_sid']}/")
    assert document["links"] == {"permissions": f"{document['url']}/Permissions"}


def test_create_without_anything_gives_an_empty_document_without_a_name(api: DocumentsApi) -> None:
    document = api.create()
    assert document["unique_name"] is None
    assert document["data"] == {}


@pytest.mark.parametrize("form", ["Data=", "Data", "Data=&Ttl="])
def test_empty_data_is_as_if_it_were_missing(api: DocumentsApi, form: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    created = api.call("POST", content=form, headers=headers)
    assert (created.status_code, created.json()["data"]) == (201, {})
    address = api.create(Data='{"a":1}')["sid"]
    updated = api.call(
        "POST", address, content=f"{form}&Ttl=60".replace("Ttl=&", ""), headers=headers
    )
    assert (updated.status_code, updated.json()["data"]) == (200, {"a": 1})
    assert updated.json()["date_expires"] is not None


@pytest.mark.parametrize("form", ["Data=", "Data"])
def test_an_update_with_empty_data_alone_is_an_empty_update(api: DocumentsApi, form: str) -> None:
    document = api.create(Data='{"a":1}')
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert error(api.call("POST", document["sid"], content=form, headers=headers)) == (400, 54010)
    assert api.fetch(document["sid"]) == document


def test_create_takes_json(api: DocumentsApi) -> None:
    name = unique()
    reply = api.call("POST", json={"unique_name": name, "data": {"a": [1]}, "ttl": 60})
    assert reply.status_code == 201
    assert reply.json()["data"] == {"a": [1]}
    assert reply.json()["date_expires"] is not None


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "é",
        "a/b",
        "/",
        "../x",
        "a+b",
        "a%2Fb",
        "100%",
        "?x=1#y",
        "日本語",
        "\U0001f600",
        "a\0b",
        "Events",
        "ET123",
        "x" * 300,
    ],
)
def test_any_name_addresses_its_document(api: DocumentsApi, name: str) -> None:
    name = unique(name)
    sid = api.create(UniqueName=name)["sid"]
    assert api.fetch(name)["sid"] == sid
    assert api.fetch(name)["unique_name"] == name
    assert api.call("POST", name, data={"Data": '{"b":2}'}).json()["data"] == {"b": 2}
    assert api.call("DELETE", name).status_code == 204
    assert api.call("GET", name).status_code == 404


def test_the_longest_name(api: DocumentsApi) -> None:
    name = unique("n").ljust(320, "é")
    api.create(UniqueName=name)
    assert api.fetch(name)["unique_name"] == name


def test_fetch_by_sid_and_by_the_url_of_the_resource(api: DocumentsApi) -> None:
    document = api.create(Data='{"a":1}')
    reply = api.call("GET", document["sid"])
    assert reply.json() == document
    assert reply.headers["ETag"] == document["revision"]
    assert (
        document["url"]
        == f"{api.url.replace('default', document['service_sid'])}/{document['sid']}"
    )


def test_the_service_has_a_sid_and_a_name(api: DocumentsApi, server: RunningServer) -> None:
    document = api.create()
    with DocumentsApi(server, service=document["service_sid"]) as same:
        assert same.fetch(document["sid"]) == document


def test_head_is_fetch_without_a_body(api: DocumentsApi) -> None:
    document = api.create(Data='{"a":1}')
    reply = api.call("HEAD", document["sid"])
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["ETag"] == document["revision"]


def test_update_replaces_the_whole_data(api: DocumentsApi) -> None:
    created = api.create(Data='{"a":1,"b":2}')
    reply = api.call("POST", created["sid"], data={"Data": '{"c":3}'})
    updated = reply.json()
    assert updated["data"] == {"c": 3}
    assert int(updated["revision"]) > int(created["revision"])
    assert reply.headers["ETag"] == updated["revision"]
    assert updated["date_created"] == created["date_created"]
    assert api.fetch(created["sid"]) == updated


def test_ttl_is_a_fixed_deadline_until_it_is_set_again(api: DocumentsApi) -> None:
    created = api.create(Ttl="3600")
    life = datetime.fromisoformat(created["date_expires"]) - datetime.fromisoformat(
        created["date_created"]
    )
    assert life == timedelta(seconds=3600)
    kept = api.call("POST", created["sid"], data={"Data": '{"a":1}'}).json()
    assert kept["date_expires"] == created["date_expires"]
    cleared = api.call("POST", created["sid"], data={"Ttl": "0"}).json()
    assert cleared["date_expires"] is None
    assert cleared["data"] == {"a": 1}
    assert int(cleared["revision"]) > int(kept["revision"])


@pytest.mark.parametrize("form", ["{}", '"{}"', "*"])
def test_if_match_lets_the_right_revision_through(api: DocumentsApi, form: str) -> None:
    document = api.create()
    headers = {"If-Match": form.format(document["revision"])}
    reply = api.call("POST", document["sid"], data={"Data": '{"a":1}'}, headers=headers)
    assert reply.status_code == 200


def test_a_mismatch_changes_nothing_and_carries_the_newest_document(api: DocumentsApi) -> None:
    old = api.create()
    new = api.call("POST", old["sid"], data={"Data": '{"a":1}'}).json()
    headers = {"If-Match": old["revision"]}
    reply = api.call("POST", old["sid"], data={"Data": '{"a":2}'}, headers=headers)
    assert error(reply) == (412, 54103)
    carried = reply.json()["details"]["document"]
    assert (carried["revision"], carried["data"]) == (new["revision"], {"a": 1})
    assert api.fetch(old["sid"]) == new


def test_if_match_guards_patch_and_delete_too(api: DocumentsApi) -> None:
    document = api.create()
    headers = {"If-Match": "1", "Content-Type": "application/merge-patch+json"}
    assert error(api.call("PATCH", document["sid"], content="{}", headers=headers)) == (412, 54103)
    assert error(api.call("DELETE", document["sid"], headers=headers)) == (412, 54103)
    assert api.fetch(document["sid"]) == document
    current = {"If-Match": document["revision"]}
    assert api.call("DELETE", document["sid"], headers=current).status_code == 204


@pytest.mark.parametrize(
    ("media_type", "patch", "result"),
    [
        ("merge-patch+json", '{"a":null,"c":{"d":1}}', {"n": 1, "c": {"d": 1}}),
        ("json-patch+json", '[{"op":"add","path":"/b","value":2}]', {"a": 1, "n": 1, "b": 2}),
        ("vnd.syncline.increment+json", '{"/n":2,"/new":1}', {"a": 1, "n": 3, "new": 1}),
    ],
)
def test_patch_changes_the_newest_data(
    api: DocumentsApi, media_type: str, patch: str, result: object
) -> None:
    sid = api.create(Data='{"a":1,"n":1}')["sid"]
    reply = api.call(
        "PATCH", sid, content=patch, headers={"Content-Type": f"application/{media_type}"}
    )
    assert reply.status_code == 200
    assert reply.headers["ETag"] == reply.json()["revision"]
    assert reply.json()["data"] == result
    assert api.fetch(sid) == reply.json()


def test_patch_may_set_the_expiry(api: DocumentsApi) -> None:
    sid = api.create()["sid"]
    headers = {"Content-Type": "application/merge-patch+json"}
    reply = api.call("PATCH", sid, content="{}", params={"Ttl": 60}, headers=headers)
    assert reply.json()["date_expires"] is not None
    refused = api.call("PATCH", sid, content="{}", params={"Ttl": "x"}, headers=headers)
    assert error(refused) == (400, 54011)
    twice = api.call("PATCH", sid, content="{}", params={"Ttl": ["1", "2"]}, headers=headers)
    assert error(twice) == (400, 54011)


def test_a_patch_that_does_not_fit_is_a_conflict(api: DocumentsApi) -> None:
    document = api.create(Data='{"a":"text"}')
    headers = {"Content-Type": "application/vnd.syncline.increment+json"}
    reply = api.call("PATCH", document["sid"], content='{"/a":1}', headers=headers)
    assert error(reply) == (409, 20409)
    assert api.fetch(document["sid"]) == document


def test_delete_ends_the_document(api: DocumentsApi) -> None:
    sid = api.create(UniqueName=unique())["sid"]
    reply = api.call("DELETE", sid)
    assert (reply.status_code, reply.content) == (204, b"")
    assert error(api.call("GET", sid)) == (404, 20404)
    assert error(api.call("DELETE", sid)) == (404, 20404)


def test_a_deleted_name_is_free_again(api: DocumentsApi) -> None:
    name = unique()
    first = api.create(UniqueName=name)
    api.call("DELETE", name)
    assert api.create(UniqueName=name)["sid"] != first["sid"]


def test_the_identity_of_a_token_signs_what_it_writes(
    api: DocumentsApi, alices: DocumentsApi
) -> None:
    hers = alices.create()
    assert (hers["created_by"], hers["updated_by"]) == ("alice", "alice")
    updated = api.call("POST", hers["sid"], data={"Data": "{}"}).json()
    assert (updated["created_by"], updated["updated_by"]) == ("alice", "system")
    assert api.create()["created_by"] == "system"


def test_a_repeated_operation_is_applied_once(api: DocumentsApi) -> None:
    key = {"Idempotency-Key": unique()}
    first = api.call("POST", headers=key)
    again = api.call("POST", headers=key)
    assert again.status_code == 201
    assert again.json()["sid"] == first.json()["sid"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("method", "content", "media_type"),
    [
        ("POST", "Data=%7B%22a%22%3A1%7D", "application/x-www-form-urlencoded"),
        ("PATCH", '{"/n":1}', "application/vnd.syncline.increment+json"),
    ],
)
def test_a_repeated_write_has_the_first_ones_revision(
    api: DocumentsApi, method: str, content: str, media_type: str
) -> None:
    sid = api.create()["sid"]
    headers = {"Idempotency-Key": unique(), "Content-Type": media_type}
    first = api.call(method, sid, content=content, headers=headers)
    again = api.call(method, sid, content=content, headers=headers)
    assert again.json()["revision"] == first.json()["revision"]
    assert api.fetch(sid) == first.json()


def test_a_repeated_delete_succeeds(api: DocumentsApi) -> None:
    sid = api.create()["sid"]
    key = {"Idempotency-Key": unique()}
    assert api.call("DELETE", sid, headers=key).status_code == 204
    assert api.call("DELETE", sid, headers=key).status_code == 204
