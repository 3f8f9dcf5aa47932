"""The description is true: what the server answers is what it says."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from support.account import Account
from support.api import DocumentsApi, unique
from support.collections import CollectionsApi
from support.receiver import Receiver
from support.server import RunningServer, StartServer
from support.socket import native_socket
from syncline_server.config.settings import Settings
from syncline_server.http.openapi.documents import description

COLLECTION = "/v1/Services/{service}/Documents"
DOCUMENT = f"{COLLECTION}/{{document}}"
SERVICES = "/v1/Services"
SERVICE = f"{SERVICES}/{{service}}"
PARKED = f"{SERVICE}/ParkedWebhooks"


@pytest.fixture(scope="module")
def described(server: RunningServer) -> Any:
    reply = httpx2.get(f"{server.url}/openapi.json")
    assert reply.status_code == 200
    return reply.json()


def resolve(described: Any, node: Any) -> Any:
    while "$ref" in node:
        target = described
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def check(described: Any, path: str, reply: httpx2.Response) -> None:
    """The reply is one that the operation describes, body, headers and all."""
    operation = described["paths"][path][reply.request.method.lower()]
    answer = resolve(described, operation["responses"][str(reply.status_code)])
    for header in answer.get("headers", {}):
        assert header in reply.headers
    if "content" not in answer:
        assert reply.content == b""
        return
    schema = answer["content"][reply.headers["Content-Type"]]["schema"]
    validator = Draft202012Validator(
        {**schema, "components": described["components"]}, format_checker=FormatChecker()
    )
    validator.validate(reply.json())


def test_every_reference_leads_somewhere(described: Any) -> None:
    def walk(node: Any) -> int:
        children = node.values() if isinstance(node, dict) else node
        found = sum(walk(child) for child in children if isinstance(child, dict | list))
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            resolve(described, node)
            found += 1
        return found

    assert walk(described) > 50


def test_every_schema_is_one(described: Any) -> None:
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_operations_have_names_of_their_own(described: Any) -> None:
    names = [
        operation["operationId"]
        for path in described["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    ]
    assert len(set(names)) == len(names) >= 9


def test_the_server_is_the_one_that_was_asked(described: Any, server: RunningServer) -> None:
    assert described["servers"] == [{"url": server.url}]


def test_the_limits_are_those_of_the_settings() -> None:
    settings = Settings(data_limit=99, item_limit=98, message_limit=97)
    schemas = description(settings)["components"]["schemas"]
    for name, limit in [
        ("Document", 99),
        ("SyncListItem", 98),
        ("SyncMapItem", 98),
        ("StreamMessage", 97),
    ]:
        assert f"{limit} bytes" in schemas[name]["properties"]["data"]["description"]


def test_operations_have_the_names_of_the_vendor(described: Any) -> None:
    names = {
        operation["operationId"]
        for path in described["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    }
    every = ("Create", "Fetch", "Update", "Delete", "List")
    for type_ in ("SyncList", "SyncMap", "SyncStream", "SyncListItem", "SyncMapItem"):
        assert {f"{verb}{type_}" for verb in every} <= names
    for type_ in ("DocumentPermission", "SyncListPermission", "SyncMapPermission"):
        assert {f"{verb}{type_}" for verb in ("Fetch", "Update", "Delete", "List")} <= names
    assert "CreateStreamMessage" in names


def test_replies_about_documents_are_as_described(described: Any, api: DocumentsApi) -> None:
    name = unique()
    created = api.call("POST", data={"UniqueName": name, "Data": '{"n":1}', "Ttl": "60"})
    merge = {"Content-Type": "application/merge-patch+json"}
    for path, reply in [
        (COLLECTION, created),
        (COLLECTION, api.call("POST", json={})),
        (COLLECTION, api.call("GET", params={"PageSize": 1})),
        (DOCUMENT, api.call("GET", name)),
        (DOCUMENT, api.call("POST", name, data={"Ttl": "0"})),
        (DOCUMENT, api.call("PATCH", name, content="{}", headers=merge)),
        (DOCUMENT, api.call("DELETE", name)),
    ]:
        assert reply.is_success
        check(described, path, reply)


def test_refusals_are_as_described(described: Any, api: DocumentsApi) -> None:
    name = unique()
    api.create(UniqueName=name)
    stale = {"If-Match": "1"}
    merge = {"Content-Type": "application/merge-patch+json"}
    operations = {"Content-Type": "application/json-patch+json"}
    missing = '[{"op":"remove","path":"/missing"}]'
    for path, status, reply in [
        (COLLECTION, 400, api.call("POST", data={"Ttl": "x"})),
        (COLLECTION, 401, httpx2.get(api.url)),
        (COLLECTION, 409, api.call("POST", data={"UniqueName": name})),
        (COLLECTION, 415, api.call("POST", content="x")),
        (COLLECTION, 400, api.call("GET", params={"PageToken": "x"})),
        (DOCUMENT, 404, api.call("GET", unique())),
        (DOCUMENT, 412, api.call("POST", name, data={"Data": "{}"}, headers=stale)),
        (DOCUMENT, 413, api.call("POST", name, data={"Data": '{"a":"%s"}' % ("x" * 17_000)})),
        (DOCUMENT, 409, api.call("PATCH", name, content=missing, headers=operations)),
        (DOCUMENT, 412, api.call("PATCH", name, content="{}", headers={**merge, **stale})),
        (DOCUMENT, 412, api.call("DELETE", name, headers=stale)),
    ]:
        assert reply.status_code == status
        check(described, path, reply)


@pytest.mark.parametrize("name", ["list", "map", "stream"])
def test_replies_about_objects_are_as_described(
    described: Any, server: RunningServer, name: str
) -> None:
    plural = f"{name.capitalize()}s"
    objects, one = f"{SERVICE}/{plural}", f"{SERVICE}/{plural}/{{{name}}}"
    with CollectionsApi(server, plural) as api:
        taken = unique()
        created = api.call("POST", data={"UniqueName": taken, "Ttl": "60"})
        sid = created.json()["sid"]
        for path, status, reply in [
            (objects, 201, created),
            (objects, 201, api.call("POST", json={})),
            (objects, 409, api.call("POST", data={"UniqueName": taken})),
            (objects, 400, api.call("POST", data={"Ttl": "x"})),
            (objects, 200, api.call("GET", params={"PageSize": 1})),
            (one, 200, api.call("GET", sid)),
            (one, 200, api.call("POST", sid, data={"Ttl": "0"})),
            (one, 400, api.call("POST", sid)),
            (one, 204, api.call("DELETE", sid)),
            (one, 404, api.call("GET", sid)),
        ]:
            assert reply.status_code == status
            check(described, path, reply)


@pytest.mark.parametrize("name", ["list", "map"])
def test_replies_about_items_are_as_described(
    described: Any, server: RunningServer, name: str
) -> None:
    plural = f"{name.capitalize()}s"
    one = f"{SERVICE}/{plural}/{{{name}}}"
    items, item, batch = f"{one}/Items", f"{one}/Items/{{item}}", f"{one}/Batch"
    key = {"key": "a/b"} if name == "map" else {}
    merge = {"Content-Type": "application/merge-patch+json"}
    stale = {"If-Match": "1"}
    with CollectionsApi(server, plural) as api:
        sid = api.create()["sid"]
        created = api.call("POST", sid, "Items", json={"data": {"n": 1}, "ttl": 60, **key})
        path = (sid, "Items", "a/b" if key else 0)
        add = {"op": "add", "data": {}} | ({"key": "c"} if key else {})
        for pattern, status, reply in [
            (items, 201, created),
            (items, 400, api.call("POST", sid, "Items", json={})),
            (items, 200, api.call("GET", sid, "Items", params={"Order": "desc"})),
            (items, 400, api.call("GET", sid, "Items", params={"Order": "up"})),
            (item, 200, api.call("GET", *path)),
            (item, 304, api.call("GET", *path, headers={"If-None-Match": "*"})),
            (item, 200, api.call("POST", *path, json={"data": {}})),
            (item, 412, api.call("POST", *path, json={"data": {}}, headers=stale)),
            (item, 400, api.call("POST", *path, json={})),
            (item, 200, api.call("PATCH", *path, content="{}", headers=merge)),
            (batch, 200, api.call("POST", sid, "Batch", json={"operations": [add]})),
            (batch, 400, api.call("POST", sid, "Batch", json={"operations": []})),
            (item, 412, api.call("DELETE", *path, headers=stale)),
            (item, 204, api.call("DELETE", *path)),
            (item, 404, api.call("GET", *path)),
        ]:
            assert reply.status_code == status, reply.text
            check(described, pattern, reply)
        if name == "map":
            for status in (201, 200):
                reply = api.call("PUT", *path, json={"data": {}})
                assert reply.status_code == status
                check(described, item, reply)


def test_replies_about_messages_are_as_described(described: Any, server: RunningServer) -> None:
    path = f"{SERVICE}/Streams/{{stream}}/Messages"
    with CollectionsApi(server, "Streams") as api:
        sid = api.create()["sid"]
        for status, data in [(201, "{}"), (400, "null"), (413, '{"a":"%s"}' % ("x" * 4096))]:
            reply = api.call("POST", sid, "Messages", data={"Data": data})
            assert reply.status_code == status
            check(described, path, reply)


def test_replies_about_services_are_as_described(described: Any, account: Account) -> None:
    sid = account.service()
    everything = {"FriendlyName": "n", "WebhookUrl": "http://example.com", "AclEnabled": "true"}
    for path, status, reply in [
        (SERVICES, 201, account.call("POST", data=everything)),
        (SERVICES, 201, account.call("POST", json={})),
        (SERVICES, 200, account.call("GET", params={"PageSize": 1})),
        (SERVICES, 400, account.call("GET", params={"PageSize": 0})),
        (SERVICES, 400, account.call("POST", data={"FriendlyName": "x" * 256})),
        (SERVICE, 200, account.call("GET", sid)),
        (SERVICE, 200, account.call("POST", sid, data=everything)),
        (SERVICE, 400, account.call("POST", sid)),
        (SERVICE, 403, account.call("DELETE", "default")),
        (SERVICE, 204, account.call("DELETE", sid)),
        (SERVICE, 404, account.call("GET", sid)),
    ]:
        assert reply.status_code == status
        check(described, path, reply)


@pytest.mark.parametrize("name", ["document", "list", "map"])
def test_replies_about_permissions_are_as_described(
    described: Any, account: Account, name: str
) -> None:
    plural = f"{name.capitalize()}s"
    permissions = f"{SERVICE}/{plural}/{{{name}}}/Permissions"
    permission = f"{permissions}/{{identity}}"
    sid = account.ok("POST", "default", plural)["sid"]
    path = ("default", plural, sid, "Permissions")
    read = {"Read": "true"}
    for pattern, status, reply in [
        (permission, 200, account.call("POST", *path, "alice", data=read)),
        (permission, 200, account.call("GET", *path, "alice")),
        (permissions, 200, account.call("GET", *path)),
        (permissions, 400, account.call("GET", *path, params={"PageToken": "x"})),
        (permission, 400, account.call("POST", *path, "alice")),
        (permission, 400, account.call("GET", *path, "x" * 257)),
        (permission, 204, account.call("DELETE", *path, "alice")),
        (permission, 404, account.call("DELETE", *path, "alice")),
    ]:
        assert reply.status_code == status
        check(described, pattern, reply)


def test_replies_about_parked_webhooks_are_as_described(described: Any, account: Account) -> None:
    path = ("default", "ParkedWebhooks")
    for pattern, status, reply in [
        (PARKED, 200, account.call("GET", *path)),
        (PARKED, 400, account.call("GET", *path, params={"PageSize": 0})),
        (f"{PARKED}/{{webhook}}", 404, account.call("GET", *path, "none")),
        (f"{PARKED}/{{webhook}}", 404, account.call("DELETE", *path, "none")),
        (f"{PARKED}/{{webhook}}/Replay", 404, account.call("POST", *path, "none", "Replay")),
    ]:
        assert reply.status_code == status
        check(described, pattern, reply)


def change_all(api: CollectionsApi) -> None:
    """Create an object, change an item in every way, and remove the object."""
    sid = api.create(UniqueName="named")["sid"]
    if not api.url.endswith("Streams"):
        key = {"key": "a/b"} if api.url.endswith("Maps") else {}
        item = api.add(sid, data={"n": 1}, **key)
        path = (sid, "Items", item.get("key", 0))
        api.ok("POST", *path, json={"data": {"n": 2}})
        api.ok("DELETE", *path)
    api.ok("POST", sid, data={"Ttl": "60"})
    api.ok("DELETE", sid)


async def test_what_receivers_get_is_as_described(
    described: Any, fresh_server: StartServer
) -> None:
    body = described["webhooks"]["event"]["post"]["requestBody"]["content"]
    [(media_type, content)] = body.items()
    whole = {**content["schema"], "components": described["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    server = fresh_server("--webhook-networks=127.0.0.0/8")
    async with Receiver() as receiver:
        with Account(server) as account:
            wanted = {"WebhookUrl": receiver.url, "WebhooksFromRestEnabled": "true"}
            service = account.service(**wanted, ReachabilityWebhooksEnabled="true")
            account.document(service, "named")
            for plural in ("Lists", "Maps", "Streams"):
                with CollectionsApi(server, plural, service=service) as api:
                    change_all(api)
        async with native_socket(server, server.token("alice", service=service)) as socket:
            await socket.ok("set", document="named", data={"a": 1})
            await socket.ok("remove", document="named")
        taken = await receiver.until_taken(5 + 2 * 3 + 2 * 3)
    form = resolve(described, content["schema"])
    assert {each.kind for each in taken} == set(form["properties"]["EventType"]["enum"])
    for each in taken:
        assert each.headers["content-type"].startswith(media_type)
        validator.validate(dict(each.form))
        assert set(each.form) <= set(form["properties"])


def test_a_stream_is_as_described(described: Any, api: DocumentsApi) -> None:
    name = unique()
    api.create(UniqueName=name)
    operation = described["paths"][f"{DOCUMENT}/Events"]["get"]
    with api.http.stream("GET", f"{api.url}/{name}/Events") as stream:
        media_type = stream.headers["Content-Type"].partition(";")[0]
        assert list(operation["responses"]["200"]["content"]) == [media_type]
        assert next(stream.iter_lines()).startswith(("event: state", "id:", "data:"))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_as_described(described: Any, server: RunningServer, path: str) -> None:
    check(described, path, httpx2.get(server.url + path))


async def test_replies_about_connections_are_as_described(
    described: Any, server: RunningServer
) -> None:
    path, identity = "/v1/Connections", unique("connected")
    async with native_socket(server, server.token(identity)) as socket:
        url = f"{server.url}{path}"
        listed = httpx2.get(url, params={"Identity": identity}, auth=server.basic)
        check(described, path, listed)
        [found] = listed.json()["connections"]
        for status in (204, 404):
            closed = httpx2.delete(found["url"], auth=server.basic)
            assert closed.status_code == status
            check(described, f"{path}/{{connection}}", closed)
            await socket.closed()
