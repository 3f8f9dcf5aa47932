from __future__ import annotations

import dataclasses

import pytest

from syncline_protocol.documents import Document, Updated
from syncline_protocol.objects import Event, Removed

SID = "ET" + "0" * 32


def updated() -> Updated:
    return Updated(
        sid=SID,
        unique_name="name",
        revision=2,
        previous=1,
        at_ms=1000,
        by="alice",
        data=b"{}",
        expires_ms=None,
    )


def test_a_document_cannot_be_changed() -> None:
    document = Document(
        sid=SID,
        unique_name=None,
        revision=1,
        data=b"{}",
        created_ms=0,
        updated_ms=0,
        expires_ms=None,
        created_by="system",
        updated_by="system",
    )

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
    removed: Event = Removed(
        sid=SID, unique_name="name", revision=2, previous=1, at_ms=1000, by="alice", expired=False
    )

    assert removed != updated()
