from __future__ import annotations

import orjson
import pytest

from support.store import Elapse, Publications, Service
from syncline_protocol.documents import Updated
from syncline_protocol.objects import Removed
from syncline_server.storage.events import parse_event

HEAD = {
    "kind": "updated",
    "sid": "ET00",
    "name": "prefs",
    "revision": "9007199254740991",
    "previous": "9007199254740990",
    "at": "1795500000000",
    "by": "alice",
    "expires": "1795500001000",
}


def message(data: bytes, **changed: str) -> bytes:
    return orjson.dumps(HEAD | changed) + b"\n" + data


def test_an_update() -> None:
    assert parse_event(message(b'{"a":1}')) == Updated(
        sid="ET00",
        unique_name="prefs",
        revision=2**53 - 1,
        previous=2**53 - 2,
        at_ms=1795500000000,
        by="alice",
        data=b'{"a":1}',
        expires_ms=1795500001000,
    )


def test_what_there_is_not() -> None:
    event = parse_event(message(b"{}", name="", expires=""))
    assert isinstance(event, Updated)
    assert (event.unique_name, event.expires_ms) == (None, None)


@pytest.mark.parametrize("kind", ["updated", "removed"])
def test_the_trace_of_a_write(kind: str) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for payload, trace in (
        (message(b"{}", kind=kind, trace=traceparent), traceparent),
        (message(b"{}", kind=kind), None),
    ):
        event = parse_event(payload)
        assert isinstance(event, Updated | Removed) and event.trace == trace


@pytest.mark.parametrize(("kind", "expired"), [("removed", False), ("expired", True)])
def test_a_removal(kind: str, expired: bool) -> None:
    event = parse_event(message(b"", kind=kind))
    assert event == Removed(
        sid="ET00",
        unique_name="prefs",
        revision=2**53 - 1,
        previous=2**53 - 2,
        at_ms=1795500000000,
        by="alice",
        expired=expired,
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        message(b"{}", kind="replaced"),
        message(b"{}", revision="x"),
        orjson.dumps({"kind": "removed"}),
    ],
)
def test_what_is_none_is_an_error(payload: bytes) -> None:
    """Above all, no kind that is unknown is taken for a removal."""
    with pytest.raises((LookupError, TypeError, ValueError)):
        parse_event(payload)


def test_data_is_passed_on_as_it_is() -> None:
    for data in (b'{"a":"\\n"}', b'{"a":"\xc3\xa9"}', b'{\n"a":\n1}\n', b""):
        event = parse_event(message(data))
        assert isinstance(event, Updated) and event.data == data


async def test_what_the_script_publishes_is_read_back(
    service: Service, published: Publications, elapse: Elapse
) -> None:
    data = orjson.dumps({"a": '\n\\"é\u2028', "b": [1.5, 2**63, None]})
    document = await service.create("na\nme\\é", data, 60)
    updated = (await service.set(document.sid, data, who="li\nne/é")).state
    await elapse(61_000)
    await service.objects.expire(service.sid, document.sid)
    update, expiry = await published.take()
    assert isinstance(update, Updated) and isinstance(expiry, Removed)
    assert (update.unique_name, update.by, update.data) == ("na\nme\\é", "li\nne/é", data)
    assert (update.at_ms, update.expires_ms) == (updated.updated_ms, document.expires_ms)
    assert (expiry.unique_name, expiry.by, expiry.expired) == ("na\nme\\é", "system", True)
    assert (update.previous, update.revision) == (document.revision, expiry.previous)
