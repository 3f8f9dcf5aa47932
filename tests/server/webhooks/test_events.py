from __future__ import annotations

import pytest

from syncline_server.webhooks.events import QueuedEvent

WHOLE = QueuedEvent(
    "1700000000000-7", "3f", "document_updated", "ET1", "ålice", "EP1", "prefs", "9", '{"a":"é"}'
)


OF_ITEM = QueuedEvent(
    "1-0", "00", "map_item_added", "MP1", "bob", item_key="k/é", item_revision="8", data="{}"
)


@pytest.mark.parametrize(
    "event",
    [WHOLE, OF_ITEM, QueuedEvent("1700000000000-0", "00", "endpoint_connected", "bob", "bob")],
)
def test_an_event_is_read_as_it_was_queued(event: QueuedEvent) -> None:
    words = [word.encode() for pair in event.fields.items() for word in pair]
    assert QueuedEvent.parse(event.bucket, event.id.encode(), words) == event


def test_one_that_lacks_what_it_must_have_is_none() -> None:
    with pytest.raises(KeyError):
        QueuedEvent.parse("00", b"1-0", [b"k", b"document_updated", b"i", b"alice"])


def test_keys_are_in_the_order_of_time() -> None:
    ids = ["9-0", "10-9", "10-10", "1700000000000-0", "1700000000000-1"]
    keys = [QueuedEvent(each, "00", "k", "o", "i").key for each in ids]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert WHOLE.at_ms == 1_700_000_000_000
