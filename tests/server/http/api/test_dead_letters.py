"""Webhooks that were given up, over REST."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.account import Account
from support.limits import WAIT_LIMIT
from support.receiver import Answer, Receiver
from support.server import RunningServer
from syncline_protocol.dates import parse


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, engine: list[str]) -> Iterator[RunningServer]:
    """One that gives up after the first attempt."""
    data_dir: Path = tmp_path_factory.mktemp("dead-letters") / "data"
    options = ("--webhook-networks=127.0.0.0/8", "--webhook-retry-time=0", *engine)
    with RunningServer(data_dir, *options) as running:
        yield running


@pytest.fixture
def account(server: RunningServer) -> Iterator[Account]:
    with Account(server) as account:
        yield account


def listed(account: Account, service: str) -> list[Any]:
    """The first page of them."""
    found: list[Any] = account.ok("GET", service, "ParkedWebhooks")["parked_webhooks"]
    return found


async def given_up(account: Account, receiver: Receiver, count: int) -> str:
    """A service of which so many webhooks are parked; its SID."""
    receiver.answer = lambda _: Answer(500)
    service = account.service(WebhookUrl=receiver.url, WebhooksFromRestEnabled="true")
    for n in range(count):
        account.document(service, f"document {n}")
    async with asyncio.timeout(WAIT_LIMIT):
        while len(listed(account, service)) < count:
            await asyncio.sleep(0.05)
    return service


async def test_each_says_what_it_was_and_why_it_is_here(
    server: RunningServer, account: Account
) -> None:
    async with Receiver() as receiver:
        service = await given_up(account, receiver, 1)
    [parked] = listed(account, service)
    assert account.ok("GET", service, "ParkedWebhooks", parked["id"]) == parked
    assert httpx2.get(parked["url"], auth=server.basic, verify=False).json() == parked
    assert parked["parameters"] == dict(receiver.came[0].form)
    assert parked["parameters"]["DocumentUniqueName"] == "document 0"
    assert (parked["event_type"], parked["attempts"], parked["status"]) == (
        "document_created",
        1,
        500,
    )
    assert "500" in parked["reason"]
    assert parse(parked["date_created"]) <= parse(parked["date_parked"])


async def test_they_are_listed_in_pages(server: RunningServer, account: Account) -> None:
    async with Receiver() as receiver:
        service = await given_up(account, receiver, 5)
    page = account.ok("GET", service, "ParkedWebhooks", params={"PageSize": 2})
    found = page["parked_webhooks"]
    while (url := page["meta"]["next_page_url"]) is not None:
        page = account.http.get(url).json()
        found += page["parked_webhooks"]
    assert len({each["id"] for each in found}) == len(found) == 5
    assert [each["date_created"] for each in found] == sorted(
        each["date_created"] for each in found
    )


async def test_one_is_sent_again(account: Account) -> None:
    async with Receiver() as receiver:
        service = await given_up(account, receiver, 2)
        receiver.answer = lambda _: Answer()
        first, second = listed(account, service)
        reply = account.call("POST", service, "ParkedWebhooks", first["id"], "Replay")
        assert (reply.status_code, reply.json()) == (202, first)
        [taken] = await receiver.until_taken(1)
    assert dict(taken.form) == first["parameters"]
    assert listed(account, service) == [second]


async def test_one_is_dropped(account: Account) -> None:
    async with Receiver() as receiver:
        service = await given_up(account, receiver, 2)
        first, second = listed(account, service)
        path = (service, "ParkedWebhooks", first["id"])
        assert account.call("DELETE", *path).status_code == 204
        for method, *rest in (("GET",), ("DELETE",), ("POST", "Replay")):
            reply = account.call(method, *path, *rest)
            assert (reply.status_code, reply.json()["code"]) == (404, 20404)
        assert len(receiver.came) == 2
    assert listed(account, service) == [second]


async def test_they_are_the_services_own_and_the_accounts(
    server: RunningServer, account: Account
) -> None:
    async with Receiver() as receiver:
        service = await given_up(account, receiver, 1)
    [parked] = listed(account, service)
    assert listed(account, "default") == []
    assert account.call("GET", "default", "ParkedWebhooks", parked["id"]).status_code == 404
    assert account.call("GET", f"IS{'0' * 32}", "ParkedWebhooks").status_code == 404
    with Account(server, server.token("alice", service=service)) as stranger:
        for method, *rest in (
            ("GET", "ParkedWebhooks"),
            ("GET", "ParkedWebhooks", parked["id"]),
            ("DELETE", "ParkedWebhooks", parked["id"]),
            ("POST", "ParkedWebhooks", parked["id"], "Replay"),
        ):
            reply = stranger.call(method, service, *rest)
            assert (reply.status_code, reply.json()["code"]) == (403, 20403)


async def test_a_deleted_service_leaves_none(account: Account) -> None:
    async with Receiver() as receiver:
        service = await given_up(account, receiver, 1)
    account.ok("DELETE", service)
    assert account.call("GET", service, "ParkedWebhooks").status_code == 404
