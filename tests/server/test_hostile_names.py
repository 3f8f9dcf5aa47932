"""Names, identities and data that would mean something to what they pass through.

Redis' commands, keys and hash tags, Lua's patterns and numbers, URLs, JSON, logs, terminals, pages.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from support.account import Account
from support.api import unique
from support.collections import CollectionsApi
from support.server import RunningServer, StartServer
from support.socket import native_socket
from support.stream import event_stream
from support.twilsock import twilsock_client

HOSTILE = [
    "a\r\nDEL *\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\ny\r\n",
    "{}",
    "{syncline}:keys",
    "}{:ff}:document:",
    "{IS00000000000000000000000000000000:00}:names",
    "a:b:operation:c",
    "*?[a-z]\\",
    "%s %d %1 %% (.*) [%w]+",
    '"]]..redis.call("FLUSHALL")--',
    "return redis.call('FLUSHALL')",
    "${jndi:ldap://elsewhere.example/a}",
    "'; DROP TABLE documents; --",
    "../../../etc/passwd",
    "a/b?c=d&e#f;g=h%2F%00",
    "\x00\x01\x02\x7f\x80\x9f",
    "\x1b[2J\x1b]0;title\x07",
    "\u202eright to left\u2066\u2028\u2029\ufeff",
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>',
    "__proto__",
    "constructor",
    "null",
    "9007199254740993",
    "1e999",
    "-0",
    "NaN",
    "Ünïcödé \U0001f600 e\u0301",
    " ",
    "\ud7ff\ue000\uffff\U0010ffff",
]


@pytest.fixture(scope="module")
def service(account: Account) -> str:
    """A service in which permissions count."""
    return account.service(AclEnabled="true")


@pytest.mark.parametrize("text", HOSTILE)
async def test_text_is_nothing_but_text(
    server: RunningServer, account: Account, service: str, text: str
) -> None:
    """As a name, as who writes it, as an operation id, and as data."""
    data: dict[str, Any] = {text: [text, {text: text}]}
    token = server.token(text, service=service)
    async with (
        native_socket(server, token) as socket,
        native_socket(server, token) as other,
        twilsock_client(server, token) as client,
    ):
        made = await socket.document("open", document=text, data=data)
        assert (made["unique_name"], made["created_by"], made["data"]) == (text, text, data)
        await other.ok("open", document=text)
        async with event_stream(server, text, token=token, service=service) as stream:
            assert (await stream.next()).data["data"] == data
            operation = {"op": text[:64], "if_match": made["revision"]}
            written = await socket.ok("set", document=text, data={"a": data}, **operation)
            again = await other.ok("set", document=text, data={"a": data}, **operation)
            assert again["repeated"] is True
            assert again["document"]["revision"] == written["document"]["revision"]
            for event in ((await other.event())["document"], (await stream.next()).data):
                assert (event["unique_name"], event["updated_by"]) == (text, text)
                assert event["data"] == {"a": data}
        status, fetched = await client.call("GET", f"/v3/Documents/{made['sid']}")
        assert (status, fetched["unique_name"], fetched["data"]) == (200, text, {"a": data})

    # The account finds it by its name, and what the identity may do by that one's.
    reply = account.ok("GET", service, "Documents", text)
    assert (reply["sid"], reply["data"]) == (made["sid"], {"a": data})
    permission = account.ok("GET", service, "Documents", text, "Permissions", text)
    assert (permission["identity"], permission["read"]) == (text, True)
    listed = account.ok("GET", service, "Documents", text, "Permissions")["permissions"]
    assert [each["identity"] for each in listed] == [text]
    account.ok("DELETE", service, "Documents", text)
    assert account.ok("GET", service, "Documents")["documents"] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_nothing_but_text_in_a_map(
    server: RunningServer, account: Account, service: str, text: str
) -> None:
    """As a name, as a key, as who writes it, and as data."""
    data = {text: [text, {text: text}]}
    others = [f"{text[:100]}{other[:100]}" for other in HOSTILE]
    with CollectionsApi(server, "Maps", server.token(text, service=service), service) as maps:
        created = maps.create(UniqueName=text)
        assert (created["unique_name"], created["created_by"]) == (text, text)
        item = maps.add(text, key=text, data=data)
        assert (item["key"], item["data"], item["created_by"]) == (text, data, text)
        assert maps.item(text, text) == maps.page(item["url"]) == item
        maps.fill(text, [{"op": "put", "key": key, "data": data} for key in others])
        page = maps.ok("GET", text, "Items", params={"From": text, "PageSize": 10})
        found = [each["key"] for each in page["items"]]
        while (url := page["meta"]["next_page_url"]) is not None:
            page = maps.page(url)
            found += [each["key"] for each in page["items"]]
        assert found == sorted([text, *others], key=str.encode)
        assert maps.call("DELETE", text, "Items", text).status_code == 204
        maps.ok("DELETE", text)


async def test_what_looks_alike_is_not_the_same(
    server: RunningServer, account: Account, service: str
) -> None:
    """Names that differ only by letter case, width, composition or blanks."""
    alike = ["name", "Name", "name ", " name", "ｎａｍｅ", "name\x00", "nam\u0065\u0301", "namé"]
    prefix = unique()
    sids = {account.document(service, prefix + name) for name in alike}
    assert len(sids) == len(alike)
    for name in alike:
        account.ok("DELETE", service, "Documents", prefix + name)


async def test_no_identity_is_taken_for_another(server: RunningServer) -> None:
    """What is remembered of one's operations is nothing to another, whatever both are called."""
    name = unique()
    revisions = set()
    for identity, operation in [("a", "b:c"), ("a:b", "c"), ("1:a", "b:c"), ("b:c", "a")]:
        token = server.token(identity)
        async with native_socket(server, token) as socket:
            await socket.ok("open", document=name)
            written = await socket.ok("set", document=name, data={}, op=operation)
            assert "repeated" not in written
            revisions.add(written["document"]["revision"])
    assert len(revisions) == 4


@pytest.mark.parametrize("form", ["text", "json"])
async def test_no_text_forges_a_line_of_the_log(fresh_server: StartServer, form: str) -> None:
    server = fresh_server("--log-level=debug", f"--log-format={form}")
    for text in HOSTILE:
        async with native_socket(server, server.token(text)) as socket:
            await socket.ok("open", document=text)
        with Account(server) as account:
            account.call("GET", text, "Documents", text, headers={"X-Request-Id": "a"})
            account.call("DELETE", "default", "Documents", text)
    server.stop()
    log = server.log.read_bytes()
    assert not [byte for byte in log if byte < 0x20 and byte != 0x0A or byte == 0x7F]
    for line in log.decode().splitlines():
        if form == "json":
            assert orjson.loads(line).keys() >= {"time", "level", "logger", "message"}
        else:
            assert line[:2] == "20", line
