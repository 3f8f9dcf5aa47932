from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given

from support.snapshots import SID, make_snapshot
from support.strategies import json_objects
from syncline.snapshot import Snapshot
from syncline_protocol import native
from syncline_protocol.documents import Document, Updated

MOMENT = datetime(2026, 1, 31, 8, 15, 30, 123_000, tzinfo=UTC)
MOMENT_MS = 1_769_847_330_123


def body_of(document: Document, *, data: bool = True) -> Any:
    """What the server sends, as the client reads it."""
    return orjson.loads(orjson.dumps(native.document_body(document, data=data)))


def make_document(data: bytes = b'{"a":1}', expires_ms: int | None = None) -> Document:
    return Document(
        sid=SID,
        unique_name="name",
        revision=5,
        data=data,
        created_ms=MOMENT_MS,
        updated_ms=MOMENT_MS,
        expires_ms=expires_ms,
        created_by="system",
        updated_by="alice",
    )


def test_a_reply_of_the_server_is_read_whole() -> None:
    assert Snapshot.parse(body_of(make_document(expires_ms=MOMENT_MS))) == Snapshot(
        sid=SID,
        unique_name="name",
        revision=5,
        json=b'{"a":1}',
        date_created=MOMENT,
        date_updated=MOMENT,
        date_expires=MOMENT,
        created_by="system",
        updated_by="alice",
    )


@given(json_objects)
def test_data_comes_through_as_it_is_stored(value: Any) -> None:
    stored = orjson.dumps(value)

    snapshot = Snapshot.parse(body_of(make_document(stored)))

    assert snapshot.json == stored
    assert snapshot.data == value


def test_dates_of_rest_have_whole_seconds() -> None:
    body = {**body_of(make_document()), "date_updated": "2026-01-31T08:15:30Z"}

    assert Snapshot.parse(body).date_updated == MOMENT.replace(microsecond=0)


def test_an_event_takes_what_it_leaves_out_from_the_state_before() -> None:
    base = make_snapshot(1, {"a": 1})
    event = Updated(
        sid=SID,
        unique_name=None,
        revision=2,
        previous=1,
        at_ms=MOMENT_MS,
        by="bob",
        data=b'{"a":2}',
        expires_ms=None,
    )
    body = orjson.loads(native.encode_event(event))["document"]

    snapshot = Snapshot.parse(body, base)

    assert snapshot == dataclasses.replace(
        base, revision=2, json=b'{"a":2}', date_updated=MOMENT, updated_by="bob"
    )


def test_an_event_clears_the_expiry_of_the_state_before() -> None:
    base = dataclasses.replace(make_snapshot(1), date_expires=MOMENT)
    event = Updated(
        sid=SID,
        unique_name=None,
        revision=2,
        previous=1,
        at_ms=MOMENT_MS,
        by="bob",
        data=b"{}",
        expires_ms=None,
    )

    assert Snapshot.parse(orjson.loads(native.encode_event(event))["document"], base) != base
    assert Snapshot.parse(native.event_body(event) | {"data": {}}, base).date_expires is None


def test_a_reply_without_data_means_the_data_that_the_client_holds() -> None:
    base = make_snapshot(5, {"kept": True})

    assert Snapshot.parse(body_of(make_document(), data=False), base).data == {"kept": True}


def test_a_reply_without_data_means_the_data_that_was_sent() -> None:
    base = make_snapshot(4, {"kept": True})

    snapshot = Snapshot.parse(body_of(make_document(), data=False), base, b'{"sent":true}')

    assert snapshot.data == {"sent": True}


@pytest.mark.parametrize("name", ["sid", "revision", "data", "date_created", "updated_by"])
def test_a_member_that_is_nowhere_is_a_key_error(name: str) -> None:
    body = body_of(make_document())
    del body[name]

    with pytest.raises(KeyError, match=name):
        Snapshot.parse(body)


def test_nobody_can_change_what_another_reads() -> None:
    snapshot = make_snapshot(1, {"list": [1]})
    snapshot.data["list"].append(2)

    assert snapshot.data == {"list": [1]}
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.revision = 2  # type: ignore[misc]
