"""The audit log: its bound, and a line for each kind of act and refusal on a real server."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from support.account import Account
from support.api import unique
from support.keys import Key, KeysApi, until
from support.server import RunningServer, StartServer
from support.socket import native_socket, websocket_url
from support.store import eventually
from support.stream import event_stream
from support.twilsock import twilsock_client
from syncline_protocol.errors import Code
from syncline_server.observability import audit as module
from syncline_server.observability.audit import OBJECT_LENGTH, Audit
from syncline_server.observability.metrics import Limit

REFUSED = [
    *(Code.AUTHENTICATION_FAILED, Code.TOKEN_EXPIRED, Code.FORBIDDEN, Code.ACCESS_FORBIDDEN),
    *(Code.SERVICE_FORBIDDEN, Code.RATE_LIMITED, Code.TOO_LARGE, Code.TOO_MANY_SUBSCRIPTIONS),
]
OTHERWISE = [Code.NOT_FOUND, Code.REVISION_MISMATCH, Code.UNAVAILABLE, Code.TOO_MANY_REQUESTS]


class Log(logging.Handler):
    """What was logged.

    Attributes:
        records: in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    logging.getLogger("syncline.audit").addHandler(log)
    yield log
    logging.getLogger("syncline.audit").removeHandler(log)


@pytest.fixture
def limit_hits() -> Counter[Limit]:
    return Counter()


def nothing() -> dict[str, object]:
    return {}


class TestAudit:
    def test_what_is_done_is_always_reported(self, log: Log, limit_hits: Counter[Limit]) -> None:
        audit = Audit(1, limit_hits)
        for _ in range(3):
            audit.done("service created", object="IS1", code=201)
        assert [record.getMessage() for record in log.records] == ["service created"] * 3
        first = log.records[0]
        assert (first.outcome, first.object, first.code) == ("done", "IS1", 201)
        assert not limit_hits

    @pytest.mark.parametrize("level", ["error", "info"])
    def test_no_level_keeps_it_back(
        self, log: Log, limit_hits: Counter[Limit], level: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging.root, "level", getattr(logging, level.upper()))
        Audit(1, limit_hits).done("service created")
        assert len(log.records) == 1

    @pytest.mark.parametrize("code", REFUSED)
    async def test_a_refusal_is_reported(
        self, log: Log, limit_hits: Counter[Limit], code: Code
    ) -> None:
        audit = Audit(1, limit_hits)
        audit.refused(code, "get", lambda: {"object": "x" * 1000})
        audit.close()
        [record] = log.records
        assert (record.levelname, record.getMessage()) == ("WARNING", "get")
        assert (record.outcome, record.code) == ("refused", int(code))
        assert record.object == "x" * OBJECT_LENGTH

    @pytest.mark.parametrize("code", OTHERWISE)
    async def test_what_only_made_no_sense_is_not(
        self, log: Log, limit_hits: Counter[Limit], code: Code
    ) -> None:
        audit = Audit(1, limit_hits)
        audit.refused(code, "get", nothing)
        audit.close()
        assert log.records == []
        audit.turned_away(code, "get", nothing)
        audit.close()
        assert len(log.records) == 1

    async def test_beyond_the_allowance_refusals_are_counted_and_not_looked_into(
        self, log: Log, limit_hits: Counter[Limit], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PERIOD", 0.05)
        audit, calls = Audit(3, limit_hits), Counter[str]()

        def fields() -> dict[str, object]:
            calls["into"] += 1
            return {}

        for _ in range(10):
            audit.refused(Code.AUTHENTICATION_FAILED, "get", fields)
        audit.refused(Code.FORBIDDEN, "get", fields)
        assert (len(log.records), calls["into"], limit_hits[Limit.AUDIT_RATE]) == (3, 3, 8)
        await eventually(lambda: len(log.records) == 4)
        summary = log.records[-1]
        assert summary.getMessage() == "more refusals than the log shows"
        assert (summary.count, summary.codes) == (8, {20003: 7, 20403: 1})
        audit.refused(Code.FORBIDDEN, "get", fields)
        assert len(log.records) == 5
        audit.close()
        assert len(log.records) == 5

    async def test_the_last_summary_is_reported_at_the_end(
        self, log: Log, limit_hits: Counter[Limit]
    ) -> None:
        audit = Audit(1, limit_hits)
        for _ in range(3):
            audit.refused(Code.FORBIDDEN, "get", nothing)
        audit.close()
        assert log.records[-1].count == 2
        audit.close()
        assert len(log.records) == 2


class Lines:
    """The audit lines of a server that logs JSON."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def all(self) -> list[dict[str, Any]]:
        """Those so far."""
        lines = map(json.loads, self._server.log.read_text().splitlines())
        return [line for line in lines if line["logger"] == "syncline.audit"]

    async def find(self, **members: Any) -> dict[str, Any]:
        """The first one that says all this."""
        found: list[dict[str, Any]] = []

        async def is_there() -> bool:
            found[:] = [line for line in self.all() if members.items() <= line.items()]
            return bool(found)

        try:
            await until(is_there)
        except TimeoutError:
            raise AssertionError(f"no {members} among {self.all()}") from None
        return found[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    options = ("--log-format=json", "--log-level=error", "--max-subscriptions=1")
    with RunningServer(tmp_path_factory.mktemp("audit") / "data", *options) as server:
        yield server


@pytest.fixture
def lines(served: RunningServer) -> Lines:
    return Lines(served)


@pytest.fixture(scope="module")
def account(served: RunningServer) -> Iterator[Account]:
    with Account(served) as account:
        yield account


class TestActs:
    """Each names who, what, on which object, from where, and how it ended."""

    async def test_services(self, account: Account, lines: Lines) -> None:
        service = account.service()
        account.set_acl(service, True)
        account.ok("DELETE", service)
        created = await lines.find(message="service created", object=service)
        expected = {
            "level": "info",
            "identity": "system",
            "wire": "rest",
            "outcome": "done",
            "code": 201,
        }
        assert expected.items() <= created.items()
        assert created["peer"].startswith("127.0.0.1:") and created["request"].startswith("RQ")
        updated = await lines.find(message="service updated", object=service)
        assert updated["changed"] == ["acl_enabled"]
        assert (await lines.find(message="service deleted", object=service))["code"] == 204

    async def test_permissions(self, account: Account, lines: Lines) -> None:
        service = account.service()
        sid = account.document(service)
        account.permit(service, sid, "alice", "rw")
        account.revoke(service, sid, "alice")
        changed = await lines.find(message="permission set", object=sid)
        assert (changed["whose"], changed["rights"]) == ("alice", ["read", "write"])
        assert changed["service"] == service
        removed = await lines.find(message="permission removed", object=sid)
        assert (removed["whose"], removed["code"]) == ("alice", 204)

    async def test_keys(self, served: RunningServer, lines: Lines) -> None:
        with KeysApi(served) as keys:
            key = keys.add()
            with Account(served) as account:
                account.http.auth = httpx2.BasicAuth(*key.login)
                service = account.service()
            keys.revoke(key.sid)
        assert (await lines.find(message="key added", object=key.sid))["outcome"] == "done"
        # What a key does is done in its name.
        by_key = await lines.find(message="service created", object=service)
        assert (by_key["identity"], by_key["key"]) == ("system", key.sid)
        assert (await lines.find(message="key revoked", object=key.sid))["code"] == 204

    async def test_what_is_refused_is_not_said_to_be_done(
        self, account: Account, lines: Lines
    ) -> None:
        for method, path in (("DELETE", "default"), ("POST", f"IS{'9' * 32}")):
            assert account.call(method, path, data={"AclEnabled": "true"}).status_code >= 400
        await lines.find(message="DELETE /v1/Services/default", outcome="refused", code=20403)
        assert not [
            line
            for line in lines.all()
            if line["message"] == "service deleted" and line.get("object") == "default"
        ]


class TestRefusals:
    """On each way in."""

    async def test_logins(self, served: RunningServer, lines: Lines) -> None:
        account, auth_token = served.basic
        path = f"/v1/Services/default/Documents/{unique()}"
        async with httpx2.AsyncClient(base_url=served.url, verify=False) as http:
            await http.get(f"{path}?secret=1", auth=(account, f"{auth_token}x"))
            await http.get(f"{path}/2", auth=("mallory", auth_token))
            await http.get(f"{path}/3")
        line = await lines.find(message=f"GET {path}")
        expected = {
            "level": "warning",
            "outcome": "refused",
            "code": 20003,
            "key": account,
            "wire": "rest",
        }
        assert expected.items() <= line.items()
        assert "identity" not in line and "secret" not in str(line)

    async def test_tokens_over_rest(self, served: RunningServer, lines: Lines) -> None:
        [configured] = served.credentials.api_keys
        path = f"/v1/Services/{unique()}/Documents"
        async with httpx2.AsyncClient(base_url=served.url, verify=False) as http:
            for token in (served.token("alice"), Key(configured, "x" * 43).token(served)):
                await http.get(path, headers={"Authorization": f"Bearer {token}"})
        foreign = await lines.find(message=f"GET {path}", code=54056)
        assert (foreign["identity"], foreign["key"]) == ("alice", configured)
        forged = await lines.find(message=f"GET {path}", code=20107)
        assert forged["key"] == configured and "identity" not in forged

    async def test_tokens_over_the_sockets(self, served: RunningServer, lines: Lines) -> None:
        stranger = Key(f"SK{'5' * 32}", "x" * 43)
        token = stranger.token(served)
        async with native_socket(served, auth=False) as socket:
            assert (await socket.error("auth", token=token))["code"] == 20103
        async with twilsock_client(served, init=False) as client:
            assert (await client.init(token))["status"]["code"] == 401
        for wire in ("native", "twilsock"):
            line = await lines.find(message="auth", wire=wire, key=stranger.sid)
            assert (line["outcome"], line["code"]) == ("refused", 20103)
            assert line["peer"].startswith("127.0.0.1:") and "identity" not in line

    async def test_objects_without_the_right(
        self, served: RunningServer, account: Account, lines: Lines
    ) -> None:
        service = account.service(AclEnabled="true")
        sid = account.document(service)
        token = served.token("eve", service=service)
        async with native_socket(served, token) as socket:
            await socket.error("get", document=sid)
        async with twilsock_client(served, token) as client:
            await client.call("DELETE", f"/v3/Documents/{sid}")
            await client.subscribe("establish", 1, {"object_sid": sid, "object_type": "document"})
            await client.event()
        async with event_stream(served, sid, token=token, service=service) as stream:
            assert stream.response.status_code == 403
        [key] = served.credentials.api_keys
        for wire, action in (
            ("native", "get"),
            ("twilsock", "remove"),
            ("twilsock", "open"),
            ("sse", f"GET /v1/Services/{service}/Documents/{sid}/Events"),
        ):
            line = await lines.find(message=action, wire=wire, object=sid)
            expected = {
                "outcome": "refused",
                "code": 54007,
                "identity": "eve",
                "key": key,
            }
            assert expected.items() <= line.items()

    async def test_bounds(self, served: RunningServer, lines: Lines) -> None:
        name = unique()
        async with native_socket(served, served.token("greedy")) as socket:
            await socket.ok("open", document=unique())
            assert (await socket.error("open", document=name))["code"] == 54419
        line = await lines.find(message="open", code=54419)
        assert (line["identity"], line["object"]) == ("greedy", name)

    async def test_who_is_not_let_in(self, fresh_server: StartServer) -> None:
        server = fresh_server("--max-connections=1", "--log-format=json")
        async with native_socket(server):
            with pytest.raises(InvalidStatus):
                await connect(f"{websocket_url(server)}?token=secret")
        line = await Lines(server).find(message="/v1/ws", code=20503)
        assert line["outcome"] == "refused" and line["peer"].startswith("127.0.0.1:")
        assert "secret" not in str(line)

    async def test_pages_of_elsewhere(self, fresh_server: StartServer) -> None:
        server = fresh_server("--ws-origins=https://app.example.com", "--log-format=json")
        for path in ("/v1/ws", "/v3/wsconnect"):
            with pytest.raises(InvalidStatus):
                await connect(
                    server.url.replace("http", "ws", 1) + path,
                    additional_headers={"Origin": "https://evil.example.com"},
                )
            line = await Lines(server).find(message=path, code=20403)
            assert line["origin"] == "https://evil.example.com"

    async def test_those_of_the_sdks_that_come_too_fast(self, fresh_server: StartServer) -> None:
        server = fresh_server("--connect-rate=1", "--log-format=json")
        token = server.token()

        async def come() -> int:
            async with twilsock_client(server, init=False) as client:
                return int((await client.init(token))["status"]["code"])

        while 429 not in await asyncio.gather(*(come() for _ in range(4))):
            continue
        assert (await Lines(server).find(message="/v3/wsconnect", code=20429))["peer"]

    async def test_requests_that_are_not_read_to_their_end(self, fresh_server: StartServer) -> None:
        server = fresh_server("--url-limit=1024", "--log-format=json")
        async with httpx2.AsyncClient(base_url=server.url, verify=False) as http:
            reply = await http.get(f"/v1/Services/{'x' * 2000}")
        assert reply.status_code == 414
        line = await Lines(server).find(message="request", code=20414)
        assert line["request"] == reply.headers["X-Request-Id"]
        assert line["peer"].startswith("127.0.0.1:") and line["outcome"] == "refused"

    async def test_requests_that_are_too_many_at_once(self, fresh_server: StartServer) -> None:
        server = fresh_server("--max-requests=1", "--log-format=json")
        path = "/v1/Services/default/Documents"
        head = f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        user, password = server.basic
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        writer.write(f"{head}Authorization: Basic {login}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")
        async with httpx2.AsyncClient(base_url=server.url, verify=False) as http:
            assert (await http.get(path, auth=server.basic)).status_code == 503
        writer.close()
        line = await Lines(server).find(message=f"GET {path}", code=20503)
        assert (line["key"], line["outcome"]) == (user, "refused")

    async def test_an_attack_gets_a_few_lines_and_a_count(self, fresh_server: StartServer) -> None:
        server = fresh_server("--audit-rate=1", "--log-format=json")
        async with httpx2.AsyncClient(base_url=server.url, verify=False) as http:
            attempts = (http.get("/v1/Services", auth=("x", "y")) for _ in range(60))
            await asyncio.gather(*attempts)
        await asyncio.to_thread(server.stop)
        refused = [line for line in Lines(server).all() if line["outcome"] == "refused"]
        single = [line for line in refused if "count" not in line]
        counts = [line["count"] for line in refused if "count" in line]
        assert counts and len(single) + sum(counts) == 60
