"""What a back end can do wrong: one clear error at once, and nothing is done in silence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from support.back_end import begun, now, open_service
from support.server import RunningServer
from syncline import InvalidRequest, Service, UsageError

UNSENDABLE: dict[str, Callable[[Any, Any, Any], Any]] = {
    "ttl cannot be sent: inf": lambda lobby, cards, tasks: lobby.set({}, ttl=math.inf),
    "ttl cannot be sent: nan": lambda lobby, cards, tasks: cards.set("a", {}, ttl=math.nan),
    "ttl cannot be sent: the int": lambda lobby, cards, tasks: lobby.set_ttl(10**30),
    "collection_ttl cannot": lambda lobby, cards, tasks: cards.add(
        "b", {}, collection_ttl=-math.inf
    ),
    "key cannot be sent: it has": lambda lobby, cards, tasks: cards.set("card \ud83c", {}),
    "index cannot be sent: the int": lambda lobby, cards, tasks: tasks.remove(2**64),
}


async def test_values_that_no_request_can_have_are_refused(service: Any) -> None:
    lobby = await now(service.documents.create("lobby", {"n": 1}))
    cards = await now(service.maps.create("cards"))
    tasks = await now(service.lists.create("tasks"))
    for reason, use in UNSENDABLE.items():
        with pytest.raises(InvalidRequest, match=reason):
            await now(use(lobby, cards, tasks))
    with pytest.raises(InvalidRequest, match="ttl cannot be sent: inf"):
        cards.batch().set("a", {}, ttl=math.inf)
    await now(lobby.refresh())
    assert (lobby.data, lobby.date_expires) == ({"n": 1}, None)


async def test_a_mutator_that_changes_its_copy_and_returns_none_is_warned_of(
    service: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lobby = await now(service.documents.create("lobby", {"tags": []}))
    cards = await now(service.maps.create("cards"))
    await now(cards.set("a", {"n": 1}))
    await now(lobby.mutate(lambda data: data["tags"].append("new")))
    await now(cards.mutate("a", lambda data: data.update(n=2)))
    assert await now(lobby.mutate(lambda data: None)) == {"tags": []}
    assert [each.message[-27:] for each in caplog.records] == ["return the data to write it"] * 2


async def test_a_nested_mutate_is_found_by_any_name_of_the_object(service: Any) -> None:
    lobby = await now(service.documents.create("lobby", {"n": 1}))
    cards = await now(service.maps.create("cards"))
    await now(cards.set("a", {"n": 1}))
    outer: Any
    inner: Any
    for outer in (lobby, service.documents.at("lobby")):
        for inner in (service.documents.at("lobby"), service.documents.at(lobby.sid)):
            with pytest.raises(UsageError, match="inside mutate of the same data"):
                await now(outer.mutate(lambda data, other=inner: other.mutate(lambda data: data)))
    with pytest.raises(UsageError, match="inside mutate of the same data"):
        await now(
            cards.mutate("a", lambda data: service.maps.at("cards").mutate("a", lambda data: data))
        )


@pytest.mark.parametrize(
    "option", [{"timeout": "5"}, {"timeout": None}, {"reply_timeout": True}, {"ssl": 5}]
)
def test_an_option_of_a_wrong_type_is_named(server: RunningServer, option: dict[str, Any]) -> None:
    [name] = option
    with pytest.raises(ValueError, match=f"^{name} must be "):
        open_service("blocking", server, **option)


def test_a_url_of_a_wrong_type_is_refused() -> None:
    with pytest.raises(ValueError, match="URL must be a str, not int"):
        Service(8040, f"AC{'0' * 32}", "secret")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("identity", "service", "name"),
    [("alice", "", "service"), ("alice", 5, "service"), ("al\udc00", "a", "identity")],
)
async def test_a_token_that_no_server_takes_is_not_made(
    server: RunningServer, identity: str, service: Any, name: str
) -> None:
    async with begun(open_service("blocking", server)) as account:
        with pytest.raises(ValueError, match=f"^{name} "):
            account.mint_token(identity, service=service)


async def test_a_form_that_is_no_utf_8_is_no_webhook(server: RunningServer) -> None:
    async with begun(open_service("blocking", server)) as account:
        form = {"EventType": "\udc80"}
        assert not account.verify_webhook("https://app.example.com/", form, "c2lnbmF0dXJl")


async def test_params_that_are_no_form_are_refused(server: RunningServer) -> None:
    async with begun(open_service("blocking", server)) as account:
        for params in (None, 5, ["EventType"]):
            with pytest.raises(UsageError, match=f"not {type(params).__name__}$"):
                account.verify_webhook("https://app.example.com/", params, "c2lnbmF0dXJl")


@pytest.mark.parametrize("rights", [{"read": "false"}, {"write": 1}, {"manage": None}])
async def test_a_right_that_is_no_bool_is_given_to_nobody(
    service: Any, rights: dict[str, Any]
) -> None:
    lobby = await now(service.documents.create())
    [name] = rights
    with pytest.raises(UsageError, match=f"^{name} must be True or False, not "):
        await now(lobby.permissions.set("alice", **rights))
    assert not await now(lobby.permissions.has("alice"))
