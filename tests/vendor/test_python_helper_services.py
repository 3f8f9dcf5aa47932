"""The vendor's Python helper library, unmodified, does all that it can do with services and
permissions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException

from support.api import DocumentsApi, unique
from support.server import RunningServer

UNKNOWN = "IS" + "0" * 32


def error(call: Any, *args: Any, **options: Any) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as caught:
        call(*args, **options)
    assert caught.value.msg
    return caught.value.status, caught.value.code


def page_error(call: Any, **options: Any) -> tuple[int, int]:
    """Of a page, the helper raises the bare reply."""
    with pytest.raises(TwilioException, match="Unable to fetch page") as caught:
        call(**options)
    reply = caught.value.args[1]
    return reply.status_code, json.loads(reply.text)["code"]


@pytest.fixture(scope="module")
def services(login: Any, server: RunningServer) -> Any:
    return login(*server.basic).sync.v1.services


@pytest.fixture(scope="module")
def acl_service(services: Any) -> Any:
    """A service in which permissions count."""
    return services.create(acl_enabled=True)


@pytest.fixture
def document(acl_service: Any) -> Any:
    return acl_service.documents.create(unique_name=unique(), data={"a": 1})


class TestServices:
    def test_create_with_everything(self, services: Any, server: RunningServer) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        service = services.create(
            friendly_name="Ünïcode",
            webhook_url="https://hooks.example.com/sync",
            reachability_webhooks_enabled=True,
            acl_enabled=True,
            reachability_debouncing_enabled=True,
            reachability_debouncing_window=7000,
            webhooks_from_rest_enabled=True,
        )
        assert service.sid.startswith("IS")
        assert service.unique_name is None
        assert service.account_sid == server.credentials.account_sid
        assert service.friendly_name == "Ünïcode"
        assert service.webhook_url == "https://hooks.example.com/sync"
        assert service.reachability_webhooks_enabled is True
        assert service.acl_enabled is True
        assert service.reachability_debouncing_enabled is True
        assert service.reachability_debouncing_window == 7000
        assert service.webhooks_from_rest_enabled is True
        assert before <= service.date_created <= datetime.now(UTC)
        assert service.date_updated == service.date_created
        assert service.links["documents"] == f"{service.url}/Documents"
        assert service.links.keys() == {"documents", "lists", "maps", "streams"}

    def test_create_with_nothing(self, services: Any) -> None:
        service = services.create()
        assert service.friendly_name is None
        assert service.acl_enabled is False
        assert service.reachability_debouncing_window == 5000

    def test_fetch_by_sid_and_the_default_one_by_name(self, services: Any) -> None:
        created = services.create(friendly_name="found")
        assert services(created.sid).fetch().friendly_name == "found"
        default = services("default").fetch()
        assert default.unique_name == "default"
        assert services(default.sid).fetch().unique_name == "default"

    def test_update(self, services: Any) -> None:
        created = services.create(friendly_name="before", webhook_url="http://example.com")
        updated = created.update(friendly_name="after", acl_enabled=True)
        assert (updated.friendly_name, updated.acl_enabled) == ("after", True)
        assert updated.webhook_url == "http://example.com"
        assert services(created.sid).fetch().friendly_name == "after"
        assert created.update(acl_enabled=False).acl_enabled is False

    def test_list_over_several_pages(self, services: Any) -> None:
        made = {services.create().sid for _ in range(5)}
        listed = [service.sid for service in services.list(page_size=2)]
        assert len(set(listed)) == len(listed)
        assert made < set(listed)
        assert "default" in {service.unique_name for service in services.stream()}
        assert len(services.list(limit=3)) == 3

    def test_page_by_page_and_back(self, services: Any) -> None:
        services.create()
        first = services.page(page_size=1)
        [service] = first
        second = first.next_page()
        [back] = second.previous_page()
        assert back.sid == service.sid
        [again] = services.get_page(second.previous_page_url)
        assert again.sid == service.sid

    def test_delete(self, services: Any) -> None:
        created = services.create()
        created.documents.create(unique_name="name")
        assert services(created.sid).delete() is True
        assert error(services(created.sid).fetch) == (404, 54050)
        assert error(services(created.sid).delete) == (404, 54050)
        assert error(services(created.sid).documents("name").fetch) == (404, 54050)
        assert error(services("default").delete) == (403, 20403)

    def test_a_service_has_documents_of_its_own(self, services: Any) -> None:
        one, other = services.create(), services.create()
        name = unique()
        documents = [each.documents.create(unique_name=name) for each in (one, other)]
        assert documents[0].sid != documents[1].sid
        assert error(one.documents(documents[1].sid).fetch) == (404, 20404)
        assert [document.sid for document in one.documents.list()] == [documents[0].sid]

    @pytest.mark.parametrize(
        ("parameters", "code"),
        [
            ({"friendly_name": "x" * 256}, 54053),
            ({"webhook_url": "nowhere"}, 54051),
            ({"webhook_url": "http://example.com/" + "x" * 500}, 54051),
            ({"reachability_debouncing_window": 1}, 20422),
        ],
    )
    def test_the_errors_of_create_and_update(
        self, services: Any, parameters: dict[str, Any], code: int
    ) -> None:
        assert error(services.create, **parameters) == (400, code)
        assert error(services("default").update, **parameters) == (400, code)

    def test_the_other_errors(self, services: Any) -> None:
        assert error(services("default").update) == (400, 54010)
        assert error(services(UNKNOWN).update, friendly_name="x") == (404, 54050)
        assert page_error(services.page, page_size=0) == (400, 54454)
        assert page_error(services.page, page_token="garbage") == (400, 54453)

    def test_wrong_credentials(self, login: Any, server: RunningServer) -> None:
        strangers = login(server.basic[0], "wrong").sync.v1.services
        assert error(strangers.create) == (401, 20003)
        assert page_error(strangers.list) == (401, 20003)


class TestPermissions:
    @pytest.mark.parametrize("identity", ["alice", "alice@example.com", "é", "a b"])
    def test_set_fetch_and_delete(self, acl_service: Any, document: Any, identity: str) -> None:
        permission = document.document_permissions(identity)
        made = permission.update(read=True, write=False, manage=True)
        assert (made.read, made.write, made.manage) == (True, False, True)
        assert (made.identity, made.document_sid) == (identity, document.sid)
        assert made.service_sid == acl_service.sid
        fetched = acl_service.documents(document.unique_name).document_permissions(identity).fetch()
        assert fetched.url == made.url
        changed = fetched.update(read=False, write=True, manage=False)
        assert (changed.read, changed.write, changed.manage) == (False, True, False)
        assert permission.delete() is True
        assert error(permission.fetch) == (404, 54354)
        assert error(permission.delete) == (404, 54354)

    def test_list_over_several_pages(self, document: Any) -> None:
        for number in range(5):
            permission = document.document_permissions(f"user-{number}")
            permission.update(read=True, write=False, manage=False)
        listed = [each.identity for each in document.document_permissions.list(page_size=2)]
        assert listed == [f"user-{number}" for number in range(5)]
        assert len(document.document_permissions.list(limit=3)) == 3
        first = document.document_permissions.page(page_size=3)
        second = first.next_page()
        assert [each.identity for each in second] == ["user-3", "user-4"]
        assert [each.identity for each in second.previous_page()] == ["user-0", "user-1", "user-2"]

    def test_they_count_for_token_holders(
        self, server: RunningServer, acl_service: Any, document: Any
    ) -> None:
        with DocumentsApi(server, server.token(service=acl_service.sid), acl_service.sid) as alice:
            assert alice.call("GET", document.sid).json()["code"] == 54007
            document.document_permissions("alice").update(read=True, write=False, manage=False)
            assert alice.fetch(document.sid)["data"] == {"a": 1}
            assert alice.call("DELETE", document.sid).json()["code"] == 54007

    def test_the_errors(self, acl_service: Any, document: Any) -> None:
        rights = {"read": True, "write": True, "manage": True}
        too_long = document.document_permissions("x" * 257)
        assert error(too_long.update, **rights) == (400, 54351)
        assert error(too_long.fetch) == (400, 54351)
        missing = acl_service.documents("missing").document_permissions("alice")
        assert error(missing.update, **rights) == (404, 20404)
        assert page_error(document.document_permissions.page, page_size=0) == (400, 54454)
