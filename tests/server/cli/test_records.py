from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given

from support.strategies import json_objects
from syncline import JsonObject
from syncline_protocol.fields import TTL_LIMIT
from syncline_server.cli.export_lines import from_line
from syncline_server.cli.output import FIELDS
from syncline_server.cli.records import End, Record, Unusable, from_resource, to_line

RESOURCE: JsonObject = {
    "sid": "ET0123456789abcdef0123456789abcdef",
    "unique_name": "a/b ü",
    "account_sid": "AC0123456789abcdef0123456789abcdef",
    "revision": "7",
    "data": {"a": 1},
    "date_created": "2026-01-31T08:15:30Z",
    "date_updated": "2026-01-31T08:15:30Z",
    "date_expires": "2026-01-31T08:15:30Z",
    "created_by": "system",
    "updated_by": "alice",
}


def record(date_expires: datetime | None) -> Record:
    return Record(label="label", sid=None, unique_name=None, data=b"{}", date_expires=date_expires)


def test_a_line_holds_the_properties_of_a_document() -> None:
    assert tuple(orjson.loads(to_line(RESOURCE))) == FIELDS


def test_a_line_and_a_resource_say_the_same() -> None:
    expires = datetime(2026, 1, 31, 8, 15, 30, tzinfo=UTC)
    sid, name = RESOURCE["sid"], RESOURCE["unique_name"]
    record = Record(
        label="line 1", sid=sid, unique_name=name, data=b'{"a":1}', date_expires=expires
    )
    assert from_line(to_line(RESOURCE), "line 1") == record
    assert from_resource(RESOURCE) == replace(record, label=f"{sid} ('{name}')")


@given(json_objects)
def test_data_comes_through_a_line_as_it_is(data: JsonObject) -> None:
    read = from_line(to_line({"data": data}), "line 1")
    assert isinstance(read, Record)
    assert orjson.loads(read.data) == data


def test_the_last_line_counts() -> None:
    assert from_line(End(7).to_line(), "line 8") == End(7)


@pytest.mark.parametrize("resource", [None, [], "x"])
def test_a_resource_that_is_no_object_is_unusable(resource: object) -> None:
    assert isinstance(from_resource(resource), Unusable)


def test_what_is_left_is_rounded_up_and_bounded() -> None:
    now = datetime.now(UTC)
    assert record(None).remaining() is None
    assert record(now + timedelta(seconds=99.5)).remaining() in (99, 100)
    assert record(now - timedelta(seconds=1)).remaining() == -1
    # The other server's clock may be ahead of ours.
    assert record(now + timedelta(seconds=TTL_LIMIT + 5)).remaining() == TTL_LIMIT
