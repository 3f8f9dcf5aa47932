"""Webhooks of a real server to a real receiver, whichever of them goes away meanwhile."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx2
import psutil
import pytest

from support.account import Account
from support.api import unique
from support.callers import WIRES
from support.limits import WAIT_LIMIT
from support.metrics import scrape
from support.receiver import Answer, Receiver, in_order, revisions
from support.server import RunningServer, StartServer, StartSharedServer
from support.socket import native_socket

ALLOWED = "--webhook-networks=127.0.0.0/8"
QUICK_LEASE = "--webhook-timeout=1"
"""A process that dies is replaced after its lease, which lasts for five seconds beyond this."""

DOCUMENTS = 6


class Writer:
    """Writes to some documents in turn, until it is stopped; whatever breaks, it goes on.

    Attributes:
        acknowledged: the revisions of each document that were answered, by its SID.
    """

    def __init__(self, server: RunningServer, service: str) -> None:
        self.acknowledged: dict[str, list[int]] = {}
        self._http = httpx2.AsyncClient(auth=server.basic, verify=False, timeout=WAIT_LIMIT)
        self._url = f"{server.url}/v1/Services/{service}/Documents"
        self._stopping = False

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Within, it writes; in the end all that it began is acknowledged."""
        async with self._http:
            names = [unique() for _ in range(DOCUMENTS)]
            for name in names:
                await self._write(self._url, {"UniqueName": name})
            tasks = [asyncio.create_task(self._go_on(name)) for name in names]
            try:
                yield
            finally:
                self._stopping = True
                await asyncio.gather(*tasks)

    async def reach(self, more: int) -> None:
        """Return when so many more writes were acknowledged."""
        wanted = self.count + more
        async with asyncio.timeout(WAIT_LIMIT):
            while self.count < wanted:
                await asyncio.sleep(0.01)

    @property
    def count(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    async def _go_on(self, name: str) -> None:
        n = 0
        while not self._stopping:
            n += 1
            await self._write(f"{self._url}/{name}", {"Data": f'{{"n":{n}}}'})
            await asyncio.sleep(0.02)

    async def _write(self, url: str, form: dict[str, str]) -> None:
        """With an operation id, so that it is carried out once however often it is sent."""
        headers = {"Idempotency-Key": uuid4().hex}
        async with asyncio.timeout(WAIT_LIMIT):
            while True:
                try:
                    reply = await self._http.post(url, data=form, headers=headers)
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                if reply.status_code != 503:
                    break
                await asyncio.sleep(0.05)
        assert reply.is_success, reply.text
        document = reply.json()
        self.acknowledged.setdefault(document["sid"], []).append(int(document["revision"]))


@asynccontextmanager
async def receiving(server: RunningServer) -> AsyncIterator[Receiver]:
    """Within, it takes everything; all signatures must be right."""
    async with Receiver(server.basic[1]) as receiver:
        yield receiver
        assert receiver.unsigned == []


async def until_all_came(receiver: Receiver, writer: Writer) -> None:
    """Return when each acknowledged write was delivered at least once."""

    def have() -> bool:
        delivered = revisions(receiver.taken)
        return all(
            set(its) <= set(delivered.get(sid, ())) for sid, its in writer.acknowledged.items()
        )

    await receiver.until(have)
    assert in_order(receiver.taken)


def service_for(server: RunningServer, receiver: Receiver, **parameters: str) -> str:
    """The SID of a service that has its webhooks sent there, also for writes of the account."""
    wanted = {"WebhookUrl": receiver.url, "WebhooksFromRestEnabled": "true", **parameters}
    with Account(server) as account:
        return account.service(**wanted)


async def test_a_receiver_that_goes_away_and_returns_misses_nothing(
    shared_server: StartSharedServer,
) -> None:
    server = shared_server(ALLOWED)
    async with receiving(server) as receiver:
        writer = Writer(server, service_for(server, receiver))
        async with writer.writing():
            for _ in range(3):
                await receiver.until_taken(len(receiver.taken) + 10)
                await receiver.stop()
                await writer.reach(20)
                await receiver.start()
        await until_all_came(receiver, writer)


async def test_a_server_that_is_killed_while_it_delivers_misses_nothing(
    fresh_server: StartServer,
) -> None:
    server = fresh_server(ALLOWED, QUICK_LEASE)
    async with receiving(server) as receiver:
        writer = Writer(server, service_for(server, receiver))
        async with writer.writing():
            for _ in range(2):
                await receiver.until_taken(len(receiver.taken) + 10)
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.restart)
                await writer.reach(10)
        await until_all_came(receiver, writer)


async def test_workers_that_are_killed_leave_their_webhooks_to_the_others(
    fresh_server: StartServer,
) -> None:
    server = fresh_server(ALLOWED, QUICK_LEASE, "--workers=2")
    async with receiving(server) as receiver:
        writer = Writer(server, service_for(server, receiver))
        async with writer.writing():
            await receiver.until_taken(10)
            for worker in psutil.Process(server.process.pid).children():
                if "syncline_server.runtime.worker" in worker.cmdline():
                    worker.send_signal(signal.SIGKILL)
                    await writer.reach(10)
        await until_all_came(receiver, writer)


async def test_a_server_that_stops_in_order_repeats_nothing(fresh_server: StartServer) -> None:
    server = fresh_server(ALLOWED)
    async with receiving(server) as receiver:
        writer = Writer(server, service_for(server, receiver))
        async with writer.writing():
            await receiver.until_taken(10)
            await asyncio.to_thread(server.restart)
            await writer.reach(10)
        await until_all_came(receiver, writer)
        tokens = [delivery.token for delivery in receiver.came]
        assert len(set(tokens)) == len(tokens)


@pytest.mark.parametrize("wire", ["native", "twilsock", "rest"])
async def test_writes_of_tokens_are_reported_on_every_wire(
    shared_server: StartSharedServer, wire: str
) -> None:
    server = shared_server(ALLOWED)
    async with receiving(server) as receiver:
        parameters = {"WebhooksFromRestEnabled": "false", "ReachabilityWebhooksEnabled": "true"}
        service = service_for(server, receiver, **parameters)
        with Account(server) as account:
            undelivered = account.document(service, "of the account")
        token = server.token("alice", service=service)
        async with WIRES[wire](server, service, token) as caller:
            for operation in ("create", "set", "remove"):
                outcome, text = await caller.do(operation, "prefs")
                assert outcome == "ok", text
        connects = wire != "rest"
        taken = await receiver.until_taken(3 + 2 * connects)
    delivered = [each for each in taken if "DocumentSid" in each.form]
    assert [each.kind for each in delivered] == [
        "document_created",
        "document_updated",
        "document_removed",
    ]
    assert {each.form["Identity"] for each in taken} == {"alice"}
    assert undelivered not in {each.form["DocumentSid"] for each in delivered}
    endpoints = {each.form.get("EndpointId") for each in taken}
    # One socket is one endpoint; plain requests are none.
    assert len(endpoints) == 1
    assert (endpoints == {None}) is not connects
    assert [each.form.get("DocumentData") for each in delivered] == ["{}", '{"new":1}', None]
    assert {each.form["DocumentUniqueName"] for each in delivered} == {"prefs"}
    kinds = {each.kind for each in taken} - {each.kind for each in delivered}
    assert kinds == ({"endpoint_connected", "endpoint_disconnected"} if connects else set())


async def test_a_new_token_leaves_the_endpoint_as_it_is(shared_server: StartSharedServer) -> None:
    server = shared_server(ALLOWED)
    async with receiving(server) as receiver:
        service = service_for(server, receiver, ReachabilityWebhooksEnabled="true")
        async with native_socket(server, server.token("alice", service=service)) as socket:
            await socket.ok("auth", token=server.token("alice", service=service))
            await socket.document("open", document="prefs")
        taken = await receiver.until_taken(3)
    assert sorted(each.kind for each in taken) == [
        "document_created",
        "endpoint_connected",
        "endpoint_disconnected",
    ]
    assert len({each.form["EndpointId"] for each in taken}) == 1


async def test_who_comes_back_within_the_window_is_not_reported_to_whichever_process(
    fresh_server: StartServer,
) -> None:
    server = fresh_server(ALLOWED, "--workers=2")
    async with receiving(server) as receiver:
        window = {
            "ReachabilityWebhooksEnabled": "true",
            "ReachabilityDebouncingEnabled": "true",
            "ReachabilityDebouncingWindow": "3000",
        }
        service = service_for(server, receiver, **window)
        token = server.token("alice", service=service)
        for _ in range(8):
            async with native_socket(server, token) as socket:
                await socket.ok("ping")
        connected, disconnected = await receiver.until_taken(2)
    assert (connected.kind, disconnected.kind) == ("endpoint_connected", "endpoint_disconnected")
    assert connected.form["EndpointId"] != disconnected.form["EndpointId"]
    assert len(receiver.came) == 2


async def test_what_expires_is_reported_as_removed_by_the_system(
    shared_server: StartSharedServer,
) -> None:
    server = shared_server(ALLOWED)
    async with receiving(server) as receiver:
        service = service_for(server, receiver, WebhooksFromRestEnabled="false")
        async with native_socket(server, server.token("alice", service=service)) as socket:
            await socket.document("open", document="brief", ttl=1)
            created, removed = await receiver.until_taken(2)
    assert (created.kind, created.form["Identity"]) == ("document_created", "alice")
    assert (removed.kind, removed.form["Identity"]) == ("document_removed", "system")
    assert "EndpointId" not in removed.form


async def test_patches_that_are_committed_together_are_reported_to_the_last(
    shared_server: StartSharedServer,
) -> None:
    server = shared_server(ALLOWED)
    async with receiving(server) as receiver:
        service = service_for(server, receiver, WebhooksFromRestEnabled="false")
        async with native_socket(server, server.token("alice", service=service)) as socket:
            await socket.document("open", document="count", data={"n": 0})
            ids = [
                await socket.send("patch", document="count", increment={"/n": 1}) for _ in range(50)
            ]
            for each in ids:
                assert "ok" in await socket.reply(each)
        await receiver.until(lambda: '{"n":50}' in [d.form["DocumentData"] for d in receiver.taken])
    assert in_order(receiver.taken)
    assert {each.form["DocumentData"] for each in receiver.taken[-1:]} == {'{"n":50}'}


async def test_nothing_goes_to_where_only_the_server_can(fresh_server: StartServer) -> None:
    server = fresh_server("--webhook-retry-time=0")
    async with receiving(server) as receiver, receiving(server) as redirected:
        receiver.answer = lambda _: Answer(307, {"Location": redirected.url})
        port = receiver.url.rpartition(":")[2]
        urls = [f"http://{host}:{port}" for host in ("127.0.0.1", "localhost", "2130706433")]
        services = [service_for(server, receiver, WebhookUrl=url) for url in urls]
        with Account(server) as account:
            for service in services:
                account.document(service)
                while not (found := parked(account, service)):
                    await asyncio.sleep(0.05)
                assert "must not reach" in found[0]["reason"]
        assert receiver.came == redirected.came == []


def parked(account: Account, service: str) -> list[dict[str, str]]:
    """What was given up in a service."""
    found: list[dict[str, str]] = account.ok("GET", service, "ParkedWebhooks")["parked_webhooks"]
    return found


async def test_what_becomes_of_webhooks_is_counted(fresh_server: StartServer) -> None:
    server = fresh_server(ALLOWED, "--webhook-retry-time=0", "--webhook-parked-limit=1")
    async with receiving(server) as receiver:
        service = service_for(server, receiver)
        with Account(server) as account:
            account.document(service)
            await receiver.until_taken(1)
            receiver.answer = lambda _: Answer(500)
            for _ in range(2):
                account.document(service)
        await receiver.until(lambda: len(receiver.came) == 3)
        async with asyncio.timeout(WAIT_LIMIT):
            while scrape(server).value("syncline_webhooks_total", outcome="parked") < 2:
                await asyncio.sleep(0.05)
    seen = scrape(server)
    assert seen.value("syncline_webhooks_total", outcome="delivered") == 1
    assert seen.value("syncline_webhooks_total", outcome="failed") == 2
    assert seen.value("syncline_bound_hits_total", bound="webhook_parked_limit") == 1
    assert seen.value("syncline_bound_hits_total", bound="webhook_retry_time") == 2
    assert seen.value("syncline_webhooks_waiting") >= 0
    assert seen.value("syncline_webhooks_parked") >= 0
