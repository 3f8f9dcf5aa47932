"""SIDs of services that the operator or the account chooses."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.account import Account
from support.api import DocumentsApi, unique
from support.callers import WIRES, Connect
from support.server import RunningServer, StartServer
from support.socket import native_socket
from support.twilsock import twilsock_client


def some_sid() -> str:
    return f"IS{secrets.token_hex(16)}"


def error(reply: Any) -> tuple[int, int]:
    return reply.status_code, reply.json()["code"]


@pytest.fixture(scope="module", params=["new data", "data of before"])
def named(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, str]]:
    """A server whose default service has a SID of the operator, and that SID."""
    data_dir: Path = tmp_path_factory.mktemp("named") / "data"
    sid = some_sid()
    if request.param == "data of before":
        with RunningServer(data_dir) as before, DocumentsApi(before) as api:
            api.create(UniqueName="old")
    with RunningServer(data_dir, "--default-service-sid", sid) as server:
        yield server, sid


class TestTheDefaultService:
    def test_of_new_data_is_made_with_it(self, fresh_server: StartServer) -> None:
        sid = some_sid()
        server = fresh_server(environ={"SYNCLINE_DEFAULT_SERVICE_SID": sid})
        with Account(server) as account:
            for address in (sid, "default"):
                service = account.ok("GET", address)
                assert (service["sid"], service["unique_name"]) == (sid, "default")
            assert [each["sid"] for each in account.ok("GET")["services"]] == [sid]
            assert error(account.call("DELETE", sid)) == (403, 20403)

    def test_of_data_of_before_keeps_its_own_and_answers_to_both(
        self, fresh_server: StartServer, tmp_path: Path
    ) -> None:
        data_dir, sid = tmp_path / "data", some_sid()
        with RunningServer(data_dir) as before, Account(before) as account:
            own = account.ok("GET", "default")["sid"]
            document = account.document("default", "old", '{"a":1}')
        server = fresh_server("--default-service-sid", sid, data_dir=data_dir)
        with Account(server) as account:
            assert {account.ok("GET", each)["sid"] for each in (sid, own, "default")} == {own}
            assert account.ok("POST", sid, data={"FriendlyName": "ours"})["sid"] == own
            found = account.ok("GET", sid, "Documents", "old")
            assert (found["sid"], found["service_sid"]) == (document, own)
            assert error(account.call("DELETE", sid)) == (403, 20403)
            assert error(account.call("POST", data={"Sid": sid})) == (409, 20409)

    def test_lists_over_pages_whose_urls_work(self, named: tuple[RunningServer, str]) -> None:
        server, sid = named
        with DocumentsApi(server, service=sid) as api:
            made = {api.create()["sid"] for _ in range(3)}
            page, found = api.page(PageSize=1), set[str]()
            while True:
                found |= {document["sid"] for document in page["documents"]}
                if page["meta"]["next_page_url"] is None:
                    break
                page = api.page(page["meta"]["next_page_url"])
            assert made <= found

    @pytest.mark.parametrize("in_token", [True, False])
    @pytest.mark.parametrize("in_path", [True, False])
    @pytest.mark.parametrize("wire", WIRES)
    async def test_answers_to_it_on_every_wire(
        self, named: tuple[RunningServer, str], wire: str, in_token: bool, in_path: bool
    ) -> None:
        server, sid = named
        token = server.token("alice", service=sid if in_token else "default")
        path = sid if in_path else "default"
        connect: Connect = WIRES[wire]
        with DocumentsApi(server) as api:
            name = unique()
            api.create(UniqueName=name, Data='{"a":1}')
        async with connect(server, path, token) as caller:
            operation = "open" if "get" not in caller.operations else "get"
            outcome, _ = await caller.do(operation, name)
            assert outcome == "ok"

    async def test_tokens_for_it_and_for_the_name_may_follow_each_other(
        self, named: tuple[RunningServer, str]
    ) -> None:
        server, sid = named
        async with native_socket(server, server.token(service=sid)) as socket:
            await socket.ok("auth", token=server.token(service="default"))
            await socket.ok("auth", token=server.token(service=sid))
            other = server.token(service=some_sid())
            assert (await socket.error("auth", token=other))["code"] == 54050

    async def test_stands_in_the_paths_of_the_sdk(self, named: tuple[RunningServer, str]) -> None:
        server, sid = named
        for service in (sid, "default"):
            async with twilsock_client(server, server.token(service=service)) as client:
                for path in (
                    sid,
                    "default",
                    client.welcome["account_descriptor"]["instance_sids"]["data_sync"],
                ):
                    status, _ = await client.call("POST", f"/v3/Services/{path}/Documents", {})
                    assert status == 201
                status, _ = await client.call("POST", f"/v3/Services/{some_sid()}/Documents", {})
                assert status == 403

    def test_cannot_have_that_of_another_one(self, tmp_path: Path) -> None:
        data_dir = tmp_path / "data"
        with RunningServer(data_dir) as before, Account(before) as account:
            sid = account.service()
        with pytest.raises(RuntimeError, match=f"{sid} is the SID of a service that is not the"):
            RunningServer(data_dir, "--default-service-sid", sid)

    @pytest.mark.parametrize("sid", ["default", "IS1", "IS" + "A" * 32, "ET" + "a" * 32])
    def test_has_the_shape_of_one(self, tmp_path: Path, sid: str) -> None:
        with pytest.raises(RuntimeError, match="--default-service-sid must be IS and 32 hex"):
            RunningServer(tmp_path / "data", "--default-service-sid", sid)


class TestTheAccount:
    @pytest.mark.parametrize("form", ["data", "json"])
    def test_makes_a_service_with_a_sid(
        self, account: Account, server: RunningServer, form: str
    ) -> None:
        sid = some_sid()
        name = "Sid" if form == "data" else "sid"
        made = account.ok("POST", **{form: {name: sid, "FriendlyName": "ours"}})
        assert (made["sid"], made["friendly_name"]) == (sid, "ours")
        assert account.ok("GET", sid) == made
        document = account.document(sid, "a")
        with DocumentsApi(server, server.token(service=sid), sid) as api:
            assert api.fetch("a")["sid"] == document

    def test_makes_it_once(self, account: Account) -> None:
        sid = account.service(Sid=some_sid())
        document = account.document(sid, "a")
        assert error(account.call("POST", data={"Sid": sid})) == (409, 20409)
        assert account.ok("GET", sid, "Documents", "a")["sid"] == document
        account.ok("DELETE", sid)
        # Its content may not be removed yet.
        assert error(account.call("POST", data={"Sid": sid})) == (409, 20409)
        default = account.ok("GET", "default")["sid"]
        assert error(account.call("POST", data={"Sid": default})) == (409, 20409)

    @pytest.mark.parametrize(
        "sid", ["", "IS1", "IS" + "F" * 32, "ET" + "0" * 32, "default", "IS" + "٣" * 32]
    )
    def test_makes_none_with_what_is_no_sid(self, account: Account, sid: str) -> None:
        assert error(account.call("POST", data={"Sid": sid})) == (400, 20422)
        assert error(account.call("POST", json={"Sid": 1})) == (400, 20422)

    def test_cannot_change_it(self, account: Account) -> None:
        sid = account.service()
        assert error(account.call("POST", sid, data={"Sid": some_sid()})) == (400, 20422)
        assert account.ok("GET", sid)["sid"] == sid
