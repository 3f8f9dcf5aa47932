from __future__ import annotations

import io

from syncline import JsonObject
from syncline_tools.verify.client import KnownState, WireClient
from syncline_tools.verify.history import History
from syncline_tools.verify.records import Opened, Updated

DOCUMENT = "ET1"


async def test_an_event_stream_that_begins_again_brings_a_state_and_no_event() -> None:
    """The client opens it by itself; the state has no revision before it, and is none of a row."""
    history = History(io.BytesIO())
    client = WireClient(
        "rest", "rest-1", "http://x", lambda: "", history=history, on_change=lambda: None
    )
    client.known[DOCUMENT] = KnownState(1, {})

    client._on_event(updated("3"), True)
    client._on_event(updated("4", previous_revision="3"), True)

    state, event = history.records
    assert isinstance(state, Opened)
    assert isinstance(event, Updated)
    assert (state.revision, event.previous, event.revision) == (3, 3, 4)
    assert client.known[DOCUMENT].revision == 4


def updated(revision: str, **members: str) -> JsonObject:
    document = {"sid": DOCUMENT, "revision": revision, "data": {}, **members}
    return {"event": "updated", "document": document}
