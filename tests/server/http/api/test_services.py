from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest

from support.account import Account
from support.api import unique
from support.server import RunningServer, StartServer
from support.socket import native_socket
from support.store import WAIT_LIMIT, eventually
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import connect

UNKNOWN = "IS" + "0" * 32


@pytest.fixture
def sid(account: Account) -> str:
    """A service of the test's own."""
    return account.service()


def error(reply: httpx2.Response) -> tuple[int, int]:
    body = reply.json()
    assert body["status"] == reply.status_code
    assert body["more_info"].endswith(str(body["code"]))
    return body["status"], body["code"]


class TestCreate:
    def test_with_nothing_gives_a_service_with_the_defaults(
        self, account: Account, server: RunningServer
    ) -> None:
        reply = account.call("POST")
        service = reply.json()
        url = f"{server.url}/v1/Services/{service['sid']}"

        assert reply.status_code == 201
        assert re.fullmatch("IS[0-9a-f]{32}", service["sid"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", service["date_created"])
        assert service == {
            "sid": service["sid"],
            "unique_name": None,
            "account_sid": server.credentials.account_sid,
            "friendly_name": None,
            "date_created": service["date_created"],
            "date_updated": service["date_created"],
            "url": url,
            "webhook_url": None,
            "webhooks_from_rest_enabled": False,
            "reachability_webhooks_enabled": False,
            "acl_enabled": False,
            "reachability_debouncing_enabled": False,
            "reachability_debouncing_window": 5000,
            "links": {
                "documents": f"{url}/Documents",
                "lists": f"{url}/Lists",
                "maps": f"{url}/Maps",
                "streams": f"{url}/Streams",
            },
        }

    def test_with_every_parameter(self, account: Account) -> None:
        created = account.ok(
            "POST",
            data={
                "FriendlyName": 'Ünïcode \\ " name',
                "WebhookUrl": "https://hooks.example.com:8443/a?b=c",
                "WebhooksFromRestEnabled": "true",
                "ReachabilityWebhooksEnabled": "true",
                "AclEnabled": "True",
                "ReachabilityDebouncingEnabled": "true",
                "ReachabilityDebouncingWindow": "30000",
            },
        )
        assert created["friendly_name"] == 'Ünïcode \\ " name'
        assert created["webhook_url"] == "https://hooks.example.com:8443/a?b=c"
        assert created["reachability_debouncing_window"] == 30_000
        flags = [name for name, value in created.items() if value is True]
        assert sorted(flags) == [
            "acl_enabled",
            "reachability_debouncing_enabled",
            "reachability_webhooks_enabled",
            "webhooks_from_rest_enabled",
        ]
        assert account.ok("GET", created["sid"]) == created

    def test_takes_json_in_either_spelling(self, account: Account) -> None:
        created = account.ok("POST", json={"friendly_name": "n", "AclEnabled": True})
        assert (created["friendly_name"], created["acl_enabled"]) == ("n", True)

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("UniqueName", None),
            ("webhookUrl", "WebhookUrl"),
            ("AclEnable", "AclEnabled"),
            ("friendlyname", "FriendlyName"),
            ("ReachabilityWebhookEnabled", "ReachabilityWebhooksEnabled"),
        ],
    )
    def test_parameters_of_other_names_are_refused(
        self, account: Account, sid: str, name: str, meant: str | None
    ) -> None:
        for place in ((), (sid,)):
            reply = account.call("POST", *place, data={name: "true"})
            assert error(reply) == (400, 20001)
            message = reply.json()["message"]
            assert f"There is no parameter '{name}' in the body of this request." in message
            assert (f" {meant} was meant, perhaps. " in message) == (meant is not None)

    @pytest.mark.parametrize(
        ("parameters", "code"),
        [
            ({"FriendlyName": "x" * 256}, 54053),
            ({"FriendlyName": 1}, 54053),
            ({"FriendlyName": "\ud800"}, 54053),
            ({"WebhookUrl": "example.com"}, 54051),
            ({"WebhookUrl": "ftp://example.com"}, 54051),
            ({"WebhookUrl": "https://"}, 54051),
            ({"WebhookUrl": "https://exa mple.com"}, 54051),
            ({"WebhookUrl": "https://exämple.com"}, 54051),
            ({"WebhookUrl": "https://example.com/\n"}, 54051),
            ({"WebhookUrl": "https:///path"}, 54051),
            ({"WebhookUrl": "https://[::1"}, 54051),
            ({"WebhookUrl": "https://example.com:port"}, 54051),
            ({"WebhookUrl": "https://example.com/" + "x" * 493}, 54051),
            ({"WebhookUrl": ["https://example.com"]}, 54051),
            ({"WebhookUrl": "https://user:secret@example.com/"}, 54051),
            ({"WebhookUrl": "https://user@example.com"}, 54051),
            ({"AclEnabled": "yes"}, 20422),
            ({"AclEnabled": 1}, 20422),
            ({"AclEnabled": None}, 20422),
            ({"WebhooksFromRestEnabled": " "}, 20422),
            ({"ReachabilityDebouncingWindow": 999}, 20422),
            ({"ReachabilityDebouncingWindow": 30_001}, 20422),
            ({"ReachabilityDebouncingWindow": "5e3"}, 20422),
            ({"ReachabilityDebouncingWindow": True}, 20422),
            ({"ReachabilityDebouncingWindow": "9" * 5000}, 20422),
            ({"AclEnabled": True, "acl_enabled": True}, 20422),
        ],
    )
    def test_what_is_wrong_is_refused_by_create_and_by_update(
        self, account: Account, sid: str, parameters: dict[str, Any], code: int
    ) -> None:
        before = account.ok("GET", sid)
        body = json.dumps(parameters)  # ASCII: half a character cannot be sent otherwise
        headers = {"Content-Type": "application/json"}
        assert error(account.call("POST", content=body, headers=headers)) == (400, code)
        assert error(account.call("POST", sid, content=body, headers=headers)) == (400, code)
        assert account.ok("GET", sid) == before

    def test_a_password_in_an_address_is_not_repeated(self, account: Account) -> None:
        reply = account.call("POST", data={"WebhookUrl": "https://user:secret@example.com/"})
        assert error(reply) == (400, 54051)
        assert "secret" not in reply.text
        address = {"WebhookUrl": "https://example.com/?to=a@example.com"}
        assert account.ok("POST", data=address)["webhook_url"] == address["WebhookUrl"]

    def test_the_longest_that_is_allowed(self, account: Account) -> None:
        url = "https://example.com/".ljust(512, "x")
        created = account.ok("POST", data={"FriendlyName": "é" * 255, "WebhookUrl": url})
        assert (created["friendly_name"], created["webhook_url"]) == ("é" * 255, url)


class TestUpdate:
    def test_sets_what_is_given_and_nothing_else(self, account: Account, sid: str) -> None:
        account.ok("POST", sid, data={"FriendlyName": "a", "AclEnabled": "true"})
        updated = account.ok("POST", sid, data={"ReachabilityDebouncingWindow": "1000"})
        assert updated["friendly_name"] == "a"
        assert updated["acl_enabled"] is True
        assert updated["reachability_debouncing_window"] == 1000
        assert account.ok("GET", sid) == updated

    def test_null_and_an_empty_address_clear(self, account: Account, sid: str) -> None:
        account.ok("POST", sid, data={"FriendlyName": "a", "WebhookUrl": "http://example.com"})
        updated = account.ok("POST", sid, json={"FriendlyName": None})
        assert updated["friendly_name"] is None
        assert account.ok("POST", sid, data={"WebhookUrl": ""})["webhook_url"] is None

    def test_an_empty_value_is_null_or_as_if_it_were_missing(self, account: Account) -> None:
        given = {"FriendlyName": "n", "AclEnabled": "true", "ReachabilityDebouncingWindow": "2000"}
        made = account.ok("POST", data=given)
        empty = dict.fromkeys(given, "")
        changed = account.ok("POST", made["sid"], data=empty)
        assert changed["friendly_name"] is None
        assert changed["acl_enabled"] is True
        assert changed["reachability_debouncing_window"] == 2000
        nothing = {"AclEnabled": "", "ReachabilityDebouncingWindow": ""}
        assert error(account.call("POST", made["sid"], data=nothing)) == (400, 54010)
        assert account.ok("POST", data=empty)["acl_enabled"] is False

    def test_with_nothing_is_refused(self, account: Account, sid: str) -> None:
        assert error(account.call("POST", sid)) == (400, 54010)

    def test_of_the_default_service(self, account: Account) -> None:
        updated = account.ok("POST", "default", data={"FriendlyName": "the first"})
        assert updated["unique_name"] == "default"
        assert account.ok("GET", updated["sid"])["friendly_name"] == "the first"

    async def test_at_once_by_many_loses_nothing(self, account: Account, sid: str) -> None:
        updates = [
            {"FriendlyName": "a"},
            {"WebhookUrl": "http://example.com"},
            {"ReachabilityDebouncingWindow": "2000"},
            {"ReachabilityDebouncingEnabled": "true"},
        ]
        await asyncio.gather(
            *(asyncio.to_thread(account.ok, "POST", sid, data=update) for update in updates)
        )
        service = account.ok("GET", sid)
        assert service["friendly_name"] == "a"
        assert service["webhook_url"] == "http://example.com"
        assert service["reachability_debouncing_window"] == 2000
        assert service["reachability_debouncing_enabled"] is True


class TestList:
    def test_every_service_once_on_pages(self, account: Account) -> None:
        made = {account.service() for _ in range(5)}
        listed, page = [], account.ok("GET", params={"PageSize": 2})
        while True:
            assert page["meta"]["key"] == "services"
            listed += [service["sid"] for service in page["services"]]
            if page["meta"]["next_page_url"] is None:
                break
            page = account.http.get(page["meta"]["next_page_url"]).json()
        assert listed == sorted(set(listed))
        assert made < set(listed)
        assert account.ok("GET", "default")["sid"] in listed

    def test_back_and_forth(self, account: Account) -> None:
        for _ in range(2):
            account.service()
        first = account.ok("GET", params={"PageSize": 1})
        second = account.http.get(first["meta"]["next_page_url"]).json()
        back = account.http.get(second["meta"]["previous_page_url"]).json()
        assert back["services"] == first["services"]
        assert back["meta"]["previous_page_url"] is None

    def test_the_default_service_is_there_from_the_start(self, fresh_server: StartServer) -> None:
        with Account(fresh_server()) as account:
            [service] = account.ok("GET")["services"]
            assert service["unique_name"] == "default"
            assert account.ok("GET", "default") == service

    @pytest.mark.parametrize(
        ("query", "code"),
        [("PageSize=0", 54454), ("PageToken=PA", 54453), ("PageToken=PBx%3D", 54453)],
    )
    def test_what_cannot_be_a_page(self, account: Account, query: str, code: int) -> None:
        reply = account.http.get(f"{account.ok('GET')['meta']['url'].partition('?')[0]}?{query}")
        assert error(reply) == (400, code)


class TestWho:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_token_does_not_do_for_the_list(self, server: RunningServer, method: str) -> None:
        with Account(server, server.token()) as token_holder:
            assert error(token_holder.call(method)) == (403, 20403)

    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    def test_a_token_does_not_do_for_its_own_service_or_any(
        self, server: RunningServer, sid: str, method: str
    ) -> None:
        with Account(server, server.token(service=sid)) as token_holder:
            for address in (sid, "default", UNKNOWN):
                assert error(token_holder.call(method, address)) == (403, 20403)

    def test_nobody_does_not_do(self, server: RunningServer) -> None:
        assert error(httpx2.get(f"{server.url}/v1/Services")) == (401, 20003)

    def test_an_api_key_does(self, server: RunningServer) -> None:
        login = next(iter(server.credentials.api_keys.items()))
        assert httpx2.get(f"{server.url}/v1/Services", auth=login).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("address", [UNKNOWN, "nameless", "a/b", "x" * 2000])
def test_a_service_that_is_not_there(account: Account, method: str, address: str) -> None:
    assert error(account.call(method, address, data={"FriendlyName": "x"})) == (404, 54050)


def test_no_more_services_than_allowed(fresh_server: StartServer) -> None:
    with Account(fresh_server("--max-services=2")) as account:
        account.ok("GET", "default")
        sid = account.service()
        assert error(account.call("POST")) == (409, 20409)
        # One that is being deleted still takes room.
        account.ok("DELETE", sid)
        assert error(account.call("POST")) == (409, 20409)


class TestDelete:
    def test_the_default_service_stays(self, account: Account) -> None:
        for address in ("default", account.ok("GET", "default")["sid"]):
            assert error(account.call("DELETE", address)) == (403, 20403)
        assert account.call("GET", "default").status_code == 200

    async def test_nothing_of_the_service_is_reached_any_more(
        self, account: Account, server: RunningServer, sid: str
    ) -> None:
        document = account.document(sid, "name")
        async with native_socket(server, server.token(service=sid)) as socket:
            reply = account.call("DELETE", sid)
            assert (reply.status_code, reply.content) == (204, b"")
            for path in ((), ("Documents",), ("Documents", document), ("Documents", "name")):
                assert error(account.call("GET", sid, *path)) == (404, 54050)
            assert error(account.call("DELETE", sid)) == (404, 54050)
            assert sid not in [each["sid"] for each in account.ok("GET")["services"]]
            for do in ("get", "open", "set", "remove"):
                refusal = await socket.error(do, document="name", data={})
                assert (refusal["status"], refusal["code"]) == (404, 54050)
        async with native_socket(server, auth=False) as late:
            refusal = await late.error("auth", token=server.token(service=sid))
            assert (refusal["status"], refusal["code"]) == (404, 54050)

    async def test_subscribers_receive_each_removal(
        self, account: Account, server: RunningServer, sid: str
    ) -> None:
        async with native_socket(server, server.token(service=sid)) as socket:
            opened = [await socket.document("open", document=unique()) for _ in range(20)]
            account.ok("DELETE", sid)
            events = [await socket.event() for _ in opened]
        assert {event["event"] for event in events} == {"removed"}
        assert {event["document"]["removed_by"] for event in events} == {"system"}
        assert {e["document"]["sid"] for e in events} == {document["sid"] for document in opened}

    async def test_goes_on_after_the_server_was_killed(self, fresh_server: StartServer) -> None:
        server = fresh_server()
        with Account(server) as account:
            sid = account.service()
            account.document(sid, "kept", '{"a":1}')
            await fill(server, sid, 600)
            account.ok("DELETE", sid)
        server.kill()
        await asyncio.to_thread(server.restart)
        with Account(server) as account:
            assert error(account.call("GET", sid)) == (404, 54050)
        # Not before the grace is over, so that it cannot have been done before the kill.
        await eventually(lambda: f"service {sid} is deleted" in server.log.read_text())
        redis = Address(path=str(server.data_dir / "redis" / "redis.sock"))
        connection = await connect(redis, WAIT_LIMIT)
        left = await connection.execute("KEYS", f"*{sid}*")
        # When documents of a bucket ended is remembered for a bounded time.
        assert [key for key in left if not key.endswith(b":last_ended")] == []
        connection.abort()


async def fill(server: RunningServer, sid: str, count: int) -> None:
    """Create documents without names."""
    async with native_socket(server, server.token(service=sid)) as socket:
        ids = [await socket.send("open") for _ in range(count)]
        for request_id in ids:
            await socket.reply(request_id)
