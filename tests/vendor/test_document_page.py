"""Each property, parameter and operation of the vendor's page "Document Resource", by its name.

Through the vendor's Python helper library, as the page's samples use it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException

from support.api import unique
from support.server import RunningServer


@pytest.fixture
def document(service: Any) -> Any:
    return service.documents.create(unique_name=unique(), data={"a": 1})


def status_of(call: Any, **parameters: Any) -> int:
    with pytest.raises(TwilioRestException) as caught:
        call(**parameters)
    status: int = caught.value.status
    return status


def test_property_sid(document: Any) -> None:
    assert re.fullmatch(r"ET[0-9a-f]{32}", document.sid)


def test_property_unique_name(service: Any, document: Any) -> None:
    assert service.documents(document.unique_name).fetch().sid == document.sid
    assert service.documents.create().unique_name is None


def test_property_account_sid(document: Any, server: RunningServer) -> None:
    assert document.account_sid == server.credentials.account_sid


def test_property_service_sid(login: Any, server: RunningServer, document: Any) -> None:
    assert re.fullmatch(r"IS[0-9a-f]{32}", document.service_sid)
    same = login(*server.basic).sync.v1.services(document.service_sid).documents(document.sid)
    assert same.fetch().sid == document.sid


def test_property_url(server: RunningServer, document: Any) -> None:
    path = f"/v1/Services/{document.service_sid}/Documents/{document.sid}"
    assert document.url == f"{server.url}{path}"


def test_property_links(document: Any) -> None:
    assert document.links == {"permissions": f"{document.url}/Permissions"}


def test_property_revision(service: Any, document: Any) -> None:
    assert isinstance(document.revision, str)
    assert service.documents(document.sid).fetch().revision == document.revision
    assert document.update(data={}).revision != document.revision


def test_property_data(service: Any, document: Any) -> None:
    assert document.data == {"a": 1}
    assert service.documents(document.sid).fetch().data == {"a": 1}


def test_property_date_expires(service: Any, document: Any) -> None:
    assert document.date_expires is None
    brief = service.documents.create(ttl=60)
    assert brief.date_expires == brief.date_created + timedelta(seconds=60)


def test_property_date_created(document: Any) -> None:
    assert abs(datetime.now(UTC) - document.date_created) < timedelta(minutes=1)
    assert document.update(data={}).date_created == document.date_created


def test_property_date_updated(document: Any) -> None:
    assert document.update(data={}).date_updated >= document.date_updated


def test_property_created_by(document: Any) -> None:
    assert document.created_by == "system"


def test_parameter_service_sid(login: Any, server: RunningServer) -> None:
    services = login(*server.basic).sync.v1.services
    assert services("default").documents.create().sid
    assert status_of(services("IS" + "0" * 32).documents.create) == 404


def test_create_parameter_unique_name(service: Any) -> None:
    name = unique().ljust(320, "x")
    assert service.documents.create(unique_name=name).unique_name == name
    assert status_of(service.documents.create, unique_name=name) == 409
    assert status_of(service.documents.create, unique_name=f"{name}x") == 400


def test_create_parameter_data(service: Any) -> None:
    assert service.documents.create(data={"b": [True, None]}).data == {"b": [True, None]}
    assert service.documents.create(data="{}").data == {}
    assert service.documents.create().data == {}
    largest = {"a": "x" * (16_384 - 8)}
    assert service.documents.create(data=largest).data == largest
    assert status_of(service.documents.create, data={"a": "x" * (16_384 - 7)}) == 413


def test_create_parameter_ttl(service: Any) -> None:
    year = service.documents.create(ttl=31_536_000)
    assert year.date_expires - year.date_created == timedelta(days=365)
    assert service.documents.create(ttl=0).date_expires is None
    assert status_of(service.documents.create, ttl=31_536_001) == 400


def test_fetch_parameter_sid(service: Any, document: Any) -> None:
    for address in (document.sid, document.unique_name):
        assert service.documents(address).fetch().sid == document.sid


def test_list_parameter_page_size(service: Any) -> None:
    for _ in range(3):
        service.documents.create()
    assert len(list(service.documents.page(page_size=2))) == 2


def test_list_parameter_page(service: Any) -> None:
    assert "Page=5" in service.documents.page(page_number=5, page_size=1)._payload["meta"]["url"]


def test_list_parameter_page_token(service: Any) -> None:
    for _ in range(2):
        service.documents.create()
    first = service.documents.page(page_size=1)
    token = re.search(r"PageToken=([^&]+)", first.next_page_url)
    assert token is not None
    [second] = service.documents.page(page_size=1, page_token=token[1])
    assert second.sid != next(iter(first)).sid


def test_update_parameter_sid(service: Any, document: Any) -> None:
    for address in (document.sid, document.unique_name):
        assert service.documents(address).update(data={"b": 2}).sid == document.sid


def test_update_header_if_match(document: Any) -> None:
    updated = document.update(if_match=document.revision, data={"b": 2})
    assert updated.data == {"b": 2}
    assert status_of(document.update, if_match=document.revision, data={}) == 412


def test_update_parameter_data(document: Any) -> None:
    assert document.update(data={"b": 2}).data == {"b": 2}


def test_update_parameter_ttl(document: Any) -> None:
    updated = document.update(ttl=60)
    assert updated.date_expires - updated.date_updated == timedelta(seconds=60)
    assert updated.data == {"a": 1}
    assert document.update(data={}).date_expires == updated.date_expires
    assert document.update(ttl=0).date_expires is None


def test_delete_parameter_sid(service: Any) -> None:
    for address in ("sid", "unique_name"):
        created = service.documents.create(unique_name=unique())
        assert service.documents(getattr(created, address)).delete()
        assert status_of(service.documents(created.sid).fetch) == 404


def test_sample_create_a_document(service: Any) -> None:
    document = service.documents.create()
    assert document.sid


def test_sample_fetch_a_document(service: Any, document: Any) -> None:
    assert service.documents(document.sid).fetch().unique_name == document.unique_name


def test_sample_read_multiple_documents(service: Any, document: Any) -> None:
    documents = service.documents.list(limit=20)
    assert 1 <= len(documents) <= 20
    assert all(record.sid for record in documents)


def test_sample_update_a_document(service: Any, document: Any) -> None:
    updated = service.documents(document.sid).update(data={"color": "blue"})
    assert updated.data == {"color": "blue"}


def test_sample_delete_a_document(service: Any, document: Any) -> None:
    assert service.documents(document.sid).delete() is True
