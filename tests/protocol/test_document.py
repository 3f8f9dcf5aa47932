from __future__ import annotations

import dataclasses

import pytest

from syncline_protocol.documents import Document, Event, Removed, Updated

SID = "ET" + "0" * 32


def updated() -> Updated:
    return Updated(SID, "name", 2, 1, 1000, "alice", data=b"{}", expires_ms=None)


def test_a_document_cannot_be_changed() -> None:
    document = Document(SID, None, 1, b"{}", 0, 0, None, "system", "system")

    with pytest.raises(dataclasses.FrozenInstanceError):
        document.revision = 2  # type: ignore[misc]


def test_an_event_is_encoded_once_for_all_who_ask() -> None:
    calls: list[Event] = []

    def encode(event: Event) -> bytes:
        calls.append(event)
        return b"frame"

    event = updated()

    assert event.encoded(encode) is event.encoded(encode)
    assert calls == [event]


def test_each_wire_has_its_own_frame_of_an_event() -> None:
    event = updated()

    assert event.encoded(lambda _: b"one") == b"one"
    assert event.encoded(lambda _: b"two") == b"two"


def test_frames_are_no_part_of_what_an_event_is() -> None:
    fresh, used = updated(), updated()
    used.encoded(lambda _: b"frame")

    assert fresh == used
    assert "frame" not in repr(used)


def test_events_of_two_kinds_are_never_equal() -> None:
    removed: Event = Removed(SID, "name", 2, 1, 1000, "alice", expired=False)

    assert removed != updated()
