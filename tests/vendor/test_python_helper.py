"""The vendor's Python helper library, unmodified, does all that it can do with documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException

from support.api import unique
from support.server import RunningServer

SID = "ET" + "0" * 32


def refused(call: Any, *args: Any, **options: Any) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as caught:
        call(*args, **options)
    assert caught.value.msg
    return caught.value


def error(call: Any, *args: Any, **options: Any) -> tuple[int, int]:
    refusal = refused(call, *args, **options)
    return refusal.status, refusal.code


def page_error(call: Any, **options: Any) -> tuple[int, int]:
    """Of a page, the helper raises the bare reply."""
    with pytest.raises(TwilioException, match="Unable to fetch page") as caught:
        call(**options)
    reply = caught.value.args[1]
    return reply.status_code, json.loads(reply.text)["code"]


def test_create_with_everything(service: Any) -> None:
    name = unique("My Doc é/")
    before = datetime.now(UTC).replace(microsecond=0)
    document = service.documents.create(unique_name=name, data={"a": 1, "u": "é"}, ttl=3600)
    assert document.unique_name == name
    assert document.data == {"a": 1, "u": "é"}
    assert document.created_by == "system"
    assert before <= document.date_created <= datetime.now(UTC)
    assert document.date_updated == document.date_created
    assert document.date_expires - document.date_created == timedelta(hours=1)


def test_create_with_nothing(service: Any) -> None:
    document = service.documents.create()
    assert (document.unique_name, document.data, document.date_expires) == (None, {}, None)


@pytest.mark.parametrize("data", [None, ""])
def test_data_that_is_none_or_empty_is_as_if_it_were_missing(
    service: Any, data: str | None
) -> None:
    document = service.documents.create(data=data)
    assert document.data == {}
    changed = service.documents(document.sid).update(data={"a": 1})
    assert service.documents(document.sid).update(data=data, ttl=60).data == changed.data
    assert error(service.documents(document.sid).update, data=data) == (400, 54010)


def test_create_with_data_as_text(service: Any) -> None:
    assert service.documents.create(data='{"a": [1, 2]}').data == {"a": [1, 2]}


@pytest.mark.parametrize("name", ["My Doc", "é", "日本語", "a+b", "a&b=c", "x.y~z"])
def test_fetch_by_sid_and_by_name(service: Any, name: str) -> None:
    created = service.documents.create(unique_name=unique(name), data={"a": 1})
    for address in (created.sid, created.unique_name):
        fetched = service.documents(address).fetch()
        assert fetched.sid == created.sid
        assert fetched.data == {"a": 1}
        assert fetched.revision == created.revision


def test_fetch_a_name_with_a_slash_that_the_caller_encodes(service: Any) -> None:
    name = unique("a")
    created = service.documents.create(unique_name=f"{name}/b")
    assert service.documents(f"{name}%2Fb").fetch().sid == created.sid


def test_update_with_if_match(service: Any) -> None:
    created = service.documents.create(data={"a": 1})
    updated = created.update(if_match=created.revision, data={"a": 2})
    assert updated.data == {"a": 2}
    assert updated.revision != created.revision
    refusal = refused(created.update, if_match=created.revision, data={"a": 3})
    assert (refusal.status, refusal.code) == (412, 54103)
    assert refusal.msg.startswith("Unable to update record: ")
    assert service.documents(created.sid).fetch().data == {"a": 2}


def test_update_without_if_match_wins(service: Any) -> None:
    created = service.documents.create()
    service.documents(created.sid).update(data={"a": 1})
    assert service.documents(created.sid).update(data={"a": 2}).data == {"a": 2}


def test_update_of_the_expiry_alone(service: Any) -> None:
    created = service.documents.create(data={"a": 1})
    updated = created.update(ttl=60)
    assert updated.data == {"a": 1}
    assert updated.date_expires - updated.date_updated == timedelta(seconds=60)
    assert created.update(ttl=0).date_expires is None


def test_list_over_several_pages(login: Any, server: RunningServer, service: Any) -> None:
    made = {service.documents.create().sid for _ in range(7)}
    listed = [document.sid for document in service.documents.list(page_size=3)]
    assert len(set(listed)) == len(listed)
    assert made <= set(listed)
    assert len(service.documents.list(limit=5)) == 5
    assert len(list(service.documents.stream(limit=4, page_size=2))) == 4


def test_a_limit_or_a_page_size_above_the_largest_is_taken_as_the_largest(service: Any) -> None:
    made = {service.documents.create().sid for _ in range(101)}
    for options in ({"limit": 1001}, {"page_size": 5000}, {"limit": 2000, "page_size": 1001}):
        assert made <= {document.sid for document in service.documents.list(**options)}
    page = service.documents.page(page_size=5000)
    assert len(list(page)) == 100
    assert "PageSize=100&" in page.next_page_url


def test_page_by_page_and_back(service: Any) -> None:
    for _ in range(3):
        service.documents.create()
    first = service.documents.page(page_size=1)
    second = first.next_page()
    [document] = first
    [back] = second.previous_page()
    assert back.sid == document.sid
    [again] = service.documents.get_page(second.previous_page_url)
    assert again.sid == document.sid


def test_delete(service: Any) -> None:
    created = service.documents.create(unique_name=unique())
    assert service.documents(created.unique_name).delete() is True
    assert error(service.documents(created.sid).fetch) == (404, 20404)


def test_an_api_key_is_as_good_as_the_account(login: Any, server: RunningServer) -> None:
    known = server.credentials
    key, secret = next(iter(known.api_keys.items()))
    client = login(key, secret, account_sid=known.account_sid)
    assert client.sync.v1.services("default").documents.create().account_sid == known.account_sid


def test_the_error_of_wrong_credentials(login: Any, server: RunningServer) -> None:
    client = login(server.basic[0], "wrong")
    documents = client.sync.v1.services("default").documents
    assert error(documents.create) == (401, 20003)
    assert page_error(documents.list) == (401, 20003)


def test_the_error_of_a_service_that_is_not_there(login: Any, server: RunningServer) -> None:
    services = login(*server.basic).sync.v1.services
    assert error(services("IS" + "0" * 32).documents.create) == (404, 54050)


@pytest.mark.parametrize("address", [SID, "missing", "a/b"])
def test_the_error_of_a_document_that_is_not_there(service: Any, address: str) -> None:
    document = service.documents(address)
    assert error(document.fetch) == (404, 20404)
    assert error(document.update, data={}) == (404, 20404)
    assert error(document.delete) == (404, 20404)
    assert "/Services/default/Documents/" in refused(document.fetch).msg


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"unique_name": ""}, 400, 54302),
        ({"unique_name": "x" * 321}, 400, 54302),
        ({"unique_name": SID}, 400, 54302),
        ({"data": "null"}, 400, 54101),
        ({"data": "{"}, 400, 54008),
        ({"data": [1]}, 400, 54008),
        ({"data": {"a": "x" * 17_000}}, 413, 54006),
        ({"data": {"a": "x" * 1_000_000}}, 413, 54006),
        ({"ttl": -1}, 400, 54011),
        ({"ttl": 31_536_001}, 400, 54011),
        ({"ttl": "soon"}, 400, 54011),
    ],
)
def test_the_errors_of_create(
    service: Any, parameters: dict[str, Any], status: int, code: int
) -> None:
    assert error(service.documents.create, **parameters) == (status, code)


def test_the_error_of_a_name_that_is_taken(service: Any) -> None:
    name = unique()
    service.documents.create(unique_name=name)
    assert error(service.documents.create, unique_name=name) == (409, 54301)


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({}, 400, 54010),
        ({"data": "null"}, 400, 54101),
        ({"data": "nonsense"}, 400, 54008),
        ({"data": {"a": "x" * 17_000}}, 413, 54006),
        ({"ttl": 1.5}, 400, 54011),
        ({"data": {}, "if_match": "garbage"}, 400, 54003),
        ({"data": {}, "if_match": "1"}, 412, 54103),
    ],
)
def test_the_errors_of_update(
    service: Any, parameters: dict[str, Any], status: int, code: int
) -> None:
    created = service.documents.create(data={"kept": True})
    assert error(created.update, **parameters) == (status, code)
    assert service.documents(created.sid).fetch().data == {"kept": True}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [({"page_size": 0}, 54454), ({"page_size": -1}, 54454), ({"page_token": "garbage"}, 54453)],
)
def test_the_errors_of_a_page(service: Any, parameters: dict[str, Any], code: int) -> None:
    assert page_error(service.documents.page, **parameters) == (400, code)


def test_an_error_says_where_to_read_more(service: Any) -> None:
    refusal = refused(service.documents.create, ttl=-1)
    assert refusal.uri.endswith("/Services/default/Documents")
    assert "Ttl must be a whole number of seconds from 0 to 31536000" in refusal.msg
    mismatch = refused(service.documents.create().update, if_match="1", data={})
    assert mismatch.details["document"]["data"] == {}
