"""Documents by the clients of back ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from support.back_end import collect, now
from syncline import (
    Conflict,
    InvalidRequest,
    NotFound,
    RevisionMismatch,
    TooLarge,
    UsageError,
)

Calls = tuple[Callable[[], Any], ...]


async def test_a_document_is_created_read_and_removed(service: Any) -> None:
    made = await now(service.documents.create("lobby/ü", {"players": 1}, ttl=3600))
    read = await now(service.documents.get("lobby/ü"))

    assert read.data == made.data == {"players": 1}
    assert (read.sid, read.revision, read.unique_name) == (made.sid, made.revision, "lobby/ü")
    assert made.created_by == made.updated_by == "system"
    assert made.date_created <= made.date_updated <= datetime.now(UTC) < made.date_expires
    assert (await now(service.documents[made.sid])).data == {"players": 1}

    await now(made.remove())
    with pytest.raises(NotFound):
        await now(read.refresh())


async def test_a_document_may_have_neither_name_nor_data_but_a_sid_of_its_own(service: Any) -> None:
    sid = f"ET{'0' * 31}a"
    made = await now(service.documents.create(sid=sid))

    assert (made.sid, made.unique_name, made.data, made.date_expires) == (sid, None, {}, None)


async def test_get_or_create_reads_what_exists(service: Any) -> None:
    first = await now(service.documents.get_or_create("a", {"n": 1}))
    again = await now(service.documents.get_or_create("a", {"n": 2}))

    assert (again.sid, again.data) == (first.sid, {"n": 1})


async def test_a_name_that_is_taken_is_a_conflict(service: Any) -> None:
    await now(service.documents.create("taken"))

    with pytest.raises(Conflict) as refused:
        await now(service.documents.create("taken"))

    assert (refused.value.code, refused.value.status) == (54301, 409)


async def test_each_way_to_write_returns_the_data(service: Any) -> None:
    document = await now(service.documents.create("d", {"a": 1, "b": {"c": 1}}))

    assert await now(document.set({"a": 2})) == {"a": 2}
    assert await now(document.update({"b": None, "c/d": 1})) == {"a": 2, "b": None, "c/d": 1}
    assert await now(document.patch(merge={"b": None})) == {"a": 2, "c/d": 1}
    patch = [{"op": "remove", "path": "/c~1d"}]
    assert await now(document.patch(operations=patch)) == {"a": 2}
    assert await now(document.increment("/a", 2.5)) == {"a": 4.5}
    assert await now(document.mutate(lambda data: data | {"z": 0})) == {"a": 4.5, "z": 0}
    assert await now(document.mutate(lambda data: None)) == {"a": 4.5, "z": 0}
    many = {str(n): n for n in range(1_001)}
    assert await now(document.update(many)) == {"a": 4.5, "z": 0} | many
    assert (await now(service.documents.get("d"))).data == document.data


async def test_a_handle_without_a_read_writes(service: Any) -> None:
    await now(service.documents.create("d", {"n": 1}))
    document = service.documents.at("d")

    with pytest.raises(UsageError, match="refresh"):
        document.data  # noqa: B018
    assert await now(document.increment("/n")) == document.data == {"n": 2}


async def test_a_conditional_write_is_refused_with_the_newest_state(service: Any) -> None:
    document = await now(service.documents.create("d", {"n": 1}))
    old = document.revision
    await now(document.set({"n": 2}, if_match=old))

    calls: Calls = (
        lambda: document.set({"n": 3}, if_match=old),
        lambda: document.patch(merge={"n": 3}, if_match=old),
        lambda: document.set_ttl(60, if_match=old),
        lambda: document.remove(if_match=old),
    )
    for call in calls:
        with pytest.raises(RevisionMismatch) as refused:
            await now(call())
        assert refused.value.document is not None
        assert refused.value.document.data == {"n": 2}


async def test_mutate_computes_again_from_what_another_writer_left(kind: str, service: Any) -> None:
    document = await now(service.documents.create("d", {"n": 1}))
    rival = service.documents.at("d")
    seen = []

    async def slow(data: dict[str, Any]) -> dict[str, Any]:
        seen.append(data["n"])
        if len(seen) == 1:
            await now(rival.increment("/n", 10))
        return {"n": data["n"] + 1}

    def quick(data: dict[str, Any]) -> dict[str, Any]:
        seen.append(data["n"])
        if len(seen) == 1:
            rival.increment("/n", 10)
        return {"n": data["n"] + 1}

    assert await now(document.mutate(slow if kind == "async" else quick)) == {"n": 12}
    assert seen == [1, 11]


async def test_a_mutation_inside_another_of_the_same_data_is_refused(
    kind: str, service: Any
) -> None:
    document = await now(service.documents.create("d", {"n": 1}))
    players = await now(service.maps.create())
    await now(players.set("a", {"n": 1}))

    async def outer(data: dict[str, Any]) -> dict[str, Any]:
        await now(players.mutate("a", lambda item: item | data))
        return await now(document.mutate(lambda inner: inner)) or data

    def blocking(data: dict[str, Any]) -> dict[str, Any]:
        players.mutate("a", lambda item: item | data)
        document.mutate(lambda inner: inner)
        return data

    with pytest.raises(UsageError, match="inside mutate"):
        await now(document.mutate(blocking if kind == "blocking" else outer))
    assert await now(document.mutate(lambda data: {"n": 5})) == {"n": 5}


async def test_an_operation_id_makes_a_second_write_the_first(service: Any) -> None:
    document = await now(service.documents.create("d", {"n": 0}, operation_id="make"))
    again = await now(service.documents.create("d", {"n": 0}, operation_id="make"))
    assert again.sid == document.sid

    await now(document.increment("/n", operation_id="once"))
    await now(document.increment("/n", operation_id="once"))
    assert (await now(service.documents.get("d"))).data == {"n": 1}

    with pytest.raises(Conflict):
        await now(document.set({"n": 5}, operation_id="once"))
    await now(document.remove(operation_id="gone"))
    await now(document.remove(operation_id="gone"))


async def test_a_repeated_write_that_others_have_overwritten_returns_what_it_wrote(
    service: Any,
) -> None:
    document = await now(service.documents.create("d", {"n": 0}))
    await now(document.set({"n": 1}, operation_id="once"))
    first = document.revision
    await now(service.documents.at("d").set({"n": 2}))

    assert await now(document.set({"n": 1}, operation_id="once")) == {"n": 1}
    assert document.revision == first
    await now(document.increment("/n", 5, operation_id="five"))
    await now(service.documents.at("d").set({"n": 3}))
    assert await now(document.increment("/n", 5, operation_id="five")) == {"n": 3}


async def test_the_expiry_changes_alone(service: Any) -> None:
    document = await now(service.documents.create("d", {"n": 1}))

    await now(document.set_ttl(3600))
    assert document.date_expires is not None
    await now(document.set_ttl(0))
    assert document.date_expires is None
    assert document.data == {"n": 1}


async def test_documents_are_listed_page_by_page(service: Any) -> None:
    for number in range(7):
        await now(service.documents.create(f"d{number}", {"n": number}))

    found = await collect(service.documents.list(page_size=3))
    assert sorted(each.data["n"] for each in found) == list(range(7))
    assert len(await collect(service.documents)) == 7
    assert len(await collect(service.documents.list(limit=4, page_size=3))) == 4
    assert await collect(service.documents.list(limit=0)) == []
    for bad in ({"page_size": 0}, {"page_size": 101}, {"limit": -1}, {"limit": True}):
        with pytest.raises(ValueError):
            service.documents.list(**bad)


async def test_containment_is_asked_of_the_server(kind: str, service: Any) -> None:
    await now(service.documents.create("here"))

    assert await now(service.documents.has("here"))
    assert not await now(service.documents.has("there"))
    if kind == "blocking":
        assert "here" in service.documents
        del service.documents["here"]
        assert "here" not in service.documents
    else:
        with pytest.raises(UsageError, match="has"):
            "here" in service.documents  # noqa: B015
        with pytest.raises(UsageError, match="remove"):
            del service.documents["here"]
        with pytest.raises(UsageError, match="async for"):
            list(service.documents)


async def test_the_keys_of_the_data_are_accessed_by_brackets(kind: str, service: Any) -> None:
    document = await now(service.documents.create("d", {"a": 1}))

    assert document["a"] == 1
    assert ("a" in document, "b" in document, list(document)) == (True, False, ["a"])
    with pytest.raises(KeyError):
        document["b"]
    if kind == "blocking":
        document["b/c"] = 2
        del document["a"]
        assert service.documents["d"].data == document.data == {"b/c": 2}
    else:
        with pytest.raises(UsageError, match="update"):
            document["b"] = 2
        with pytest.raises(UsageError, match="patch"):
            del document["a"]


async def test_permissions_are_set_read_listed_and_removed(kind: str, service: Any) -> None:
    document = await now(service.documents.create("d"))
    permissions = document.permissions

    made = await now(permissions.set("al/ice", read=True, write=True))
    assert (made.identity, made.read, made.write, made.manage) == ("al/ice", True, True, False)
    assert await now(permissions.get("al/ice")) == made
    assert await collect(permissions) == [made]
    assert [await now(permissions.has(each)) for each in ("al/ice", "bob")] == [True, False]
    await now(permissions.remove("al/ice"))
    with pytest.raises(NotFound):
        await now(permissions["al/ice"])


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ([1], InvalidRequest),
        ({"a": float("nan")}, InvalidRequest),
        ({"a": {1, 2}}, InvalidRequest),
        ({"a": "\ud800"}, InvalidRequest),
        ({"a": "x" * 20_000}, TooLarge),
    ],
)
async def test_data_that_cannot_be_stored_is_refused(
    service: Any, data: Any, error: type[Exception]
) -> None:
    document = await now(service.documents.create("d", {"n": 1}))

    with pytest.raises(error):
        await now(document.set(data))
    with pytest.raises(error):
        await now(service.documents.create("other", data))
    assert (await now(service.documents.get("d"))).data == {"n": 1}


async def test_arguments_that_no_request_can_carry_are_refused(service: Any) -> None:
    document = await now(service.documents.create("d", {"n": 1}))

    calls: Calls = (
        lambda: service.documents.get(""),
        lambda: service.documents.get(None),
        lambda: service.documents.get("\ud800"),
        lambda: service.documents.create(5),
        lambda: document.set({}, if_match="a\r\nb"),
        lambda: document.set({}, if_match=7),
        lambda: document.set({}, operation_id="é"),
        lambda: document.set({}, operation_id="a\nb"),
        lambda: document.set({}, operation_id="a" * 65),
        lambda: document.set({}, operation_id=""),
        lambda: document.set({}, ttl="soon"),
        lambda: document.set({}, ttl=-1),
        lambda: document.set_ttl(10**12),
        lambda: service.documents.create(sid="ETx"),
    )
    for call in calls:
        with pytest.raises(InvalidRequest):
            await now(call())
    with pytest.raises(TypeError, match="exactly one"):
        await now(document.patch(merge={}, increment={"/n": 1}))
    with pytest.raises(Conflict):
        await now(document.increment("/n/x"))
    assert (await now(service.documents.get("d"))).data == {"n": 1}
    for name in (".", "..", "%2e", "a?b#c"):
        assert not await now(service.documents.has(name))
