from __future__ import annotations

import pytest

from syncline_server.webhooks.events import QueuedEvent

WHOLE = QueuedEvent(
    id="1700000000000-7",
    bucket="3f",
    kind="document_updated",
    subject="ET1",
    identity="ålice",
    endpoint="EP1",
    name="prefs",
    revision="9",
    data='{"a":"é"}',
)


OF_ITEM = QueuedEvent(
    id="1-0",
    bucket="00",
    kind="map_item_added",
    subject="MP1",
    identity="bob",
    item_key="k/é",
    item_revision="8",
    data="{}",
)


@pytest.mark.parametrize(
    "event",
    [
        WHOLE,
        OF_ITEM,
        QueuedEvent(
            id="1700000000000-0",
            bucket="00",
            kind="endpoint_connected",
            subject="bob",
            identity="bob",
        ),
    ],
)
def test_an_event_is_read_as_it_was_queued(event: QueuedEvent) -> None:
    words = [word.encode() for pair in event.fields.items() for word in pair]
    assert QueuedEvent.parse(event.bucket, event.id.encode(), words) == event


def test_one_that_lacks_what_it_must_have_is_none() -> None:
    with pytest.raises(KeyError):
        QueuedEvent.parse("00", b"1-0", [b"k", b"document_updated", b"i", b"alice"])


def test_keys_are_in_the_order_of_time() -> None:
    ids = ["9-0", "10-9", "10-10", "1700000000000-0", "1700000000000-1"]
    keys = [
        QueuedEvent(id=each, bucket="00", kind="k", subject="o", identity="i").key for each in ids
    ]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert WHOLE.at_ms == 1_700_000_000_000
