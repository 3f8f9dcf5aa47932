from __future__ import annotations

from urllib.parse import quote

import httpx2
import pytest

from support.account import Account
from support.api import DocumentsApi, unique
from support.server import RunningServer

RIGHTS = ("read", "write", "manage")


@pytest.fixture(scope="module")
def service(account: Account) -> str:
    """A service in which permissions count."""
    return account.service(AclEnabled="true")


@pytest.fixture
def document(account: Account, service: str) -> str:
    return account.document(service, unique())


def error(reply: httpx2.Response) -> tuple[int, int]:
    body = reply.json()
    assert body["status"] == reply.status_code
    return body["status"], body["code"]


def path(service: str, document: str, *identity: str) -> tuple[str, ...]:
    return (service, "Documents", document, "Permissions", *identity)


class TestSet:
    def test_gives_the_resource(
        self, account: Account, server: RunningServer, service: str, document: str
    ) -> None:
        form = {"Read": "true", "Write": "false", "Manage": "true"}
        reply = account.call("POST", *path(service, document, "alice"), data=form)
        assert reply.status_code == 200
        assert reply.json() == {
            "account_sid": server.credentials.account_sid,
            "service_sid": service,
            "document_sid": document,
            "identity": "alice",
            "read": True,
            "write": False,
            "manage": True,
            "url": f"{server.url}/v1/Services/{service}/Documents/{document}/Permissions/alice",
        }
        assert account.ok("GET", *path(service, document, "alice")) == reply.json()
        assert account.http.get(reply.json()["url"]).json() == reply.json()

    def test_replaces_what_was_there(self, account: Account, service: str, document: str) -> None:
        account.permit(service, document, "alice", "rwm")
        changed = account.permit(service, document, "alice", "w")
        assert [changed[right] for right in RIGHTS] == [False, True, False]

    def test_takes_json_and_leaves_out_what_is_false(
        self, account: Account, service: str, document: str
    ) -> None:
        reply = account.ok("POST", *path(service, document, "bob"), json={"read": True})
        assert [reply[right] for right in RIGHTS] == [True, False, False]

    def test_all_false_is_kept_as_such(self, account: Account, service: str, document: str) -> None:
        account.permit(service, document, "alice", "")
        kept = account.ok("GET", *path(service, document, "alice"))
        assert [kept[right] for right in RIGHTS] == [False, False, False]

    @pytest.mark.parametrize(
        ("form", "code"),
        [
            ({}, 54010),
            ({"Other": "true"}, 20001),
            ({"Read": "true", "Mange": "true"}, 20001),
            ({"Read": "yes"}, 20422),
            ({"Read": "", "Write": "true"}, 20422),
            ({"Read": "true", "read": "true"}, 20422),
        ],
    )
    def test_what_is_wrong(
        self, account: Account, service: str, document: str, form: dict[str, str], code: int
    ) -> None:
        assert error(account.call("POST", *path(service, document, "alice"), data=form)) == (
            400,
            code,
        )
        assert error(account.call("GET", *path(service, document, "alice"))) == (404, 54354)

    def test_by_the_unique_name(self, account: Account, service: str) -> None:
        name = unique("a/b é")
        sid = account.document(service, name)
        assert account.permit(service, name, "alice", "r")["document_sid"] == sid
        assert account.ok("GET", *path(service, sid, "alice"))["read"] is True


@pytest.mark.parametrize(
    "identity", ["alice@example.com", "a b/c", "é日本", "100%", "?x=1#y", "a\0b", "x" * 256, "*"]
)
def test_any_identity_has_its_permission(
    account: Account, server: RunningServer, service: str, document: str, identity: str
) -> None:
    made = account.permit(service, document, identity, "rm")
    assert made["identity"] == identity
    assert account.http.get(made["url"]).json() == made
    assert account.ok("GET", *path(service, document))["permissions"] == [made]
    with DocumentsApi(server, server.token(identity, service=service), service) as token_holder:
        assert token_holder.fetch(document)["sid"] == document
    account.revoke(service, document, identity)
    assert account.ok("GET", *path(service, document))["permissions"] == []


def test_an_identity_may_stand_raw_in_the_path_as_the_vendor_sends_it(
    account: Account, service: str, document: str
) -> None:
    account.permit(service, document, "alice@example.com", "r")
    url = account.ok("GET", *path(service, document))["meta"]["url"].partition("?")[0]
    assert account.http.get(f"{url}/alice@example.com").json()["read"] is True
    assert account.http.get(f"{url}/{quote('alice@example.com', safe='')}").json()["read"] is True


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_identity_that_is_too_long(
    account: Account, service: str, document: str, method: str
) -> None:
    reply = account.call(method, *path(service, document, "x" * 257), data={"Read": "true"})
    assert error(reply) == (400, 54351)


class TestRemove:
    def test_takes_it_away(self, account: Account, service: str, document: str) -> None:
        account.permit(service, document, "alice", "r")
        reply = account.call("DELETE", *path(service, document, "alice"))
        assert (reply.status_code, reply.content) == (204, b"")
        for method in ("GET", "DELETE"):
            assert error(account.call(method, *path(service, document, "alice"))) == (404, 54354)

    def test_the_document_takes_its_permissions_with_it(
        self, account: Account, service: str
    ) -> None:
        name = unique()
        account.permit(service, account.document(service, name), "alice", "rwm")
        account.ok("DELETE", service, "Documents", name)
        account.document(service, name)
        assert account.ok("GET", *path(service, name))["permissions"] == []


class TestList:
    def test_in_the_order_of_identities_on_pages(
        self, account: Account, service: str, document: str
    ) -> None:
        made = [account.permit(service, document, f"user-{n}", "r") for n in (3, 1, 4, 0, 2)]
        listed, page = [], account.ok("GET", *path(service, document), params={"PageSize": 2})
        while True:
            assert page["meta"]["key"] == "permissions"
            listed += page["permissions"]
            if page["meta"]["next_page_url"] is None:
                break
            page = account.http.get(page["meta"]["next_page_url"]).json()
        assert listed == sorted(made, key=lambda permission: str(permission["identity"]))
        back = account.http.get(page["meta"]["previous_page_url"]).json()
        assert [each["identity"] for each in back["permissions"]] == ["user-2", "user-3"]

    def test_what_goes_meanwhile_does_not_hide_others(
        self, account: Account, service: str, document: str
    ) -> None:
        for name in "abcd":
            account.permit(service, document, name, "r")
        first = account.ok("GET", *path(service, document), params={"PageSize": 2})
        account.revoke(service, document, "b")
        second = account.http.get(first["meta"]["next_page_url"]).json()
        assert [each["identity"] for each in second["permissions"]] == ["c", "d"]

    def test_none(self, account: Account, service: str, document: str) -> None:
        page = account.ok("GET", *path(service, document))
        assert page["permissions"] == []
        assert page["meta"]["next_page_url"] is None

    @pytest.mark.parametrize(
        ("query", "code"), [({"PageSize": 0}, 54454), ({"PageToken": "garbage"}, 54453)]
    )
    def test_what_cannot_be_a_page(
        self,
        account: Account,
        service: str,
        document: str,
        query: dict[str, str | int],
        code: int,
    ) -> None:
        assert error(account.call("GET", *path(service, document), params=query)) == (400, code)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("address", ["ET" + "0" * 32, "missing"])
def test_a_document_that_is_not_there(
    account: Account, service: str, method: str, address: str
) -> None:
    form = {"Read": "true"}
    reply = account.call(method, *path(service, address, "alice"), data=form)
    assert error(reply) == (404, 20404)
    if method == "GET":
        assert error(account.call("GET", *path(service, address))) == (404, 20404)


def test_a_service_that_is_not_there(account: Account, document: str) -> None:
    assert error(account.call("GET", *path("IS" + "0" * 32, document))) == (404, 54050)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_token_does_not_do_whatever_its_rights(
    account: Account, server: RunningServer, service: str, document: str, method: str
) -> None:
    account.permit(service, document, "alice", "rwm")
    with Account(server, server.token(service=service)) as token_holder:
        form = {"Read": "true"}
        reply = token_holder.call(method, *path(service, document, "alice"), data=form)
        assert error(reply) == (403, 20403)
        assert error(token_holder.call("GET", *path(service, document))) == (403, 20403)


class TestTheCreator:
    def test_gets_all_three_rights(
        self, account: Account, server: RunningServer, service: str
    ) -> None:
        with DocumentsApi(server, server.token("carol", service=service), service) as carol:
            sid = carol.create()["sid"]
            [permission] = account.ok("GET", *path(service, sid))["permissions"]
            assert permission["identity"] == "carol"
            assert [permission[right] for right in RIGHTS] == [True, True, True]
            # They are a permission as any other.
            account.revoke(service, sid, "carol")
            assert error(carol.call("GET", sid)) == (403, 54007)

    def test_gets_none_through_the_account(
        self, account: Account, service: str, document: str
    ) -> None:
        assert account.ok("GET", *path(service, document))["permissions"] == []

    def test_gets_none_while_permissions_do_not_count(
        self, account: Account, server: RunningServer
    ) -> None:
        service = account.service()
        with DocumentsApi(server, server.token("carol", service=service), service) as carol:
            sid = carol.create()["sid"]
            account.set_acl(service, True)
            assert error(carol.call("GET", sid)) == (403, 54007)
        assert account.ok("GET", *path(service, sid))["permissions"] == []


def test_they_do_not_count_where_the_service_does_not_say_so(
    account: Account, server: RunningServer
) -> None:
    service = account.service()
    sid = account.document(service)
    account.permit(service, sid, "alice", "")
    with DocumentsApi(server, server.token(service=service), service) as alice:
        assert alice.call("POST", sid, data={"Data": "{}"}).status_code == 200
        assert alice.page()["documents"][0]["sid"] == sid
        assert alice.call("DELETE", sid).status_code == 204
